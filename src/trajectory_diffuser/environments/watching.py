"""An environment that breaks down ends a run with one line instead of becoming a result."""

import faulthandler
import math
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from trajectory_diffuser.common.errors import UserError, reason

PROCESSORS = os.cpu_count() or 1
LONGEST_SECONDS = 300.0  # of one reset or step; the slowest here take less than one


class Watched(gymnasium.Wrapper):
    """Raises `UserError`, with the environment's id, seed and step, where a reset or a step goes wrong.

    That is: an observation, a reward or an action that is not finite, any exception, and no answer within
    `LONGEST_SECONDS`. That limit holds in the main thread, where alone Python handles signals. A library that
    computes on without coming back to Python is left twice as long, on every processor; then the process is
    killed, once it has written where it stood. After a reset without a seed, the steps since the last one
    with a seed are counted on.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.seed: int | None = None
        self.steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """As any environment's."""
        if _in_main_thread():
            # Not at every step: it takes longer than a short step's check.
            signal.signal(signal.SIGALRM, _stop)
            # In C, so also where Python does not get its turn: writes where it stands, then dies of it.
            faulthandler.register(signal.SIGPROF, sys.__stderr__, chain=True)
        if seed is not None:
            self.seed, self.steps = seed, 0
        observation, info = self._answer(self.env.reset, seed=seed, options=options)
        self._check(observation=observation)
        return observation, info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """As any environment's."""
        self.steps += 1
        observation, reward, *others = self._answer(self.env.step, action)
        self._check(action=action, observation=observation, reward=reward)
        return observation, reward, *others

    def _answer(self, method: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        limited = _in_main_thread()
        try:
            if limited:
                _limit(LONGEST_SECONDS)
            return method(*arguments, **keywords)
        except Exception as error:
            raise self._error(reason(error)) from error
        finally:
            if limited:
                _limit(0)

    def _check(self, **values: Any) -> None:
        # Quick: of what is not finite no sum is either.
        if math.isfinite(sum(float(np.add.reduce(value, axis=None)) for value in values.values())):
            return
        for name, value in values.items():
            finite = np.isfinite(value)
            if not finite.all():
                raise self._error(f"the {name} holds {np.extract(~finite, value)[0]}")

    def _error(self, problem: str) -> UserError:
        return UserError(f"{self.spec.id}: environment seed {self.seed}, step {self.steps}: {problem}")


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _limit(seconds: float) -> None:
    """Start both clocks, or stop them with 0: that of the wall, and that of the processor."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    # It counts what all threads take together, which a step may well use for a moment.
    signal.setitimer(signal.ITIMER_PROF, 2 * seconds * PROCESSORS)


def _stop(*_: Any) -> None:
    raise TimeoutError(f"no answer within {LONGEST_SECONDS:g} seconds")
