"""The environments of an evaluation, stepped in this process or, while it plans, in worker processes."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import SyncVectorEnv

from trajectory_diffuser.environments.environment import make_vector_environment


class Step(NamedTuple):
    """What N environments answered to an action each; `successes` is NaN where they do not report any."""

    observations: np.ndarray  # [N, obs]
    rewards: np.ndarray  # [N]
    terminated: np.ndarray  # [N]
    truncated: np.ndarray  # [N]
    successes: np.ndarray  # [N]


class Pending:
    """An answer on its way: parts of it from one worker or more."""

    def __init__(self, parts: list[Future], join: Callable[[list[Any]], Any]) -> None:
        self.parts = parts
        self.join = join

    def result(self) -> Any:
        """Wait for the answer. Raises what a worker raised."""
        return self.join([part.result() for part in self.parts])


class Group:
    """Environments whose episodes begin together and that are stepped together, in the order of their seeds.

    Every executor holds its share of them.
    """

    def __init__(
        self, number: int, environment: dict[str, Any], seeds: np.ndarray, executors: list[Executor]
    ) -> None:
        self.number = number
        self.environment = environment
        self.executors = executors[: len(seeds)]
        self.seeds = seeds
        self.shares = np.array_split(np.arange(len(seeds)), len(self.executors))

    def reset(self) -> Pending:
        """Make the environments and begin their episodes; the answer is observations [N, obs]."""
        seeds = [self.seeds[share].tolist() for share in self.shares]
        calls = zip(self.executors, seeds, strict=True)
        return Pending(
            [executor.submit(_reset, self.number, self.environment, share) for executor, share in calls],
            np.concatenate,
        )

    def step(self, actions: np.ndarray) -> Pending:
        """Take an action in each environment [N, act]; the answer is a `Step`."""
        calls = zip(self.executors, self.shares, strict=True)
        return Pending(
            [executor.submit(_step, self.number, actions[share]) for executor, share in calls],
            lambda steps: Step(*map(np.concatenate, zip(*steps, strict=True))),
        )


@contextmanager
def environment_groups(
    environment: dict[str, Any], seeds: list[np.ndarray], workers: int
) -> Iterator[list[Group]]:
    """Groups of environments, one for each array of reset seeds.

    Args:
        environment: the task's `environment` entry.
        seeds: of every environment of each group [N].
        workers: processes that step them, each its share of every group; 0: this process does.

    However the block is left, no worker outlives it (they finish the step in hand), nor this process.
    """
    with ExitStack() as stack:
        executors = [_worker() for _ in range(workers)] or [_ThisProcess()]
        for executor in executors:
            stack.callback(executor.shutdown, cancel_futures=True)
        yield [Group(number, environment, group, executors) for number, group in enumerate(seeds)]


_environments: dict[int, SyncVectorEnv] = {}  # this process's share of each group, by the group's number


def _reset(group: int, environment: dict[str, Any], seeds: list[int]) -> np.ndarray:
    _environments[group] = make_vector_environment(environment, len(seeds))
    return _environments[group].reset(seed=seeds)[0]


def _step(group: int, actions: np.ndarray) -> Step:
    *answer, info = _environments[group].step(actions)
    return Step(*answer, np.asarray(info.get("success", np.full(len(actions), np.nan)), float))


class _ThisProcess(Executor):
    """Calls at once, here."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> Future:
        done: Future = Future()
        done.set_result(call(*arguments))
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        while _environments:
            _environments.popitem()[1].close()


def _worker() -> Executor:
    # Spawned: a fork would copy torch's threads and the GPU's state.
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin_worker)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the rest
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot shut its workers down."""
    parent_process().join()
    os._exit(1)
