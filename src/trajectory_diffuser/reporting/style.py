"""How every figure looks: one ink, one colour and marker per planner, the same bytes for the same data."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.core.groupby import SeriesGroupBy

matplotlib.use("Agg")

INK = "#22272e"  # text and lines that belong to no planner; the page replaces it by its own text colour
# Eleven: no factor in common with the ten colours, so that no pair of marker and colour comes again soon.
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p", "h", "*", "<")
SEED_LINES = ("-", "--", ":", "-.")
THEME = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "font.size": 9,
    "grid.alpha": 0.18,
    "grid.color": INK,
    "legend.frameon": False,
    "patch.edgecolor": INK,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # text stays text: small, selectable, readable aloud
    "svg.hashsalt": "trajectory_diffuser",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def theme() -> Iterator[None]:
    """Draw with the project's settings, whatever the user's own matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(THEME)
        yield


def planner_colours(planners: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """A colour-blind-safe colour for every planner; beyond ten they come again, with other markers."""
    palette = seaborn.color_palette("colorblind", 10)
    return {planner: palette[index % len(palette)] for index, planner in enumerate(planners)}


def planner_markers(planners: Sequence[str]) -> dict[str, str]:
    """A marker for every planner, so that nothing depends on colour alone."""
    return {planner: MARKERS[index % len(MARKERS)] for index, planner in enumerate(planners)}


def planner_line(
    axis: Axes, known: Sequence[str], planner: str, x: Sequence[float], of_seeds: SeriesGroupBy
) -> None:
    """The means of groups of seeds at x, in order, and bars from the lowest to the highest seed.

    `known` are all planners, which share out colours and markers.
    """
    values = of_seeds.agg(["mean", "min", "max"])
    axis.errorbar(
        x,
        values["mean"],
        yerr=[values["mean"] - values["min"], values["max"] - values["mean"]],
        color=planner_colours(known)[planner],
        marker=planner_markers(known)[planner],
        markersize=5,
        linewidth=1.2,
        elinewidth=0.8,
        capsize=2,
        label=planner,
    )


def panels(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels of `width` x `height` inches each, at most `columns` in a row."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(columns * width, rows * height))
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def save_svg(figure: Figure, path: Path, description: str) -> None:
    """Write an SVG that carries its caption and no date or version, so that equal data gives equal bytes."""
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None, "Description": description})


def inline_svg(path: Path) -> str:
    """The `<svg>` element for a page: in the page's text colour, with ids of its own, as wide as it fits."""
    text = path.read_text()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{path.stem}-', text)
    text = text.replace('href="#', f'href="#{path.stem}-').replace("url(#", f"url(#{path.stem}-")
    text = text.replace(INK, "currentColor")
    opening, rest = text.split(">", 1)
    points = float(re.search(r' width="([\d.]+)pt"', opening).group(1))
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    return f'{opening} style="min-width: {min(points, 560):.0f}px; max-width: {1.5 * points:.0f}px">{rest}'
