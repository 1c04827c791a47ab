"""Prepared arrays and the batches drawn from them, against loops that spell out what is meant."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.collecting.preparation import hold_out, returns_to_go
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.hashing import content_hash
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import TransitionSampler, WindowSampler

CPU = torch.device("cpu")
LENGTHS = (6, 2, 5, 3)
TERMINATED = (True, True, False, False)


def make_episode(index: int, length: int, terminated: bool) -> Episode:
    """Observation (episode, time): a window's rows say where they come from."""
    observations = np.stack([np.full(length + 1, index), np.arange(length + 1)], axis=1).astype(float)
    actions = (100 * index + np.arange(length, dtype=float))[:, None]
    return Episode(observations, actions, np.arange(1.0, length + 1) * (index + 1), terminated, seed=index)


@pytest.fixture
def episodes() -> list[Episode]:
    return [make_episode(i, n, t) for i, (n, t) in enumerate(zip(LENGTHS, TERMINATED, strict=True))]


def flatten(episodes: list[Episode]) -> dict[str, np.ndarray]:
    """The arrays of a prepared dataset, by name, from episodes in memory."""
    ends = np.cumsum([0, *map(len, episodes)])
    return {
        "observations": np.concatenate([e.observations for e in episodes]).astype(np.float32),
        "actions": np.concatenate([e.actions for e in episodes]).astype(np.float32),
        "rewards": np.concatenate([e.rewards for e in episodes]).astype(np.float32),
        "returns_to_go": np.concatenate([returns_to_go(e.rewards) for e in episodes]).astype(np.float32),
        "episode_offsets": ends.astype(np.int64),
        "terminations": np.array([e.terminated for e in episodes]),
    }


def dataset_of(
    episodes: list[Episode], held_out: tuple[int, ...] = (), final_observations: bool = True
) -> PreparedDataset:
    arrays = flatten(episodes)
    identity = Normaliser(*(np.array(values, np.float32) for values in ([0, 0], [1, 1], [0, 0], [9, 9])))
    held = np.isin(np.arange(len(episodes)), held_out)
    return PreparedDataset(
        **arrays,
        validation=held,
        normaliser=identity,
        provenance={"task": "toy", "final_observations": final_observations},
    )


def all_windows(sampler: WindowSampler) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    parts = sampler.windows(torch.arange(len(sampler.starts)))
    return list(zip(*(part.numpy() for part in parts), strict=True))


def test_returns_to_go_is_the_sum_of_what_follows() -> None:
    rewards = np.random.default_rng(0).normal(size=50)
    expected = [sum(rewards[t:]) for t in range(51)]
    np.testing.assert_allclose(returns_to_go(rewards), expected, atol=1e-12)


def test_first_observations_begin_again_where_there_are_fewer(episodes: list[Episode]) -> None:
    dataset = dataset_of(episodes)
    every = dataset.observations
    np.testing.assert_array_equal(dataset.first_observations(3), every[:3])
    np.testing.assert_array_equal(
        dataset.first_observations(2 * len(every) + 1), np.concatenate([every, every, every[:1]])
    )


def test_a_last_observation_that_was_not_recorded_is_never_drawn(episodes: list[Episode]) -> None:
    dataset = dataset_of(episodes, final_observations=False)
    for states, _, _ in all_windows(WindowSampler(dataset, 2, CPU)):
        assert (states[:, 1] < np.array(LENGTHS)[states[:, 0].astype(int)]).all()
    transitions = TransitionSampler(dataset, CPU)
    assert len(transitions.table) == sum(LENGTHS) - len(LENGTHS)
    for state, following, action, _ in zip(*transitions.sample(200), strict=True):
        assert following[1] == state[1] + 1 < LENGTHS[int(state[0])]
        assert action == 100 * state[0] + state[1]


@pytest.mark.parametrize(("length", "stride"), [(2, 1), (4, 1), (7, 1), (3, 2), (2, 3)])
def test_masked_windows_start_at_every_state_with_a_successor(
    episodes: list[Episode], length: int, stride: int
) -> None:
    sampler = WindowSampler(dataset_of(episodes), length, CPU, return_scale=2.0, stride=stride)
    windows = all_windows(sampler)
    expected_starts = [(i, t) for i, n in enumerate(LENGTHS) for t in range(n - stride + 1)]
    for (states, returns, mask), (index, start) in zip(windows, expected_starts, strict=True):
        ahead = start + stride * np.arange(length)
        times = np.minimum(ahead, LENGTHS[index])
        np.testing.assert_array_equal(states, np.stack([np.full(length, index), times], axis=1))
        np.testing.assert_array_equal(mask, ahead <= LENGTHS[index])
        np.testing.assert_allclose(returns, returns_to_go(episodes[index].rewards)[times] / 2.0)


