"""Normalisation, and back."""

import json

import numpy as np

from trajectory_diffuser.datasets.normaliser import Normaliser


def test_normalised_data_have_mean_0_and_deviation_1_and_come_back() -> None:
    observations = np.random.default_rng(0).normal(3.0, 7.0, size=(200, 4)).astype(np.float32)
    normaliser = Normaliser.fit(observations)
    normalised = normaliser.normalise(observations)
    np.testing.assert_allclose(normalised.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(normaliser.unnormalise(normalised), observations, atol=1e-4)


def test_constant_dimension_is_only_centred() -> None:
    observations = np.full((10, 1), 5.0, np.float32)
    normaliser = Normaliser.fit(observations)
    assert normaliser.std.tolist() == [1.0]
    assert (normaliser.normalise(observations) == 0).all()


def test_bounds_enclose_the_data() -> None:
    observations = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    normaliser = Normaliser.fit(observations)
    normalised = normaliser.normalise(observations)
    np.testing.assert_array_equal(normaliser.normalised_minimum, normalised.min(axis=0))
    np.testing.assert_array_equal(normaliser.normalised_maximum, normalised.max(axis=0))


def test_json_round_trip_is_exact() -> None:
    normaliser = Normaliser.fit(np.random.default_rng(2).normal(size=(50, 3)))
    restored = Normaliser.from_json(json.loads(json.dumps(normaliser.to_json())))
    for name in ("mean", "std", "minimum", "maximum"):
        np.testing.assert_array_equal(getattr(restored, name), getattr(normaliser, name))
