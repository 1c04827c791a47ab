"""How long a plan takes, measured alone on the machine."""

import time

import torch
from torch import Tensor

from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner


def steady_state_inputs(
    planner: TrajectoryPlanner, dataset_states: Tensor, target_return: float, batch: int
) -> tuple[Tensor, ...]:
    """What a planner sees in the middle of an episode: a full history and a previous plan.

    Args:
        planner: the planner.
        dataset_states: consecutive normalised states of the data [N, state], N >= batch + history + horizon.
        target_return: scaled return-to-go to ask for.
        batch: plans to make at once, B.

    Returns:
        States [B, history, state], returns-to-go [B, history] and previous plans [B, H, state].
    """
    history, horizon = planner.models.history, planner.models.horizon
    windows = dataset_states.unfold(0, history + horizon, 1)[:batch].transpose(
        1, 2
    )  # [B, history + H, state]
    returns_to_go = torch.full((batch, history), target_return, device=dataset_states.device)
    return windows[:, :history].contiguous(), returns_to_go, windows[:, history - 1 : -1].contiguous()


def time_plans(
    planner: TrajectoryPlanner, inputs: tuple[Tensor, ...], warmup: int, repetitions: int
) -> list[float]:
    """Seconds of each of `repetitions` plans after `warmup` unmeasured ones."""
    seconds = []
    for index in range(warmup + repetitions):
        _synchronise(inputs[0])
        started = time.perf_counter()
        planner.plan(*inputs)
        _synchronise(inputs[0])
        if index >= warmup:
            seconds.append(time.perf_counter() - started)
    return seconds


def network_calls(planner: TrajectoryPlanner) -> int:
    """Forward passes of a plan in mid-episode: drafted tokens, denoising steps, inverse dynamics, value."""
    settings = planner.settings
    drafted = planner.models.horizon - 1 if settings.start == "draft" else 0
    return drafted + len(settings.steps) + 1 + (settings.candidates > 1)


def _synchronise(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
