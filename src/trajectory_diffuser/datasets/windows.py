"""Training batches from a prepared dataset, gathered on the training device without per-sample Python work.

Samplers draw their indices from torch's CPU generator: a batch depends on the seed, not on the device.
"""

import numpy as np
import torch

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.datasets.prepared import PreparedDataset

SPLITS = ("train", "validation")


class WindowSampler:
    """Windows of states, `stride` steps apart, and returns-to-go; none crosses the end of its episode.

    With `absorbing` a termination's final state repeats for ever (return-to-go 0), and windows that would
    reach past a truncation, after which nothing is known, are left out: every position counts. Without it
    windows start at every state that has a successor so far ahead, and positions past the end of the episode
    are masked.

    With `past`, so many states before the window's come with it; 0 stands for what was before the episode.

    `length_keys` are the task's settings whose sum `length` is. Raises `UserError` when no training episode
    has that many states: the last positions would never be learnt.
    """

    def __init__(
        self,
        dataset: PreparedDataset,
        length: int,
        device: torch.device,
        *,
        split: str = "train",
        return_scale: float = 1.0,
        absorbing: bool = False,
        stride: int = 1,
        past: int = 0,
        length_keys: tuple[str, ...] = ("horizon",),
    ) -> None:
        self.absorbing, self.past = absorbing, past
        episodes = dataset.episodes(split)
        first, last = dataset.observation_bounds(episodes)
        longest = int((last - first).max(initial=0)) + 1
        reach = stride * (length - 1)
        if split == "train" and longest <= reach:
            task, keys = dataset.provenance["task"], " + ".join(length_keys)
            apart = f", {stride} steps apart" if stride > 1 else ""
            raise UserError(
                f"params.yaml: tasks.{task}.{length_keys[0]}: {keys} is {length} states{apart}, but the "
                f"longest training episode has {longest}; lower {' or '.join(length_keys)} "
                "or collect longer episodes"
            )
        final_start = last - stride
        if absorbing:
            terminated = np.asarray(dataset.terminations)[episodes]
            final_start = np.where(terminated, last - 1, last - reach)
        starts, counts = _ranges(first, final_start)
        self.starts = torch.from_numpy(starts).to(device)  # [windows]
        # [windows], first and last row of the episode
        self.firsts, self.ends = (
            torch.from_numpy(np.repeat(row, counts)).to(device) for row in (first, last)
        )
        self.offsets = stride * torch.arange(-past, length, device=device)
        self.observations, self.returns_to_go = _observations_on(dataset, device, return_scale)

    @property
    def empty(self) -> bool:
        """Whether the split has no window at all."""
        return len(self.starts) == 0

    def sample(self, batch_size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalised states [B, past + length, obs], scaled returns-to-go and mask (bool) [B, length]."""
        return self.windows(torch.randint(len(self.starts), (batch_size,)).to(self.starts.device))

    def windows(self, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The windows with indices `chosen` [B]; shapes as in `sample`."""
        rows = self.starts[chosen][:, None] + self.offsets  # [B, past + length]
        first, last = self.firsts[chosen][:, None], self.ends[chosen][:, None]  # [B, 1]
        states = self.observations[rows.clamp(first, last)]  # [B, past + length, obs]
        if self.past:
            states = states * (rows >= first)[..., None]
        rows = rows[:, self.past :]  # [B, length]
        inside = rows <= last
        mask = torch.ones_like(inside) if self.absorbing else inside
        return states, self.returns_to_go[rows.minimum(last)], mask


class TransitionSampler:
    """Single transitions, of the episodes with the highest returns where `best_fraction` is below 1.

    The next state is `stride` steps ahead, the action the first on the way there. After a termination it
    repeats the final state.
    """

    def __init__(
        self,
        dataset: PreparedDataset,
        device: torch.device,
        *,
        split: str = "train",
        return_scale: float = 1.0,
        stride: int = 1,
        best_fraction: float = 1.0,
    ) -> None:
        episodes = dataset.best_episodes(split, best_fraction)
        first, last = dataset.observation_bounds(episodes)
        terminated = np.asarray(dataset.terminations)[episodes]
        rows, counts = _ranges(first, np.where(terminated, last - 1, last - stride))  # of the states
        if split == "train" and not len(rows):
            raise UserError(
                f"params.yaml: tasks.{dataset.provenance['task']}.stride: no training episode has a state "
                f"{stride} steps after another; lower it or collect longer episodes"
            )
        next_rows = np.minimum(rows + stride, np.repeat(last, counts))
        # An observation row lies as many rows behind its transition as there are episodes before it.
        actions = torch.from_numpy(dataset.actions[rows - np.repeat(episodes, counts)])
        observations, returns_to_go = _observations_on(dataset, torch.device("cpu"), return_scale)
        parts = [observations[rows], observations[next_rows], actions, returns_to_go[rows][:, None]]
        self.widths = [part.shape[1] for part in parts]
        # Side by side, so that a batch is gathered at once: [transitions, 2 obs + act + 1].
        self.table = torch.cat(parts, dim=1).to(device)

    @property
    def empty(self) -> bool:
        """Whether the split has no transition at all."""
        return len(self.table) == 0

    def sample(self, batch_size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalised state and next state [B, obs], action [B, act], scaled return-to-go at the state [B]."""
        return self.transitions(torch.randint(len(self.table), (batch_size,)).to(self.table.device))

    def transitions(
        self, chosen: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The transitions with indices `chosen` [B]; shapes as in `sample`."""
        batch = self.table.index_select(0, chosen)  # [B, 2 obs + act + 1]
        state, next_state, action, return_to_go = batch.split(self.widths, dim=1)
        return state, next_state, action, return_to_go.squeeze(1)


def _observations_on(
    dataset: PreparedDataset, device: torch.device, return_scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised observations [T + E, obs] and scaled returns-to-go [T + E] on the device."""
    observations = dataset.normaliser.normalise(np.asarray(dataset.observations))
    returns_to_go = np.asarray(dataset.returns_to_go) / np.float32(return_scale)
    return torch.from_numpy(observations).to(device), torch.from_numpy(returns_to_go).to(device)


def _ranges(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All whole numbers from `first` to `last` (included), range after range, and how many each range has."""
    counts = np.maximum(last - first + 1, 0)
    before = np.cumsum(counts) - counts
    return np.repeat(first - before, counts) + np.arange(counts.sum()), counts
