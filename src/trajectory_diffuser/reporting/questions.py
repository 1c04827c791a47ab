"""What a run asks beside its verdict, studies, experiments, fine-tuning: questions with their answers."""

from dataclasses import dataclass, field

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.experiment_figure import refinement_and_drafts
from trajectory_diffuser.reporting.experiment_frontier import experiment_sentences
from trajectory_diffuser.reporting.experiment_tables import point_table
from trajectory_diffuser.reporting.finetuning import QUESTION, finetuning_answer, round_table
from trajectory_diffuser.reporting.studies import shown_studies, study_scores, study_sentences
from trajectory_diffuser.reporting.tables import Table


@dataclass(frozen=True)
class Answer:
    """What is said, the numbers behind it, and the names of its figures."""

    said: str
    table: Table
    figures: list[str]


@dataclass(frozen=True)
class Question:
    """A question with one answer from all of its tasks, or with one for each task.

    `said` is what is to be read before the answers of tasks; `caption` is the kind of figure whose caption
    is to be read once ("": each figure has its own).
    """

    question: str
    said: str = ""
    caption: str = ""
    answer: Answer | None = None
    answers: dict[str, Answer] = field(default_factory=dict)


def questions(results: Results) -> list[Question]:
    """All of them: studies, experiments, fine-tuning, each in the order of the parameters."""
    params, asked = results.params, []
    for name in shown_studies(results):
        figure, question = f"study_{name}", params["make_report"]["studies"][name]["question"]
        answer = Answer(study_sentences(results, name), study_scores(results, name), [figure])
        asked.append(Question(question, caption=figure, answer=answer))
    for name in params["run"]["experiments"]:
        answers = {
            task: Answer(
                experiment_sentences(results, task, name),
                point_table(results, task, name),
                [f"experiment_{name}_{task}", f"frontier_{name}_{task}"],
            )
            for task in params["run"]["experiment_tasks"]
        }
        said = refinement_and_drafts(results, name)
        asked.append(Question(params["experiments"][name]["question"], said, answers=answers))
    if tasks := params["finetune"]["tasks"]:
        answers = {
            task: Answer(finetuning_answer(results, task), round_table(results, task), [f"finetuning_{task}"])
            for task in tasks
        }
        asked.append(Question(QUESTION, caption="finetuning", answers=answers))
    return asked
