"""What OGBench's oracles are told to do; that they do it is in test_collecting_ogbench."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajectory_diffuser.collecting.oracles import lights_out


def after_pressing(presses: np.ndarray) -> np.ndarray:
    """Which buttons have changed, as the puzzle's rule says: a press changes a button and its neighbours."""
    changed = np.zeros(presses.shape, bool)
    for row, column in np.argwhere(presses):
        for down, right in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            if 0 <= row + down < presses.shape[0] and 0 <= column + right < presses.shape[1]:
                changed[row + down, column + right] ^= True
    return changed


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([(3, 3), (4, 4), (4, 5), (4, 6)]), st.integers(0, 2**24 - 1))
def test_presses_change_what_is_wrong_and_are_the_fewest(shape: tuple[int, int], buttons: int) -> None:
    pressed = np.array([buttons >> bit & 1 for bit in range(shape[0] * shape[1])], bool).reshape(shape)
    wrong = after_pressing(pressed)
    presses = lights_out(wrong)
    np.testing.assert_array_equal(after_pressing(presses), wrong)
    assert presses.sum() <= pressed.sum()


@pytest.mark.parametrize(("button", "others"), [((0, 0), 3), ((1, 1), 5), ((0, 1), 4)])
def test_what_one_press_has_done_one_press_undoes(button: tuple[int, int], others: int) -> None:
    pressed = np.zeros((3, 3), bool)
    pressed[button] = True
    wrong = after_pressing(pressed)
    assert wrong.sum() == others
    np.testing.assert_array_equal(lights_out(wrong), pressed)
