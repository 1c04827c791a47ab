"""The report's directory: one self-contained page, its numbers as CSV and JSON, its figures as files."""

from dataclasses import dataclass
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from trajectory_diffuser.computing.files import write_json
from trajectory_diffuser.reporting import figures, plan_figures, tables, training_figure
from trajectory_diffuser.reporting.artefacts import (
    ALL_TASKS,
    LATENCY_COLUMNS,
    SCALING_COLUMNS,
    SCORE_COLUMNS,
    Results,
)
from trajectory_diffuser.reporting.captions import captions, provenance_line
from trajectory_diffuser.reporting.data_cards import collected_here, data_card, data_figure
from trajectory_diffuser.reporting.experiment_figure import experiment_figure
from trajectory_diffuser.reporting.experiment_frontier import experiment_frontier
from trajectory_diffuser.reporting.experiment_tables import experiment_rows
from trajectory_diffuser.reporting.failure_signs import draft_error_figure, shown_signs, sign_rows, sign_table
from trajectory_diffuser.reporting.fans import fan_figure, fan_planners
from trajectory_diffuser.reporting.films import filmstrips, moving_picture, not_filmed, write_films
from trajectory_diffuser.reporting.finetuning import finetuning_figure
from trajectory_diffuser.reporting.frontier import frontier
from trajectory_diffuser.reporting.markdown import (
    experiments_page,
    recommendation_page,
    scores_page,
    verdict_page,
)
from trajectory_diffuser.reporting.questions import questions
from trajectory_diffuser.reporting.recommendation import (
    recommend,
    recommendation_answer,
    recommendation_table,
)
from trajectory_diffuser.reporting.studies import shown_studies, study_figure, study_rows
from trajectory_diffuser.reporting.style import inline_svg, save_svg, theme
from trajectory_diffuser.reporting.summaries import common_scores, headline, mean_score
from trajectory_diffuser.reporting.tuning_figure import (
    tuned_planners,
    tuning_cost,
    tuning_grids,
    tuning_table,
)
from trajectory_diffuser.reporting.verdict import DID_NOT_HOLD, HELD, UNDECIDED, Row, judge
from trajectory_diffuser.reporting.verdict_table import (
    COLUMNS,
    how_judged,
    verdict_entries,
    verdict_table,
    verdict_text,
)
from trajectory_diffuser.reporting.ways import (
    tasks_with_ways,
    way_answer,
    way_figure,
    way_rows,
    way_table,
)

TEMPLATE = "page.html.j2"
REFINEMENT_FIGURE = "plan_refinement.png"


@dataclass(frozen=True)
class Picture:
    """A figure on the page: its `<svg>` element, and what it shows."""

    name: str
    svg: str
    caption: str


def write_report(results: Results, folder: Path) -> None:
    """Write page, verdict, scores, the numbers as CSV and JSON, and figures/ into `folder`.

    metrics.json and answers.json are what DVC compares: the least, and all of one line. metrics.json,
    scores.json and scores.csv are the same in every run of the same parameters on a machine; for the verdict,
    whose answers answers.json counts, times count too.
    """
    verdict, recommendations, asked = judge(results), recommend(results), questions(results)
    (folder / "verdict.txt").write_text(verdict_text(results, verdict))
    (folder / "verdict.md").write_text(verdict_page(results, verdict))
    (folder / "scores.md").write_text(scores_page(results))
    (folder / "recommendation.md").write_text(recommendation_page(results, recommendations))
    if asked:
        (folder / "experiments.md").write_text(experiments_page(asked))
    write_json(folder / "scores.json", _mean_scores(results))
    write_json(folder / "verdict.json", verdict_entries(results, verdict))
    write_json(folder / "metrics.json", metrics(results))
    write_json(folder / "answers.json", answer_counts(results, verdict))
    results.scores[list(SCORE_COLUMNS)].to_csv(folder / "scores.csv", index=False)
    results.latency[list(LATENCY_COLUMNS)].to_csv(folder / "latency.csv", index=False)
    if not results.scaling.empty:
        results.scaling[["task", *SCALING_COLUMNS]].to_csv(folder / "scaling.csv", index=False)
    sign_rows(results).to_csv(folder / "signs.csv", index=False)
    if results.ways:
        way_rows(results).to_csv(folder / "ways.csv", index=False)
    if shown_studies(results):
        study_rows(results).to_csv(folder / "studies.csv", index=False)
    if results.experiments:
        experiment_rows(results).to_csv(folder / "experiments.csv", index=False)
    if results.params["finetune"]["tasks"]:
        results.finetuning.to_csv(folder / "finetuning.csv", index=False)
    if results.training_evaluations:
        training_figure.points(results).to_csv(folder / "training_scores.csv", index=False)
    (folder / "figures").mkdir()
    write_films(results, folder / "figures")
    with theme():
        pictures = _draw(results, folder / "figures")
        refinement = plan_figures.plan_refinement(results)
        if refinement is not None:
            refinement.savefig(folder / "figures" / REFINEMENT_FIGURE, dpi=130, metadata={"Software": None})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(TEMPLATE).render(
        run=results.params["run"],
        made_with=provenance_line(results, results.tasks, results.planners),
        scope=next(iter(results.scopes)),
        verdict_columns=COLUMNS,
        verdict=verdict_table(verdict),
        how_judged=how_judged(results),
        recommendation=recommendation_answer(results, recommendations),
        recommended=recommendation_table(results, recommendations),
        over_tasks=tables.over_tasks_table(results),
        headline={task: tables.headline_table(results, task) for task in results.tasks},
        planners=tables.planner_table(results),
        latency={task: tables.latency_table(results, task) for task in results.tasks},
        tuned=any(tuned_planners(results, task) for task in results.tasks),
        tuning={task: tuning_table(results, task) for task in results.tasks},
        tuning_cost={task: tuning_cost(results, task) for task in results.tasks},
        questions=asked,
        scaled=not results.scaling.empty,
        ways={
            task: (way_answer(results, task), way_table(results, task)) for task in tasks_with_ways(results)
        },
        shown_signs=shown_signs(results),
        signs={task: sign_table(results, task) for task in results.tasks},
        training={task: tables.training_table(results, task) for task in results.tasks},
        warnings=tables.training_warnings(results),
        data_cards={task: data_card(results, task) for task in results.tasks},
        collected_here=[task for task in results.tasks if collected_here(results, task)],
        captions=captions(results),
        mazes=[task for task in results.tasks if plan_figures.is_maze(results, task)],
        fans=any(fan_planners(results, task) for task in results.tasks),
        pictures=pictures,
        moving_picture=moving_picture(results),
        filmstrips=filmstrips(results),
        not_filmed=not_filmed(results),
        left_out=results.left_out,
    )
    (folder / "index.html").write_text(page)


