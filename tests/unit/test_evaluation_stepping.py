import os
import signal
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children

import numpy as np
import pytest
from small_environments import COUNTING

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.evaluation.stepping import environment_groups

SEEDS = [np.array([3, 4, 5]), np.array([6, 7])]


def counting(**arguments):
    return COUNTING | {"arguments": arguments}


def walk(environment, workers, steps=2):
    """Of each group the first observations [N, obs] and the answers to `steps` actions.

    Groups step at the same time, as in an evaluation.
    """
    with environment_groups(environment, SEEDS, workers) as groups:
        beginnings = [answer.result() for answer in [group.reset() for group in groups]]
        answers = [[] for _ in groups]
        for _ in range(steps):
            pending = [group.step(actions(len(group.seeds))) for group in groups]
            for answer, own in zip(pending, answers, strict=True):
                own.append(answer.result())
        return list(zip(beginnings, answers, strict=True))


def actions(count):
    return np.tile(np.linspace(-1, 1, count, dtype=np.float32)[:, None], (1, 2))  # [N, act]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_answers_are_in_the_order_of_the_seeds(workers):
    for seeds, (beginning, steps) in zip(SEEDS, walk(COUNTING, workers), strict=True):
        np.testing.assert_array_equal(beginning, [[seed, 0, 0] for seed in seeds])
        for number, step in enumerate(steps, start=1):
            total = number * actions(len(seeds)).sum(axis=1)
            np.testing.assert_array_equal(step.observations[:, :2], [[seed, number] for seed in seeds])
            np.testing.assert_allclose(step.observations[:, 2], total)
            np.testing.assert_allclose(step.rewards, seeds + total)
            assert all(part.shape == seeds.shape for part in step[1:])


@pytest.mark.parametrize(("workers", "expected"), [(0, [1, 1]), (2, [2, 2]), (3, [3, 2])])
def test_every_worker_has_its_share_of_every_group(workers, expected):
    processes = [set(beginning[:, 2]) for beginning, _ in walk(counting(show_process=True), workers, steps=0)]
    assert [len(of_group) for of_group in processes] == expected
    assert (os.getpid() in processes[0]) == (workers == 0)
    assert active_children() == []


def test_success_is_nan_where_it_is_not_reported():
    with environment_groups(COUNTING | {"id": "Hopper-v5"}, SEEDS[:1], 0) as (group,):
        group.reset().result()
        assert np.isnan(group.step(np.zeros((3, 3), np.float32)).result().successes).all()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"fail": 2}, ValueError, "^the hinge came off$"),
        ({"colour": "red"}, UserError, r"^params\.yaml: environment\.arguments: .*colour"),
        ({"die": 2}, BrokenProcessPool, "terminated abruptly"),
    ],
)
def test_what_a_worker_raises_arrives_and_no_worker_stays(arguments, error, words):
    with pytest.raises(error, match=words):
        walk(counting(**arguments), workers=2)
    assert active_children() == []


SCRIPT = """
import signal, sys
import numpy as np
from trajectory_diffuser.evaluation.stepping import environment_groups

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as every stage does
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    with environment_groups({environment}, [np.arange(4)], 2) as (group,):
        group.reset().result()
        print("started", flush=True)
        while True:
            group.step(np.zeros((4, 2), np.float32)).result()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_worker_stays_when_the_evaluation_is_stopped(number, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(environment=COUNTING))
    process = subprocess.Popen(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "started\n"
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # Ctrl-C reaches the workers too
    else:
        process.send_signal(number)
    try:
        _, errors = process.communicate(timeout=60)  # returns when no process holds the pipes any more
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    assert errors.count("Traceback") == (number == signal.SIGINT)
