"""How every figure looks: one ink, one colour and marker per planner, the same bytes for the same data."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from pandas.core.groupby import SeriesGroupBy

from trajectory_diffuser.reporting.artefacts import Results

matplotlib.use("Agg")

INK = "#22272e"  # text and lines that belong to no planner; the page replaces it by its own text colour
PAPER = "#ffffff"  # under a figure in a file, whatever it is shown on; the page needs none
# Each stands out from the page, white or dark, by a contrast of at least 3 to 1.
SUBJECT = "#d55e00"
CONTROLS = ("#0173b2", "#029e73", "#a85fa8")
REST = "#7d858f"
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p", "h", "*", "<", ">", "d")
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
    "figure.facecolor": PAPER,
    "font.size": 9,
    "grid.alpha": 0.18,
    "grid.color": INK,
    "legend.frameon": False,
    "patch.edgecolor": INK,
    "savefig.facecolor": PAPER,
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


def planner_colours(results: Results) -> dict[str, str]:
    """A colour for all planners of params.yaml: the subject's, the controls', and grey for the rest."""
    colours = dict.fromkeys(results.known_planners, REST)
    return colours | dict(zip(results.controls, CONTROLS, strict=False)) | {results.subject: SUBJECT}


def planner_looks(results: Results) -> dict[str, dict[str, Any]]:
    """Colour and marker of all planners of params.yaml, see `looks`."""
    return looks(planner_colours(results))


def looks(colours: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of all names, as arguments of `Axes.plot`.

    No two have the same marker, so that nothing depends on colour: beyond MARKERS they come again, hollow.
    """
    by_name = {}
    for index, (name, colour) in enumerate(colours.items()):
        by_name[name] = {"color": colour, "marker": MARKERS[index % len(MARKERS)]}
        if index >= len(MARKERS):
            by_name[name]["markerfacecolor"] = "none"
    return by_name


def seeds_line(
    axis: Axes, name: str, look: dict[str, Any], x: Sequence[float], of_seeds: SeriesGroupBy
) -> None:
    """The means of groups of seeds at x, in order, and bars from the lowest to the highest seed."""
    values = of_seeds.agg(["mean", "min", "max"])
    axis.errorbar(
        x,
        values["mean"],
        yerr=[values["mean"] - values["min"], values["max"] - values["mean"]],
        **look,
        markersize=5,
        linewidth=1.2,
        elinewidth=0.8,
        capsize=2,
        label=name,
    )


def score_lines(axis: Axes, scores: dict[str, float], across: bool = True) -> None:
    """A line at each named score, the lowest first: across or, where scores go to the right, upright."""
    draw = axis.axhline if across else axis.axvline
    look = {"color": INK, "linewidth": 1.0, "alpha": 0.7, "zorder": 0}
    for (name, score), style in zip(scores.items(), (":", "--"), strict=False):
        draw(score, linestyle=style, label=name, **look)


def value_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Label these values on a logarithmic axis, and nothing else."""
    axis.set_ticks(values, [f"{value:g}" for value in values])
    axis.set_minor_locator(NullLocator())


def plain_ticks(axis: Axis) -> None:
    """Write a logarithmic axis out, 0.1 and 200 instead of powers of ten; at most a few numbers a decade."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


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
    text = text.replace(INK, "currentColor").replace(f"fill: {PAPER}", "fill: none", 1)
    opening, rest = text.split(">", 1)
    points = float(re.search(r' width="([\d.]+)pt"', opening).group(1))
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    # Letters of at least 8 pixels on a telephone, where the figure scrolls.
    return f'{opening} style="min-width: {0.9 * points:.0f}px; max-width: {1.5 * points:.0f}px">{rest}'
