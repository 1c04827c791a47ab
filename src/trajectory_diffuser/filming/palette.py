"""Pictures in a few colours, which take few bytes."""

import numpy as np
from PIL import Image

LOOKED_AT = 8  # pictures, evenly spaced, from which the colours are taken
COMMON = 3  # colours that most pixels have: the paper's and the floor's, kept as they are


def reduced(pictures: list[Image.Image], colours: int) -> list[Image.Image]:
    """Pictures of one size in the same so many colours, without dots.

    One palette for all: what does not move stays, to the pixel, what it was, and takes no bytes in a film.

    Args:
        pictures: in full colour.
        colours: their number.
    """
    chosen = pictures[:: -(-len(pictures) // LOOKED_AT)]
    sample = np.concatenate([np.asarray(each) for each in chosen])  # [rows, columns, 3]
    found, counts = np.unique(sample.reshape(-1, 3), axis=0, return_counts=True)
    common = found[counts.argsort()[-COMMON:]]
    rest = Image.fromarray(sample).quantize(colours - len(common), Image.Quantize.MAXCOVERAGE)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common.ravel().tolist(), *rest.getpalette()])
    return [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures]