@pytest.mark.parametrize("absorbing", [False, True])
@pytest.mark.parametrize(("past", "stride"), [(1, 1), (4, 1), (2, 3)])
def test_past_states_come_before_a_window_and_are_0_before_the_episode(
    episodes: list[Episode], past: int, stride: int, absorbing: bool
) -> None:
    options = {"absorbing": absorbing, "stride": stride}
    without, whole = (
        all_windows(WindowSampler(dataset_of(episodes), 2, CPU, past=each, **options)) for each in (0, past)
    )
    for (states, *others), (longer, *same) in zip(without, whole, strict=True):
        index, start = states[0]
        times = start + stride * np.arange(-past, 0)
        before = [(index, time) if time >= 0 else (0, 0) for time in times]
        np.testing.assert_array_equal(longer, [*before, *states])
        np.testing.assert_array_equal(others, same)


@pytest.mark.parametrize(("length", "stride"), [(2, 1), (4, 1), (6, 1), (3, 2), (2, 3)])
def test_absorbing_windows_repeat_a_termination_and_never_pass_a_truncation(
    episodes: list[Episode], length: int, stride: int
) -> None:
    sampler = WindowSampler(dataset_of(episodes), length, CPU, absorbing=True, stride=stride)
    windows, ahead = all_windows(sampler), stride * np.arange(length)
    starts = {(int(states[0, 0]), int(states[0, 1])) for states, _, _ in windows}
    expected = {
        (i, t)
        for i, (n, terminated) in enumerate(zip(LENGTHS, TERMINATED, strict=True))
        for t in range(n)
        if terminated or t + ahead[-1] <= n
    }
    assert starts == expected
    assert len(windows) == len(expected)
    for states, returns, mask in windows:
        index = int(states[0, 0])
        assert mask.all()
        assert (states[:, 0] == index).all()
        np.testing.assert_array_equal(states[:, 1], np.minimum(states[0, 1] + ahead, LENGTHS[index]))
        past = states[0, 1] + ahead >= LENGTHS[index]
        assert (returns[past] == 0).all()


def test_transitions_are_consecutive_and_carry_their_action(episodes: list[Episode]) -> None:
    sampler = TransitionSampler(dataset_of(episodes, held_out=(0, 2)), CPU, return_scale=2.0)
    states, next_states, actions, returns = sampler.sample(500)
    assert states.shape == next_states.shape == (500, 2)
    assert set(states[:, 0].tolist()) == {1.0, 3.0}
    assert torch.equal(next_states, states + torch.tensor([0.0, 1.0]))
    assert torch.equal(actions[:, 0], 100 * states[:, 0] + states[:, 1])
    for (index, time), value in zip(states.long().tolist(), returns.tolist(), strict=True):
        assert value == returns_to_go(episodes[index].rewards)[time] / 2.0


def test_a_transition_leads_a_stride_ahead_or_to_the_end_of_a_terminated_episode(
    episodes: list[Episode],
) -> None:
    sampler, stride = TransitionSampler(dataset_of(episodes), CPU, stride=3), 3
    found = {
        tuple(map(int, row))
        for row in torch.cat(sampler.transitions(torch.arange(len(sampler.table)))[:3], 1)
    }
    assert found == {
        (i, t, i, min(t + stride, n), 100 * i + t)
        for i, (n, terminated) in enumerate(zip(LENGTHS, TERMINATED, strict=True))
        for t in range(n)
        if terminated or t + stride <= n
    }


# Returns of the episodes, by their construction: 21, 6, 45, 24.
@pytest.mark.parametrize(
    ("fraction", "chosen"),
    [(1.0, [0, 1, 2, 3]), (0.75, [0, 2, 3]), (0.5, [2, 3]), (0.4, [2, 3]), (0.25, [2]), (0.01, [2])],
)
def test_the_best_episodes_are_those_of_the_highest_return(episodes, fraction, chosen) -> None:
    dataset = dataset_of(episodes)
    assert [sum(episode.rewards) for episode in episodes] == [21, 6, 45, 24]
    assert dataset.best_episodes("train", fraction).tolist() == chosen
    states, _, actions, _ = TransitionSampler(dataset, CPU, best_fraction=fraction).sample(500)
    assert sorted(set(states[:, 0].tolist())) == chosen
    assert torch.equal(actions[:, 0], 100 * states[:, 0] + states[:, 1])


def test_the_best_return_is_of_all_episodes_held_out_ones_too(episodes) -> None:
    returns = [episode.rewards.sum() for episode in episodes]
    assert int(np.argmax(returns)) == 2
    assert dataset_of(episodes, held_out=(2,)).best_return == returns[2]


