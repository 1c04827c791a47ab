"""Which snapshots of a training run become the ladder."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from safetensors.numpy import save_file

from trajectory_diffuser.collecting import behaviour_training
from trajectory_diffuser.collecting.actors import Actor, find_actors
from trajectory_diffuser.collecting.behaviour_checkpoint import load
from trajectory_diffuser.collecting.behaviour_training import (
    Snapshot,
    actor_weights,
    check_actions,
    read_snapshot_log,
    select_rungs,
    train_behaviour,
    write_ladder,
)
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import atomic_directory, read_json, write_json

LAYERS = ("hidden_0", "hidden_1", "mean", "log_std")


def snapshots(returns: list[float], spreads: dict[int, float] | None = None) -> list[Snapshot]:
    return [Snapshot(5000 * i, value, (spreads or {}).get(i, 0.0)) for i, value in enumerate(returns)]


def test_expert_is_the_best_and_medium_before_it_near_two_fifths() -> None:
    rungs = select_rungs(snapshots([10, 300, 1150, 2000, 1250, 3000, 2500, 1200]))
    roles = {role: snapshot.step for snapshot, role in rungs if role != "replay"}
    assert roles == {
        "medium": 10_000,
        "expert": 25_000,
    }  # 1200 at the end is nearer, but comes after the expert
    assert [snapshot.step for snapshot, role in rungs if role == "replay"] == [0, 5000]


def test_medium_prefers_a_small_spread() -> None:
    rungs = select_rungs(snapshots([0, 1200, 1100, 3000], spreads={1: 400.0, 2: 5.0}))
    assert next(snapshot.step for snapshot, role in rungs if role == "medium") == 10_000


def test_replay_rungs_are_ten_evenly_from_the_start_to_the_medium() -> None:
    returns = [float(i) for i in range(41)] + [100.0]
    rungs = select_rungs(snapshots(returns))
    replay = [snapshot.step // 5000 for snapshot, role in rungs if role == "replay"]
    assert replay == list(range(0, 40, 4))
    assert [snapshot.step for snapshot, _ in rungs] == sorted(snapshot.step for snapshot, _ in rungs)


@pytest.mark.parametrize("name", ["Pendulum-v1", "Humanoid-v5", "CartPole-v1"])
def test_actions_of_another_range_are_refused(name: str) -> None:
    check_actions(gymnasium.make("Hopper-v5"))
    with pytest.raises(UserError, match=rf"train_behaviour\.ladders.*actions of {name} are "):
        check_actions(gymnasium.make(name))


def test_returns_that_are_not_above_0_are_refused() -> None:
    with pytest.raises(UserError, match=r"the best return is -10\.0, and medium is 40% of it"):
        select_rungs(snapshots([-1000, -400, -10, -300]))


def test_a_run_that_never_learnt_is_refused() -> None:
    with pytest.raises(UserError, match=r"train_behaviour\.ladders"):
        select_rungs(snapshots([10, 5, 3]))


def test_log_lines_round_trip_and_tolerate_what_follows() -> None:
    given = [Snapshot(0, 12.3, 0.2), Snapshot(5000, -1.5, 0.0)]
    assert read_snapshot_log("\n".join(map(str, given))) == given
    assert read_snapshot_log("0 12 0 0s\n5000 212 1 22s\nsome warning\n") == [
        Snapshot(0, 12, 0),
        Snapshot(5000, 212, 1),
    ]


def test_written_ladder_is_read_back(tmp_path: Path) -> None:
    run = snapshots([0, 100, 1200, 3000])
    for snapshot in run:
        weights = {f"{name}.weight": np.zeros((3, 3), np.float32) for name in LAYERS}
        weights |= {f"{name}.bias": np.full(3, snapshot.step, np.float32) for name in LAYERS}
        save_file(weights, tmp_path / snapshot.file)
    write_ladder(tmp_path, run, tmp_path / "ladder", {"environment": "Hopper-v5", "seed": 0}, episodes=7)
    record = read_json(tmp_path / "ladder" / "ladder.json")
    assert record["environment"] == "Hopper-v5"
    expert = next(rung for rung in record["rungs"] if rung["role"] == "expert")
    assert (expert["step"], expert["return_mean"], expert["episodes"]) == (15_000, 3000, 7)
    ((name, actor),) = find_actors(tmp_path / "ladder", "expert")
    assert name == "step_0015000"
    assert actor.layers[-1][1].tolist() == [15_000] * 3
    assert [name for name, _ in find_actors(tmp_path / "ladder", "medium")] == ["step_0010000"]


def test_actor_weights_take_torchs_layout() -> None:
    layers = {f"Dense_{i}": {"kernel": np.arange(6.0).reshape(2, 3), "bias": np.zeros(3)} for i in range(4)}
    weights = actor_weights(layers)
    assert weights["mean.weight"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert set(weights) == {
        f"{name}.{part}"
        for name in ("hidden_0", "hidden_1", "mean", "log_std")
        for part in ("weight", "bias")
    }


def test_missing_sbx_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sbx", None)
    with pytest.raises(UserError, match="pip install sbx-rl"):
        train_behaviour("Hopper-v5", tmp_path / "snapshots", tmp_path / "ladder", 10_000, 0, 1, 5)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_other_versions_is_set_aside_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, settings = tmp_path / "checkpoint", {"seed": 0, "versions": {"jax": "1"}}
    with atomic_directory(checkpoint) as folder:
        write_json(folder / "checkpoint.json", {"settings": settings})
    load(None, checkpoint, settings | {"versions": {"jax": "2"}})
    warning = capsys.readouterr().err
    assert "other versions" in warning and "training begins anew" in warning
    assert not checkpoint.exists() and (tmp_path / "checkpoint.unusable").is_dir()


class Killed(Exception):
    """In the place of a signal that cannot be waited for."""


def kill() -> None:
    raise Killed


@pytest.mark.parametrize(
    ("stop", "goes_on_from"), [(kill, 80), (lambda: signal.raise_signal(signal.SIGINT), 120)]
)
def test_a_stopped_training_ends_to_the_bit_where_it_would_have_ended(
    stop: Callable[[], None], goes_on_from: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sbx")
    for name, steps in (("SNAPSHOT_EVERY", 40), ("CHECKPOINT_EVERY", 80)):
        monkeypatch.setattr(behaviour_training, name, steps)
    monkeypatch.setitem(behaviour_training.LEARNER, "learning_starts", 40)

    def ladder(name: str) -> dict[str, bytes]:
        train_behaviour("Hopper-v5", tmp_path / name, tmp_path / f"{name}_ladder", 200, 0, 1, 5)
        return {file.name: file.read_bytes() for file in (tmp_path / f"{name}_ladder").iterdir()}

    whole = ladder("whole")
    returns = behaviour_training.noise_free_returns

    def stopped(environment: str, actor: Actor, episodes: int) -> list[float]:
        if len(list((tmp_path / "stopped").glob("step_*"))) == 3:  # now, after 120 steps
            stop()
        return returns(environment, actor, episodes)

    monkeypatch.setattr(behaviour_training, "noise_free_returns", stopped)
    with pytest.raises((Killed, KeyboardInterrupt)):
        ladder("stopped")
    assert read_json(tmp_path / "stopped/checkpoint/checkpoint.json")["steps"] == goes_on_from
    monkeypatch.setattr(behaviour_training, "noise_free_returns", returns)
    assert ladder("stopped") == whole
