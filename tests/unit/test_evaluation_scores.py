import numpy as np
import pytest

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.evaluation.scores import normalised_score


def test_the_score_is_linear_with_0_at_the_minimum_and_100_at_the_maximum():
    np.testing.assert_allclose(
        normalised_score(np.array([-20.0, 80.0, 30.0, 130.0]), -20.0, 80.0), [0, 100, 50, 150]
    )


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e308])
def test_a_return_without_a_finite_score_is_refused(value):
    refused = r"a return of (inf|nan|1e\+308) has no score between 0 .* and 0\.1"
    with pytest.raises(UserError, match=f"^{refused}"):
        normalised_score(np.array([1.0, value]), 0.0, 0.1)
    with pytest.raises(UserError, match=f"^environment seed 8: {refused}"):
        normalised_score(np.array([1.0, value]), 0.0, 0.1, np.array([7, 8]))
