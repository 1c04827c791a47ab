"""Pictures of plans: over the walls of a maze, or as time series beside what was executed."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.style import INK, panels, planner_colours

SNAPSHOTS = 4
GOAL_RADIUS = 0.5  # metres; plans made closer to the goal than this show nothing but standing still
# What the first two observation dimensions are, by the beginning of the environment's id.
OBSERVATION_LABELS = {
    "Hopper": ("height of the torso [m]", "angle of the torso [rad]"),
    "HalfCheetah": ("height of the front tip [m]", "angle of the front tip [rad]"),
    "Walker2d": ("height of the torso [m]", "angle of the torso [rad]"),
}
Plans = dict[str, np.ndarray]


def task_plans(results: Results, task: str) -> Figure:
    """Plans of the run's subject at several steps of episode 0 of the first seed."""
    planner = results.subject
    plans = results.plans[task, results.seeds[0], planner]
    colour = planner_colours(results)[planner]
    maze = _maze(results, task)
    if maze is None:
        settings = results.params["tasks"][task]
        return _time_series(plans, colour, _labels(settings["environment"]["id"]), settings["stride"])
    chosen = _snapshots(plans, before_goal=True)
    figure, axes = panels(len(chosen), columns=SNAPSHOTS, width=2.4, height=2.5)
    for axis, index in zip(axes, chosen, strict=True):
        draw_walls(axis, maze)
        _draw_ends(axis, plans)
        draw_path(axis, plans["executed"], INK, "-", linewidth=0.8, alpha=0.35)
        draw_path(axis, plans["draft"][index], INK, ":", linewidth=1.8)
        draw_path(axis, plans["plan"][index], colour, "-", linewidth=1.8)
        axis.plot(*plans["plan"][index, 0, :2], "o", color=colour, markersize=5)
        axis.set_title(f"step {plans['steps'][index]}")
    figure.legend(handles=_legend(plans, colour, maze=True), loc="outside upper center", ncols=5)
    return figure


def maze_planners(results: Results, task: str) -> Figure:
    """Each planner's first plan over the walls and the path that it went, in episode 0 of the first seed."""
    colours = planner_colours(results)
    maze = _maze(results, task)
    figure, axes = panels(len(results.with_plans), columns=5, width=2.0, height=2.2)
    for axis, planner in zip(axes, results.with_plans, strict=True):
        plans = results.plans[task, results.seeds[0], planner]
        draw_walls(axis, maze)
        _draw_ends(axis, plans)
        draw_path(axis, plans["executed"], colours[planner], "-", linewidth=1.0, alpha=0.45)
        draw_path(axis, plans["plan"][0], colours[planner], "-", linewidth=2.2)
        axis.set_title(planner)
    return figure


def plan_refinement(results: Results) -> Figure | None:
    """A maze plan before and after refinement and what was executed.

    Shown is the plan of the run's subject that goes the farthest, in the last maze task of the run; None
    when the run has no maze or the subject no draft that it refines.
    """
    mazes = [task for task in results.tasks if _maze(results, task) is not None]
    if not mazes:
        return None
    task = mazes[-1]
    maze = _maze(results, task)
    plans = results.plans[task, results.seeds[0], results.subject]
    if np.isnan(plans["draft"]).any() or np.array_equal(plans["draft"], plans["plan"]):
        return None
    way = np.linalg.norm(np.diff(plans["plan"][..., :2], axis=1), axis=-1).sum(axis=-1)  # [n]
    index = int(way.argmax())
    colour = planner_colours(results)[results.subject]
    figure, axes = panels(3, columns=3, width=2.8, height=3.0)
    for axis, title in zip(axes, ("1. draft", "2. refine", "3. act"), strict=True):
        draw_walls(axis, maze)
        _draw_ends(axis, plans)
        axis.set_title(title, fontsize="large")
    draft, plan = plans["draft"][index], plans["plan"][index]  # [H, observation]
    dots = {"marker": "o", "markersize": 3}
    draw_path(axes[0], draft, INK, ":", linewidth=1.5, **dots)
    draw_path(axes[1], draft, INK, ":", linewidth=1.5, alpha=0.6)
    draw_path(axes[1], plan, colour, "-", linewidth=1.5, **dots)
    draw_path(axes[2], plan, colour, "-", linewidth=3.0, alpha=0.4)
    draw_path(axes[2], plans["executed"], INK, "-", linewidth=1.2)
    axes[0].set_xlabel("a causal transformer writes\nthe next states")
    axes[1].set_xlabel("the last denoising steps\nmove them")
    axes[2].set_xlabel("inverse dynamics follows,\nplanning again at every step")
    return figure


