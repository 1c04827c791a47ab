"""A grid of numbers, coloured and written out."""

from collections.abc import Iterable, Sequence

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from trajectory_diffuser.reporting.style import INK


def scale_of(values: Iterable[np.ndarray], smallest_range: float) -> Normalize:
    """One scale of colours for several grids, over all their numbers; NaN stand for no number."""
    every = np.concatenate([np.ravel(each) for each in values])
    return Normalize(np.nanmin(every), max(np.nanmax(every), np.nanmin(every) + smallest_range))


def heat_map(
    axis: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    scale: Normalize,
    number: str,
    framed: Iterable[tuple[int, int]] = (),
) -> None:
    """Draw `values` [rows, columns] on an empty axis, each in the format `number`; NaN stay empty.

    `framed` are the (row, column) that stand out.
    """
    colours = seaborn.color_palette("viridis", as_cmap=True)
    for row, column in np.argwhere(~np.isnan(values)):
        shade, text = scale(values[row, column]), format(values[row, column], number)
        axis.add_patch(Rectangle((column, row), 1, 1, facecolor=colours(shade), edgecolor="none"))
        ink = "#000000" if shade > 0.5 else "#ffffff"
        axis.text(column + 0.5, row + 0.5, text, color=ink, size=7, ha="center", va="center")
    for row, column in framed:
        frame = {"facecolor": "none", "edgecolor": INK, "linewidth": 2.5, "clip_on": False}
        axis.add_patch(Rectangle((column, row), 1, 1, zorder=3, **frame))
    axis.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    axis.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axis.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axis.tick_params(length=0, labelsize=7)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
