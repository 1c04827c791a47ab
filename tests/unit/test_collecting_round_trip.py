"""Minari -> prepared arrays -> windows gives back every episode, whatever its length and ending."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.collecting.minari_store import write_dataset
from trajectory_diffuser.collecting.preparation import prepare
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import TransitionSampler, WindowSampler
from trajectory_diffuser.environments.environment import make_environment

HOPPER = {"id": "Hopper-v5", "arguments": {}, "max_episode_steps": 50, "observation_keys": None}
CPU = torch.device("cpu")


@settings(max_examples=25, deadline=None)
@given(
    kinds=st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=6),
    horizon=st.integers(2, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_episode_comes_back(kinds: list[tuple[int, bool]], horizon: int, seed: int) -> None:
    """Each kind is (length, terminated)."""
    generator = np.random.default_rng(seed)
    episodes = [random_episode(generator, length, terminated) for length, terminated in kinds]
    horizon = min(horizon, max(map(len, episodes)) + 1)
    with tempfile.TemporaryDirectory() as folder:
        dataset = prepared(Path(folder), episodes)
        # Without `absorbing` there is a window from every state that has a successor.
        sampler = WindowSampler(dataset, horizon, CPU)
        states, returns_to_go, mask = sampler.windows(torch.arange(len(sampler.starts)))
        transitions = TransitionSampler(dataset, CPU)
        _, _, actions, _ = transitions.transitions(torch.arange(len(transitions.table)))
    starts = [(episode, step) for episode in episodes for step in range(len(episode))]
    assert len(starts) == len(states) == len(actions)
    for (episode, step), state, return_to_go, inside, action in zip(
        starts, states, returns_to_go, mask, actions, strict=True
    ):
        times = range(step, min(step + horizon, len(episode) + 1))
        assert inside.tolist() == [True] * len(times) + [False] * (horizon - len(times))
        got = dataset.normaliser.unnormalise(state[inside].numpy())
        np.testing.assert_allclose(got, episode.observations[times], rtol=1e-5, atol=1e-5)
        sums = [episode.rewards[time:].sum() for time in times]
        np.testing.assert_allclose(return_to_go[inside], sums, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(action, episode.actions[step])
    np.testing.assert_array_equal(dataset.observations, np.concatenate([e.observations for e in episodes]))
    np.testing.assert_array_equal(dataset.rewards, np.concatenate([e.rewards for e in episodes]))
    assert dataset.terminations.tolist() == [episode.terminated for episode in episodes]


def random_episode(generator: np.random.Generator, length: int, terminated: bool) -> Episode:
    """Values that single precision holds exactly, so that they can be compared exactly."""
    observations = generator.normal(size=(length + 1, 11)).astype(np.float32)
    actions = generator.uniform(-1, 1, size=(length, 3)).astype(np.float32)
    return Episode(observations, actions, generator.normal(size=length).astype(np.float32), terminated)


def prepared(folder: Path, episodes: list[Episode]) -> PreparedDataset:
    """The episodes, through a Minari dataset, as prepared arrays; all of them for training."""
    record = {
        "reference_scores": {"minimum": 0.0, "maximum": 1.0},
        "environment": HOPPER,
        "source": {"kind": "file"},
        "algorithm": "chance",
        "licence": "none",
        "origin": {},
        "final_observations": True,
        "seed": 0,
        "versions": {},
    }
    write_dataset(folder / "raw", "toy", make_environment(HOPPER), episodes, record)
    prepare(folder / "raw", folder / "processed", "toy", HOPPER, validation_fraction=0.0, seed=0)
    return PreparedDataset.load(folder / "processed")
