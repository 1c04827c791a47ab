import numpy as np
import pytest
from small_models import ROW

from trajectory_diffuser.planning.choice import asked_return, distinct, middle, settled, tried

GRID = {"guidance": [1.0, 2.0], "temperature": [0.5, 0.1], "target_return": [0.9, 1.0, 1.2]}
TUNED = dict.fromkeys(GRID, "tuned")
POLICY = {"best_fraction": 1.0, "return_conditioned": True, "target_return": "tuned"}


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, ["guidance", "temperature", "target_return"]),
        ({"start": "noise", "refine_steps": 2, "sampler": "ddim"}, list(GRID)),
        ({"start": "previous_plan", "sampler": "ddim"}, list(GRID)),
        ({"refine_steps": 0}, ["target_return"]),  # a draft is neither guided nor noisy
        ({"refine_steps": 1}, ["guidance", "target_return"]),  # the last step adds no noise
        ({"refine_steps": 1, "forward_noise": True}, list(GRID)),
        ({"sampler": "ddim"}, ["guidance", "target_return"]),
        ({"temperature": 0.0}, ["guidance", "target_return"]),
        ({"guidance": 1.5, "target_return": 1.0}, ["temperature"]),
        ({"start": "noise", "refine_steps": "all", "guidance": 0}, ["temperature"]),  # no return is asked for
        ({"guidance": 0}, ["temperature", "target_return"]),  # but of the draft
        ({"guidance": 1.5, "target_return": 1.0, "temperature": 0.0}, []),
    ],
)
def test_a_row_is_tried_with_what_it_leaves_to_tuning_and_makes_a_difference(changes, keys):
    found = tried(ROW | TUNED | changes, GRID)
    assert list(found) == keys
    assert found == {key: GRID[key] for key in keys}


def test_points_that_make_the_same_planner_are_one():
    unguided = [{"guidance": 0, "target_return": 1.0}, {"guidance": 0, "target_return": 1.2}]
    from_noise = ROW | {"start": "noise", "refine_steps": "all"}
    assert distinct(from_noise, unguided) == unguided[:1]
    assert distinct(ROW, unguided) == unguided  # a draft is asked for the return


@pytest.mark.parametrize(
    ("row", "points", "kept"),
    [
        ({}, [{"candidates": 1, "selection": each} for each in ("highest", "softmax")], 1),
        ({}, [{"candidates": 4, "selection": each} for each in ("highest", "softmax")], 2),
        ({}, [{"refine_steps": 0, "last_steps": each} for each in (5, 10)], 1),
        ({}, [{"refine_steps": 1, "sampler": each} for each in ("ddpm", "ddim")], 1),
        ({}, [{"refine_steps": 5, "sampler": each} for each in ("ddpm", "ddim")], 2),
        ({"start": "previous_plan", "sampler": "ddim"}, [{"candidates": each} for each in (1, 4)], 1),
        ({"temperature": "tuned"}, [{"candidates": each} for each in (1, 4)], 2),  # 0 is one seed's choice
    ],
)
def test_what_makes_no_difference_makes_no_other_planner(row, points, kept):
    assert distinct(ROW | row, points) == points[:kept]


@pytest.mark.parametrize("told", [True, False])
def test_a_policy_is_tried_with_targets_if_it_is_told_of_returns(told):
    found = tried(POLICY | {"return_conditioned": told}, GRID)
    assert found == ({"target_return": GRID["target_return"]} if told else {})


def test_named_values_stay_and_the_others_are_filled_in():
    row = settled(ROW | TUNED | {"temperature": 0.3}, {"guidance": 7, "temperature": 8, "target_return": 9})
    assert row == ROW | {"guidance": 7, "temperature": 0.3, "target_return": 9}


def test_the_middle_of_a_list_stands_for_it():
    assert middle(GRID) == {"guidance": 2.0, "temperature": 0.5, "target_return": 1.0}


@pytest.mark.parametrize("best", [50.0, -50.0])
def test_a_greater_multiple_asks_for_more_whatever_the_sign_of_returns(best):
    assert asked_return(1.0, best) == best
    asked = asked_return(np.array([0.5, 0.8, 1.25]), best)
    np.testing.assert_allclose(asked, [25, 40, 62.5] if best > 0 else [-100, -62.5, -40])
