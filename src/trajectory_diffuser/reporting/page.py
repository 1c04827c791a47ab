"""The report's directory: one self-contained page, its numbers as CSV and JSON, its figures as files."""

from dataclasses import dataclass
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from trajectory_diffuser.computing.files import write_json
from trajectory_diffuser.reporting import figures, plan_figures, tables
from trajectory_diffuser.reporting.artefacts import (
    LATENCY_COLUMNS,
    MODELS,
    SCALING_COLUMNS,
    SCORE_COLUMNS,
    Results,
)
from trajectory_diffuser.reporting.captions import provenance_line
from trajectory_diffuser.reporting.data_cards import collected_here, data_card, data_figure
from trajectory_diffuser.reporting.statistics import headline, metrics
from trajectory_diffuser.reporting.style import inline_svg, save_svg, theme
from trajectory_diffuser.reporting.verdict import claim, verdicts

TEMPLATE = "page.html.j2"
README_FIGURE = "plan_refinement.png"


@dataclass(frozen=True)
class Picture:
    """A figure on the page: its `<svg>` element, its caption, and what it was made with."""

    name: str
    svg: str
    caption: str
    made_with: str


def write_report(results: Results, folder: Path) -> None:
    """Write index.html, metrics.json, scores, latencies and scaling as CSV, and figures/ into `folder`."""
    write_json(folder / "metrics.json", metrics(results))
    results.scores[list(SCORE_COLUMNS)].to_csv(folder / "scores.csv", index=False)
    results.latency[list(LATENCY_COLUMNS)].to_csv(folder / "latency.csv", index=False)
    results.scaling[["task", *SCALING_COLUMNS]].to_csv(folder / "scaling.csv", index=False)
    (folder / "figures").mkdir()
    with theme():
        pictures = _draw(results, folder / "figures")
        refinement = plan_figures.plan_refinement(results)
        if refinement is not None:
            refinement.savefig(folder / "figures" / README_FIGURE, dpi=130, metadata={"Software": None})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(TEMPLATE).render(
        run=results.params["run"],
        settings=results.params["make_report"],
        made_with=provenance_line(results, results.tasks, []),
        claim=claim(results),
        verdicts=verdicts(results),
        headline={task: tables.headline_table(results, task) for task in results.tasks},
        planners=tables.planner_table(results),
        cost_models={task: tables.cost_model_sentence(results, task) for task in results.tasks},
        latency={task: tables.latency_table(results, task) for task in results.tasks},
        training={task: tables.training_table(results, task) for task in results.tasks},
        overfitting=tables.overfitting_warnings(results),
        data_cards={task: data_card(results, task) for task in results.tasks},
        collected_here=[task for task in results.tasks if collected_here(results, task)],
        pictures=pictures,
    )
    (folder / "index.html").write_text(page)


def _draw(results: Results, folder: Path) -> dict[str, Picture]:
    """Draw, save and caption every figure; keyed by name."""
    confidence = f"{100 * results.params['make_report']['confidence']:g} %"
    shown, first_seed = plan_figures.shown_planner(results), results.seeds[0]
    pictures: dict[str, Picture] = {}

    def add(name: str, figure: Figure, caption: str, tasks: list[str], planners: list[str]) -> None:
        made_with = provenance_line(results, tasks, planners)
        save_svg(figure, folder / f"{name}.svg", f"{caption} {made_with}")
        pictures[name] = Picture(name, inline_svg(folder / f"{name}.svg"), caption, made_with)

    add(
        "speed_against_return",
        figures.speed_against_return(results, headline(results)),
        f"Speed against return: the time per decision at the smallest measured batch (log scale) and the "
        f"normalised score (mean over seeds, {confidence} bootstrap interval). Up and to the left is better.",
        results.tasks,
        results.planners,
    )
    add(
        "episode_scores",
        figures.episode_scores(results),
        "The score of every evaluation episode (a marker per training seed) over a box of median and "
        "quartiles.",
        results.tasks,
        results.planners,
    )
    for task in results.tasks:
        add(
            f"scaling_{task}",
            figures.scaling(results, task),
            f"{task}: time per plan against one thing at a time (markers: measured, with untrained networks "
            "of the run's sizes) and what a cost model of calls and operations expects (lines).",
            [task],
            [],
        )
        add(
            f"training_curves_{task}",
            figures.training_curves(results, task),
            f"{task}: loss of the {len(MODELS)} models in training and on held-out episodes.",
            [task],
            [],
        )
        add(
            f"data_{task}",
            data_figure(results, task),
            f"{task}: returns of the episodes in the training data, with the return that the planners are "
            "asked for and the two returns that the normalised score is made from; lengths of the episodes; "
            "how often states are visited (darker: less; positions in a maze, else the two principal "
            "components of the normalised states).",
            [task],
            [],
        )
        over = (
            "over the walls" if plan_figures.is_maze(results, task) else "beside what was executed afterwards"
        )
        add(
            f"plans_{task}",
            plan_figures.task_plans(results, task),
            f"{task}: plans of {shown} {over}, at several steps of evaluation episode 0 with the networks of "
            f"seed {first_seed}; dotted the draft, solid the plan that was acted on.",
            [task],
            [shown],
        )
        if plan_figures.is_maze(results, task):
            add(
                f"planners_{task}",
                plan_figures.maze_planners(results, task),
                f"{task}: each planner's first plan (thick) and the path that it went (thin) in evaluation "
                f"episode 0 with the networks of seed {first_seed}; square: start, star: goal.",
                [task],
                results.planners,
            )
    return pictures