def is_maze(results: Results, task: str) -> bool:
    """Whether the task is drawn over walls."""
    return _maze(results, task) is not None


def _maze(results: Results, task: str) -> Maze | None:
    maze = results.provenance[task]["maze"]
    return None if maze is None else Maze.from_json(maze)


def _snapshots(plans: Plans, before_goal: bool) -> list[int]:
    """Indices of at most SNAPSHOTS plans, evenly over those made before the end (and away from the goal)."""
    steps, executed = plans["steps"], plans["executed"]
    shown = steps < len(executed) - 1
    if before_goal:
        distance = np.linalg.norm(executed[:, :2] - executed[:, -2:], axis=-1)  # [L + 1]
        shown &= (steps == steps[0]) | (distance[np.minimum(steps, len(executed) - 1)] > GOAL_RADIUS)
    candidates = np.flatnonzero(shown)
    even = np.linspace(0, len(candidates) - 1, min(SNAPSHOTS, len(candidates))).round().astype(int)
    return candidates[even].tolist()


def _time_series(plans: Plans, colour: str, labels: tuple[str, str], stride: int) -> Figure:
    """Planned against executed over the horizon; rows: observation dimensions 0 and 1, columns: snapshots."""
    chosen = _snapshots(plans, before_goal=False)
    horizon = plans["plan"].shape[1]
    figure, axes = panels(2 * len(chosen), columns=len(chosen), width=2.5, height=1.9)
    for place, axis in enumerate(axes):
        row, column = divmod(place, len(chosen))
        index = chosen[column]
        step = int(plans["steps"][index])
        time = step + stride * np.arange(horizon)
        executed = plans["executed"][step : time[-1] + 1, row]
        axis.plot(step + np.arange(len(executed)), executed, color=INK, linewidth=2.5, alpha=0.35)
        axis.plot(time, plans["draft"][index, :, row], ":", color=INK, linewidth=1.8)
        axis.plot(time, plans["plan"][index, :, row], color=colour, linewidth=1.5)
        axis.locator_params(nbins=4)
        if row == 0:
            axis.set_title(f"plan made at step {step}")
        else:
            axis.set_xlabel("environment step")
        if column == 0:
            axis.set_ylabel(labels[row])
    figure.legend(handles=_legend(plans, colour, maze=False), loc="outside upper center", ncols=5)
    return figure


def _labels(environment_id: str) -> tuple[str, str]:
    for prefix, labels in OBSERVATION_LABELS.items():
        if environment_id.startswith(prefix):
            return labels
    return "observation 0", "observation 1"


def _legend(plans: Plans, colour: str, maze: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], color=INK, alpha=0.35, linewidth=1.0 if maze else 2.5, label="executed"),
        Line2D([], [], color=colour, linewidth=1.8, label="plan"),
    ]
    if not np.isnan(plans["draft"]).all():
        handles.insert(1, Line2D([], [], color=INK, linestyle=":", linewidth=1.8, label="draft"))
    if maze:
        handles.append(
            Line2D([], [], color=INK, linestyle="", marker="s", markerfacecolor="none", label="start")
        )
        handles.append(Line2D([], [], color=INK, linestyle="", marker="*", markersize=9, label="goal"))
    return handles


def add_walls(axis: Axes, maze: Maze) -> None:
    """Draw the walls."""
    side = maze.cell_size
    for x, y in maze.centres(np.argwhere(maze.walls)):
        axis.add_patch(
            Rectangle((x - side / 2, y - side / 2), side, side, facecolor="#8c959f", alpha=0.45, linewidth=0)
        )


def draw_walls(axis: Axes, maze: Maze) -> None:
    """Draw the walls, and make the axis as large as the maze, without ticks."""
    add_walls(axis, maze)
    side, (rows, columns) = maze.cell_size, maze.walls.shape
    axis.set(xlim=(-columns * side / 2, columns * side / 2), ylim=(-rows * side / 2, rows * side / 2))
    axis.set(aspect="equal", xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def _draw_ends(axis: Axes, plans: Plans) -> None:
    axis.plot(*plans["executed"][0, :2], "s", color=INK, markersize=6, markerfacecolor="none")
    axis.plot(*plans["executed"][0, -2:], "*", color=INK, markersize=10, markeredgewidth=0)


def draw_path(axis: Axes, states: np.ndarray, colour: object, line: str, **keywords: object) -> None:
    """Draw the first two dimensions of states [steps, observation]; a missing draft (NaN) draws nothing."""
    axis.plot(states[:, 0], states[:, 1], line, color=colour, **keywords)
