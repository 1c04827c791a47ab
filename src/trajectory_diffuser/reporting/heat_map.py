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
    seaborn.heatmap(
        values,
        norm=scale,
        cmap="viridis",
        annot=True,
        fmt=number,
        annot_kws={"size": 7},
        cbar=False,
        xticklabels=list(columns),
        yticklabels=list(rows),
        ax=axis,
    )
    for row, column in framed:
        frame = {"facecolor": "none", "edgecolor": INK, "linewidth": 2.5, "clip_on": False}
        axis.add_patch(Rectangle((column, row), 1, 1, zorder=3, **frame))
    axis.tick_params(length=0, labelsize=7, rotation=0)
    axis.grid(visible=False)
