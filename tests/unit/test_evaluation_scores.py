import numpy as np

from trajectory_diffuser.evaluation.scores import normalised_score


def test_the_score_is_linear_with_0_at_the_minimum_and_100_at_the_maximum():
    np.testing.assert_allclose(
        normalised_score(np.array([-20.0, 80.0, 30.0, 130.0]), -20.0, 80.0), [0, 100, 50, 150]
    )