def metrics(results: Results) -> dict[str, float]:
    """The subject's score: what no time enters, so few that `dvc exp show` has room for it."""
    score = mean_score(results, common_scores(results), results.subject, results.tasks).mean
    return {"score": round(score, 1)}


def answer_counts(results: Results, verdict: list[Row]) -> dict[str, int]:
    """How many claims have each answer: on the task or, of several, over all.

    Which claims they are, and why, says verdict.json. Those not judged cannot be, or were not run. Measured
    times enter all of them, even those of claims about scores alone: Holm's correction is for as many tests
    as the times leave open.
    """
    answers = [row.answer for row in verdict if row.scope == next(iter(results.scopes))]
    counts = {answer.replace(" ", "_"): answers.count(answer) for answer in (HELD, DID_NOT_HOLD, UNDECIDED)}
    return counts | {"not_judged": len(answers) - sum(counts.values())}


def _mean_scores(results: Results) -> dict[str, dict[str, float]]:
    """By task and planner."""
    table = headline(results, results.tasks)
    return {
        task: {row.planner: round(row.mean, 1) for row in table[table["task"] == task].itertuples()}
        for task in results.tasks
    }


def _draw(results: Results, folder: Path) -> dict[str, Picture]:
    """Draw, save and caption every figure; keyed by its kind, and its task where every task has one."""
    sentences = captions(results)
    pictures: dict[str, Picture] = {}

    def add(kind: str, figure: Figure, planners: list[str], task: str | None = None) -> None:
        name = kind if task is None else f"{kind}_{task}"
        caption = sentences[kind] if task is None else f"{task}: {sentences[kind]}"
        made_with = provenance_line(results, results.tasks if task is None else [task], planners)
        save_svg(figure, folder / f"{name}.svg", f"{caption} {made_with}")
        pictures[name] = Picture(name, inline_svg(folder / f"{name}.svg"), caption)

    if len(results.tasks) > 1:
        profiles = figures.performance_profiles(results, common_scores(results))
        add("performance_profiles", profiles, results.planners)
        over_tasks = frontier(results, {ALL_TASKS: results.scopes[ALL_TASKS]})
        add("speed_against_return_over_tasks", over_tasks, results.planners)
    add("speed_against_return", frontier(results, {task: [task] for task in results.tasks}), results.planners)
    add("episode_scores", figures.episode_scores(results), results.planners)
    # Results from elsewhere come without the minutes.
    if results.training_evaluations and training_figure.points(results)["minutes"].notna().any():
        planners = results.params["evaluate_training"]["planners"]
        add("score_against_training", training_figure.score_against_training(results), planners)
    add("draft_errors", draft_error_figure(results), [])
    for name in results.params["run"]["experiments"]:
        for task in results.params["run"]["experiment_tasks"]:
            planners = results.params["experiments"][name]["planners"]
            add(f"experiment_{name}", experiment_figure(results, task, name), planners, task)
            add(f"frontier_{name}", experiment_frontier(results, task, name), planners, task)
    for name in shown_studies(results):
        add(f"study_{name}", study_figure(results, name), results.planners)
    for task in results.tasks:
        if task in results.params["measure_scaling"]["tasks"]:
            add("scaling", figures.scaling(results, task), [], task)
        add("training_curves", figures.training_curves(results, task), [], task)
        if task in results.params["finetune"]["tasks"]:
            planners = results.params["finetune"]["planners"]
            add("finetuning", finetuning_figure(results, task), planners, task)
        if (grids := tuning_grids(results, task)) is not None:
            add("tuning", grids, tuned_planners(results, task), task)
        add("data", data_figure(results, task), [], task)
        add("plans", plan_figures.task_plans(results, task), [results.subject], task)
        if plan_figures.is_maze(results, task):
            add("planners", plan_figures.maze_planners(results, task), results.with_plans, task)
        if fan_planners(results, task):
            add("fans", fan_figure(results, task), fan_planners(results, task), task)
        if task in tasks_with_ways(results):
            add("ways", way_figure(results, task), results.with_plans, task)
    return pictures
