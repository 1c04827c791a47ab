"""What an environment that breaks down makes of rollouts, evaluations and collections."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from small_environments import COUNTING, FAULTS, broken
from small_models import make_policy

from trajectory_diffuser.collecting import fetching
from trajectory_diffuser.collecting.collection import collect_episode
from trajectory_diffuser.collecting.sources.interface import Recording, Request
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.environments import watching
from trajectory_diffuser.environments.environment import make_environment
from trajectory_diffuser.evaluation.rollout import run_episodes


def idle(observation: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.zeros(2, np.float32)


@pytest.mark.parametrize(("fault", "words"), FAULTS.items())
def test_a_fault_ends_episodes_with_environment_seed_and_step(
    fault: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "hangs":
        monkeypatch.setattr(watching, "LONGEST_SECONDS", 0.5)
    line = f"^{re.escape(f'Broken-v0: environment seed 5, {words}')}$"
    with pytest.raises(UserError, match=line):
        run_episodes(make_policy(), broken(fault), [3, 4, 5, 6], None, "test")
    environment = make_environment(broken(fault))
    assert len(collect_episode(environment, idle, 4)) == 4
    with pytest.raises(UserError, match=line):
        collect_episode(environment, idle, 5)


COMPUTES_ON = """
import numpy as np
from small_environments import broken
from trajectory_diffuser.environments import watching
from trajectory_diffuser.environments.environment import make_environment

watching.LONGEST_SECONDS = 0.2
environment = make_environment(broken("computes on in C"))
environment.reset(seed=5)
while True:
    environment.step(np.zeros(2, np.float32))
"""


def test_a_step_that_does_not_come_back_to_python_is_killed_where_it_stands() -> None:
    command, paths = [sys.executable, "-c", COMPUTES_ON], {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(command, env=os.environ | paths, capture_output=True, text=True, timeout=60)
    assert run.returncode == -signal.SIGPROF
    assert run.stdout == "" and "small_environments.py" in run.stderr.splitlines()[1]


def test_an_action_that_is_not_finite_is_not_blamed_on_the_environment() -> None:
    environment = make_environment(COUNTING)
    environment.reset(seed=3)
    with pytest.raises(UserError, match=r"environment seed 3, step 1: the action holds nan$"):
        environment.step(np.array([0.0, np.nan], np.float32))


def test_steps_after_a_reset_without_a_seed_are_counted_on() -> None:
    environment = make_environment(broken("raises"))
    environment.reset(seed=4)
    environment.step(np.zeros(2, np.float32))
    environment.reset()
    environment.unwrapped.seed = 5
    environment.step(np.zeros(2, np.float32))
    with pytest.raises(UserError, match="environment seed 4, step 3: RuntimeError"):
        environment.step(np.zeros(2, np.float32))


def test_large_values_that_are_finite_pass() -> None:
    environment = make_environment(COUNTING)
    environment.reset(seed=3)
    environment.unwrapped.sum = 1e308
    observation, reward, *_ = environment.step(np.zeros(2, np.float32))
    assert observation[2] == reward == 1e308  # their sum is infinite


def test_the_clock_stops_with_the_answer_and_other_threads_have_none() -> None:
    environment = make_environment(COUNTING)
    environment.reset(seed=3)
    environment.step(np.zeros(2, np.float32))
    assert signal.getitimer(signal.ITIMER_REAL) == signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    lengths: list[int] = []
    thread = threading.Thread(target=lambda: lengths.append(len(collect_episode(environment, idle, 4))))
    thread.start()
    thread.join(timeout=30)
    assert lengths == [4]


def test_a_fault_while_data_are_collected_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collect(request: Request) -> Recording:
        episodes = (collect_episode(request.environment, idle, seed) for seed in (3, 4, 5))
        return Recording(episodes, "toy", None, "idle", "none")

    monkeypatch.setattr(fetching, "open_source", collect)
    scores = {"minimum": 0.0, "maximum": 1.0, "origin": "made up"}
    entry = {"environment": broken("raises"), "source": {"kind": "toy"}, "reference_scores": scores}
    with pytest.raises(UserError, match="environment seed 5, step 2"):
        fetching.fetch("toy", entry, {"seed": 0}, tmp_path / "data", tmp_path / "raw")
    assert list(tmp_path.iterdir()) == []