def test_each_split_has_its_own_best_episodes(episodes) -> None:
    dataset = dataset_of(episodes, held_out=(0, 2))
    assert dataset.best_episodes("train", 0.5).tolist() == [3]
    assert dataset.best_episodes("validation", 0.5).tolist() == [2]
    assert dataset_of(episodes).best_episodes("validation", 0.5).tolist() == []


def test_of_equal_returns_the_earlier_episodes_are_taken() -> None:
    same = [make_episode(0, length, True) for length in (2, 3, 3, 2, 3)]  # returns 3, 6, 6, 3, 6
    chosen = [dataset_of(same).best_episodes("train", fraction).tolist() for fraction in (0.2, 0.4, 0.8)]
    assert chosen == [[1], [1, 2], [0, 1, 2, 4]]


def test_splits_share_no_episode(episodes: list[Episode]) -> None:
    dataset = dataset_of(episodes, held_out=(1,))
    for split, expected in (("train", {0.0, 2.0, 3.0}), ("validation", {1.0})):
        states, _, _ = WindowSampler(dataset, 2, CPU, split=split).sample(400)
        assert set(states[..., 0].ravel().tolist()) == expected


def test_no_validation_episode_leaves_an_empty_sampler(episodes: list[Episode]) -> None:
    dataset = dataset_of(episodes)
    assert WindowSampler(dataset, 2, CPU, split="validation").empty
    assert TransitionSampler(dataset, CPU, split="validation").empty
    assert not WindowSampler(dataset, 2, CPU).empty


@pytest.mark.parametrize("absorbing", [True, False])
@pytest.mark.parametrize("kept", [slice(2), slice(2, None)], ids=["terminated", "truncated"])
def test_a_length_that_no_training_episode_has_is_refused(
    episodes: list[Episode], kept: slice, absorbing: bool
) -> None:
    dataset = dataset_of(episodes[kept])
    longest = max(LENGTHS[kept]) + 1
    assert not WindowSampler(dataset, longest, CPU, absorbing=absorbing).empty
    refusal = rf"tasks\.toy\.horizon: horizon is {longest + 1} states.* {longest};"
    with pytest.raises(UserError, match=refusal):
        WindowSampler(dataset, longest + 1, CPU, absorbing=absorbing)


def test_a_stride_that_no_training_transition_has_is_refused() -> None:
    short = [make_episode(0, 3, terminated=False), make_episode(1, 2, terminated=False)]
    assert not TransitionSampler(dataset_of(short), CPU, stride=3).empty
    with pytest.raises(UserError, match=r"tasks\.toy\.stride: no training episode has a state 4 steps after"):
        TransitionSampler(dataset_of(short), CPU, stride=4)


def test_the_refusal_names_the_settings_that_make_up_the_length(episodes: list[Episode]) -> None:
    with pytest.raises(UserError) as caught:
        WindowSampler(dataset_of(episodes), 9, CPU, length_keys=("history", "horizon"))
    assert str(caught.value) == (
        "params.yaml: tasks.toy.history: history + horizon is 9 states, "
        "but the longest training episode has 7; lower history or horizon or collect longer episodes"
    )


def test_batches_depend_on_the_seed_alone(episodes: list[Episode]) -> None:
    sampler = WindowSampler(dataset_of(episodes), 3, CPU)

    def batch(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return sampler.sample(16)[0]

    assert torch.equal(batch(1), batch(1))
    assert not torch.equal(batch(1), batch(2))


def test_starts_are_uniform(episodes: list[Episode]) -> None:
    torch.manual_seed(0)
    states, _, _ = WindowSampler(dataset_of(episodes), 2, CPU).sample(16_000)
    counts = np.unique(states[:, 0].numpy(), axis=0, return_counts=True)[1]
    assert len(counts) == sum(LENGTHS)
    assert abs(counts / 1000 - 1).max() < 0.15


def test_missing_arrays_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"prepare_dataset\.py --task toy"):
        PreparedDataset.load(tmp_path / "toy")


def test_hold_out_takes_the_share_and_never_everything() -> None:
    assert hold_out(100, 0.05, seed=0).sum() == 5
    assert hold_out(1, 0.5, seed=0).sum() == 0
    assert hold_out(4, 0.05, seed=0).sum() == 0
    np.testing.assert_array_equal(hold_out(100, 0.05, seed=3), hold_out(100, 0.05, seed=3))
    assert (hold_out(100, 0.05, seed=0) != hold_out(100, 0.05, seed=1)).any()


def test_content_hash_notices_any_change(episodes: list[Episode]) -> None:
    arrays = flatten(episodes)
    before = content_hash(arrays)
    assert content_hash(flatten(episodes)) == before
    arrays["rewards"] = arrays["rewards"] + np.float32(1e-6)
    assert content_hash(arrays) != before
