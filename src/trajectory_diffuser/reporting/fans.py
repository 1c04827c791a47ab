"""How plans through a maze come about: fans of them, coloured by how much of their denoising is done."""

import numpy as np
import seaborn
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.plan_figures import draw_path, draw_walls
from trajectory_diffuser.reporting.style import panels

SHOWN = 2  # every second plan: more would hide one another
PALETTE = "flare_r"  # dark to light; both ends stand out from a white page and from a dark one


def fan_planners(results: Results, task: str) -> list[str]:
    """The planners of the run that denoise, in a maze."""
    fans = results.fans.get((task, results.seeds[0]), {})
    return [planner for planner in results.with_plans if planner in fans]


def fan_figure(results: Results, task: str) -> Figure:
    """Plans of each planner that denoises at the start of one episode, with the models of the first seed."""
    fans, maze = results.fans[task, results.seeds[0]], Maze.from_json(results.provenance[task]["maze"])
    colours = seaborn.color_palette(PALETTE, as_cmap=True)
    shown = fan_planners(results, task)
    figure, axes = panels(len(shown), columns=5, width=2.0, height=2.2)
    for axis, planner in zip(axes, shown, strict=True):
        draw_walls(axis, maze)
        for done, plans in zip(np.linspace(0, 1, len(fans[planner])), fans[planner], strict=True):
            look = {"linewidth": 0.4 + 0.6 * done, "alpha": 0.1 + 0.7 * done**2}
            for path in plans[::SHOWN]:
                draw_path(axis, path, colours(done), "-", rasterized=True, **look)
        axis.set_title(planner)
    handles = [
        Line2D([], [], color=colours(done), linewidth=2.0, label=f"{100 * done:.0f} %")
        for done in np.linspace(0, 1, 6)
    ]
    figure.legend(handles=handles, title="denoising done", loc="outside upper center", ncols=6)
    return figure
