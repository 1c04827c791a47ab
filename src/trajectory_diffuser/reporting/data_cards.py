"""A data card per task: where its data is from, how much there is, and what it looks like."""

import json

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.imitation import BEST, IMITATION, data_scores, differing_arguments
from trajectory_diffuser.reporting.plan_figures import add_walls
from trajectory_diffuser.reporting.style import INK, panels
from trajectory_diffuser.reporting.tables import Table, significant

# The kinds of source whose data this project collects itself.
COLLECTED_HERE = ("behaviour", "controller", "ogbench")
COVERAGE_CELLS = 40


def data_card(results: Results, task: str) -> Table:
    """Size, origin, returns and reference scores of a task's data, one fact per row."""
    record, settings = results.provenance[task], results.params["tasks"][task]
    length, returns, reference = record["episode_length"], record["return"], record["reference_scores"]
    if scores := data_scores(results, task):
        imitation = f"{scores[IMITATION]:.1f} (the data's mean return); its best episode: {scores[BEST]:.1f}"
    else:
        differing = differing_arguments(results, task)
        imitation = f"unknown: evaluation sets {differing}, the data was collected otherwise"
    limit, longer = settings["environment"]["max_episode_steps"], ""
    if length["max"] > limit:
        longer = f"; an evaluation ends after {limit}, so its returns are of shorter episodes"
    facts = {
        "environment": record["environment"],
        "source": _flat(record["source"]),
        "who acted": record["algorithm"],
        "size": f"{record['steps']:,} steps in {record['episodes']:,} episodes",
        "episode length": f"{length['mean']:.0f} (mean); {length['min']} to {length['max']}{longer}",
        "return": f"{significant(returns['mean'])} ± {significant(returns['std'])}; "
        f"{significant(returns['min'])} to {significant(returns['max'])}",
        "score of a perfect imitation": imitation,
        "scores 0 and 100": f"{significant(reference['minimum'], 5)} and "
        f"{significant(reference['maximum'], 5)}: {reference['origin']}",
        "note": settings["note"],
        "licence": record["licence"],
        "content hash": f"{record['content_hash'][:16]}…",
    }
    if not record["final_observations"]:
        facts["last observations"] = "not in the file; the last step of each episode trains no transition"
    return Table(["fact", task], [[name, str(fact)] for name, fact in facts.items()], names=2)


def data_figure(results: Results, task: str) -> Figure:
    """Histograms of episode returns and lengths, and the states that the data covers."""
    data, colour = results.data[task], seaborn.color_palette("colorblind", 1)[0]
    figure, (returns, lengths, states) = panels(3, columns=3, width=3.0, height=2.6)
    bars = {"bins": 40, "color": colour, "alpha": 0.6, "linewidth": 0}
    returns.hist(data.returns, **bars)
    reference = results.provenance[task]["reference_scores"]
    # The planner's that stands out, with the models of each seed.
    targets = sorted({results.tuning[task, seed, results.subject]["target_return"] for seed in results.seeds})
    lines = {
        f"score 0: {significant(reference['minimum'])}": (reference["minimum"], ":"),
        f"score 100: {significant(reference['maximum'])}": (reference["maximum"], "--"),
    } | {f"target return: {significant(target)}": (target, "-") for target in targets}
    for label, (value, line) in lines.items():
        returns.axvline(value, color=INK, linestyle=line, linewidth=1.2, label=label)
    returns.set(xlabel="return of an episode", ylabel="episodes")
    returns.legend(fontsize="small")
    lengths.hist(data.lengths, **bars)
    lengths.set(xlabel="steps of an episode")
    _draw_coverage(states, data.states, results.provenance[task]["maze"])
    return figure


def collected_here(results: Results, task: str) -> bool:
    """Whether the task's data was collected by this project, so that no published score is about it."""
    return results.provenance[task]["source"]["kind"] in COLLECTED_HERE


def _draw_coverage(axis: Axes, states: np.ndarray, maze: dict | None) -> None:
    """How often the data visits a region (log scale): positions in a maze, else two principal components."""
    if maze is not None:
        points = states[:, :2]
        axis.set(xlabel="x [m]", ylabel="y [m]", aspect="equal")
        add_walls(axis, Maze.from_json(maze))
    else:
        spread = states.std(axis=0)
        centred = (states - states.mean(axis=0)) / np.where(spread > 0, spread, 1)
        _, scale, directions = np.linalg.svd(centred, full_matrices=False)
        points = centred @ directions[:2].T  # [n, 2]
        share = scale**2 / (scale**2).sum()
        axis.set(xlabel=f"component 1 ({100 * share[0]:.0f} % of variance)")
        axis.set(ylabel=f"component 2 ({100 * share[1]:.0f} %)" if len(share) > 1 else "")
    # An image instead of outlines: hundreds of cells would make the page large.
    axis.hexbin(*points.T, gridsize=COVERAGE_CELLS, bins="log", mincnt=1, linewidths=0, rasterized=True)


def _flat(value: object) -> str:
    """A source's entry of params.yaml on one line, without YAML's punctuation."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')}: {_flat(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " + ".join(f"({_flat(part)})" if isinstance(part, dict) else _flat(part) for part in value)
    return value if isinstance(value, str) else json.dumps(value)
