"""A killed training goes on where it stood; a checkpoint of another run, or a damaged one, does not count."""

import json
import signal
import sys
from contextlib import ExitStack

import pytest
import torch
from small_training import (
    IDENTITY,
    SEED,
    SETTINGS,
    Killed,
    kept,
    killed_at,
    noisy_loss,
    run,
    weights,
)

from trajectory_diffuser.training.checkpoint import Checkpoint
from trajectory_diffuser.training.loop import batch_seed


@pytest.fixture
def on_signal():
    """Has a signal handled in some way until the test is over; in the background SIGINT is ignored."""
    with ExitStack() as stack:

        def handle(number, handler):
            stack.callback(signal.signal, number, signal.signal(number, handler))

        yield handle


@pytest.mark.parametrize("step", [3, 7, 12, 14, 22])
def test_a_killed_and_resumed_run_ends_bit_for_bit_where_the_other_does(tmp_path, step):
    expected = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "killed", loss=killed_at(step))
    rows, calls = [], []

    def counting(model, split):
        calls.append(split)
        return noisy_loss(model, split)

    resumed = run(tmp_path / "killed", loss=counting, log=rows.append)
    assert calls.count("train") == SETTINGS["steps"] - step // 7 * 7
    assert weights(resumed) == weights(expected)
    assert kept(resumed) == kept(expected)
    assert resumed.curves == expected.curves
    assert rows == expected.curves  # those from before the resumption are logged again


def test_a_run_killed_twice_ends_there_too(tmp_path):
    expected = run(tmp_path / "whole")
    for step in (9, 16):
        with pytest.raises(Killed):
            run(tmp_path / "killed", loss=killed_at(step))
    assert weights(run(tmp_path / "killed")) == weights(expected)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", [1, 22])
def test_a_signal_saves_a_checkpoint_first_and_then_ends_the_process(tmp_path, on_signal, number, step):
    def told(number, _):
        sys.exit(number)  # as `run_stage` does on SIGTERM

    def loss(model, split):
        if split == "train" and torch.initial_seed() == batch_seed(SEED, step):
            signal.raise_signal(number)
        return noisy_loss(model, split)

    slow = {"steps": 123, "checkpoint_every": 1000}  # a row of the curves every second step
    expected = run(tmp_path / "whole", **slow)
    on_signal(number, told)
    with pytest.raises(SystemExit) as ended:
        run(tmp_path / "killed", loss=loss, **slow)
    assert signal.getsignal(number) is told
    assert ended.value.code == number
    calls = []

    def counting(model, split):
        calls.append(split)
        return noisy_loss(model, split)

    resumed = run(tmp_path / "killed", loss=counting, **slow)
    assert calls.count("train") == 123 - (step + 1)
    assert (weights(resumed), kept(resumed)) == (weights(expected), kept(expected))
    assert resumed.curves == expected.curves


def test_a_signal_in_the_last_step_loses_nothing(tmp_path, on_signal):
    def loss(model, split):
        if split == "train" and torch.initial_seed() == batch_seed(SEED, SETTINGS["steps"] - 1):
            signal.raise_signal(signal.SIGINT)
        return noisy_loss(model, split)

    on_signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", loss=loss)
    resumed = run(tmp_path / "killed", loss=lambda *_: pytest.fail("it was done"))
    assert resumed.curves == run(tmp_path / "whole").curves


def test_a_signal_that_is_ignored_stays_ignored(tmp_path, on_signal):
    on_signal(signal.SIGINT, signal.SIG_IGN)
    result = run(tmp_path, log=lambda row: signal.raise_signal(signal.SIGINT))
    assert result.curves[-1]["step"] == SETTINGS["steps"]


def set_aside(directory, capsys):
    """What the one line of warning says of the checkpoint that is set aside."""
    capsys.readouterr()
    resumed = run(directory)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "checkpoint" in line]
    assert [row["step"] for row in resumed.curves] == list(range(1, 24))
    assert weights(resumed) == weights(run(directory.with_name("whole")))
    assert (directory / "checkpoint.safetensors.unusable").exists()
    file = directory / "checkpoint.safetensors"
    start, end = f"warning: {file}: ", "; set aside as checkpoint.safetensors.unusable, training begins anew"
    assert line.startswith(start)
    assert line.endswith(end)
    return line.removeprefix(start).removesuffix(end)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"code": "2b"}, "code"),
        ({"channels": [2, 8], "learning_rate": 0.1}, "channels, learning_rate"),
        ({"torch": "2.13.0"}, "torch"),
        ({"width": 3}, "width"),
    ],
)
def test_a_checkpoint_of_another_run_is_set_aside_and_what_differs_named(tmp_path, capsys, changed, named):
    with pytest.raises(Killed):
        run(tmp_path / "run", loss=killed_at(20), weight_decay=0.5, identity=IDENTITY | changed)
    assert set_aside(tmp_path / "run", capsys) == f"belongs to a run with other {named}"


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def without_record(content):
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    entries = json.loads(header)
    del entries["__metadata__"]
    shorter = json.dumps(entries).encode()
    return len(shorter).to_bytes(8, "little") + shorter + content[8 + len(header) :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-100],
        lambda content: flipped(content, len(content) - 200),
        lambda content: flipped(content, content.index(b"train_loss") + 20),
        lambda content: flipped(content, 3),
        lambda content: b"",
        lambda content: b"no tensors" * 1000,
        without_record,
    ],
    ids=[
        "truncated",
        "a flipped bit in a tensor",
        "and in the curves",
        "header",
        "empty",
        "garbage",
        "no record",
    ],
)
def test_a_damaged_checkpoint_is_set_aside(tmp_path, capsys, damage):
    with pytest.raises(Killed):
        run(tmp_path / "run", loss=killed_at(20))
    file = tmp_path / "run" / "checkpoint.safetensors"
    file.with_name(f"{file.name}.unusable").write_text("an earlier one")
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    assert set_aside(tmp_path / "run", capsys).startswith("is damaged (")
    assert file.with_name(f"{file.name}.unusable").read_bytes() == damaged


def test_a_removed_checkpoint_is_gone(tmp_path):
    run(tmp_path / "run")
    Checkpoint(tmp_path / "run", IDENTITY).remove()
    assert not (tmp_path / "run").exists()
