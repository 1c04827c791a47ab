"""How the behaviour actors are made: one TQC run whose snapshots become a ladder from random to expert.

TQC is truncated quantile critics (Kuznetsov et al., arXiv 2005.04269), as implemented by sbx, the JAX twin of
Stable-Baselines3; it is an optional dependency, needed for nothing else.
"""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import psutil
from safetensors.numpy import save_file
from tqdm import tqdm

from trajectory_diffuser.collecting import behaviour_checkpoint
from trajectory_diffuser.collecting.actors import LADDER_FILE, Actor
from trajectory_diffuser.collecting.collection import collect_episode
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.versions import library_versions
from trajectory_diffuser.computing.files import atomic_directory, atomic_file, write_json
from trajectory_diffuser.computing.progress import drawing_interval
from trajectory_diffuser.computing.stopping import postponed_signals

SNAPSHOT_EVERY = 5_000  # environment steps
CHECKPOINT_EVERY = 50_000
SNAPSHOT_LOG = "snapshots.log"
REPLAY_RUNGS = 10
MEDIUM_FRACTION = 0.4  # of the expert's return
FIRST_EVALUATION_SEED = 10_000
LEARNER = {
    "learning_rate": 3e-4,
    "learning_starts": 5_000,
    "batch_size": 128,
    "train_freq": 8,
    "gradient_steps": 8,
    "policy_kwargs": {"net_arch": {"pi": [64, 64], "qf": [128, 128]}},
}
ACTOR_LAYERS = ("hidden_0", "hidden_1", "mean", "log_std")


@dataclass(frozen=True)
class Snapshot:
    """The actor after `step` environment steps, and its noise-free returns."""

    step: int
    return_mean: float
    return_std: float

    @property
    def file(self) -> str:
        """Name of its weights."""
        return f"step_{self.step:07d}.safetensors"

    def __str__(self) -> str:
        return f"{self.step} {self.return_mean:.1f} {self.return_std:.1f}"


def train_behaviour(
    environment: str,
    snapshots: Path,
    ladder: Path,
    steps: int,
    seed: int,
    episodes: int,
    dropped_quantiles: int,
) -> None:
    """Train for `steps` steps and write the selected actors to the folder `ladder` with their `ladder.json`.

    Every snapshot stays in the folder `snapshots`, with a log of their returns. `dropped_quantiles` of each
    critic's 25 are left out against over-estimation (section 4 of the paper: 0 for HalfCheetah, 2 for
    Walker2d, 5 for Hopper). Reproducible to the bit by `seed` on one machine, also when it was killed: it
    goes on from its last checkpoint, which lies beside the snapshots. SIGTERM and SIGINT wait for the next
    snapshot, and for the checkpoint that is then saved.

    Raises `UserError` when sbx is not installed, or the environment's actions are not within [-1, 1].
    """
    # The networks are too small for more threads, and XLA orders its sums by the cores that it may use: one,
    # and the idlest, because another ladder may be in training beside this one.
    if hasattr(os, "sched_setaffinity"):  # Linux
        load = psutil.cpu_percent(interval=1, percpu=True)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0), key=load.__getitem__)})
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    try:
        from sbx import TQC
        from stable_baselines3.common.callbacks import BaseCallback
    except ImportError:
        raise UserError(
            "train_behaviour: sbx is not installed; run: pip install sbx-rl (pyproject.toml: behaviour)"
        ) from None

    class Progress(BaseCallback):
        def _on_step(self) -> bool:
            progress.update()
            return True

    def record() -> None:
        weights = actor_weights(model.policy.actor_state.params["params"])
        returns = noise_free_returns(environment, Actor.from_safetensors(weights), episodes)
        snapshot = Snapshot(model.num_timesteps, float(np.mean(returns)), float(np.std(returns)))
        save_file(weights, snapshots / snapshot.file)
        with (snapshots / SNAPSHOT_LOG).open("a") as log:
            print(snapshot, file=log)
        progress.set_postfix_str(f"return {snapshot.return_mean:.0f}")

    learner = LEARNER | {"top_quantiles_to_drop_per_net": dropped_quantiles}
    checkpoint = snapshots / "checkpoint"
    env = gymnasium.make(environment)
    check_actions(env)
    model = TQC("MlpPolicy", env, buffer_size=steps, seed=seed, **learner)
    versions = library_versions("sbx-rl", "stable-baselines3", "jax", "mujoco", "gymnasium")
    code = hashlib.sha256(Path(__file__).read_bytes() + Path(behaviour_checkpoint.__file__).read_bytes())
    settings = {"environment": environment, "seed": seed, "steps": steps, "learner": learner}
    settings |= {"episodes": episodes, "versions": versions, "code": code.hexdigest()}
    behaviour_checkpoint.load(model, checkpoint, settings)
    snapshots.mkdir(parents=True, exist_ok=True)
    _forget_later(snapshots / SNAPSHOT_LOG, model.num_timesteps)
    bar = {"initial": model.num_timesteps, "unit_scale": True, "mininterval": drawing_interval()}
    with postponed_signals() as signals, tqdm(total=steps, unit="step", **bar) as progress:
        if model.num_timesteps == 0:
            record()
        stopping = False
        while model.num_timesteps < steps and not stopping:
            behaviour_checkpoint.begin_stretch(model, seed)
            stretch = min(SNAPSHOT_EVERY, steps - model.num_timesteps)
            model.learn(stretch, callback=Progress(), reset_num_timesteps=False)
            record()
            stopping = bool(signals)
            if stopping or model.num_timesteps % CHECKPOINT_EVERY == 0:
                behaviour_checkpoint.save(model, checkpoint, settings)
        if stopping:
            progress.write(f"told to stop; saved after {model.num_timesteps} steps", file=sys.stderr)
    origin = {"environment": environment, "algorithm": "TQC", "settings": learner, "versions": versions}
    origin |= {"seed": seed, "steps": steps}
    write_ladder(
        snapshots, read_snapshot_log((snapshots / SNAPSHOT_LOG).read_text()), ladder, origin, episodes
    )
    shutil.rmtree(checkpoint, ignore_errors=True)


def check_actions(env: gymnasium.Env) -> None:
    """Raise `UserError` unless actions are within [-1, 1]: sbx scales an actor's to the environment's range.

    `Actor`, which acts with the same weights, does not.
    """
    space = env.action_space
    is_box = isinstance(space, gymnasium.spaces.Box)
    if not (is_box and np.all(space.low == -1) and np.all(space.high == 1)):
        raise UserError(
            f"params.yaml: train_behaviour.ladders.*.environment: actions of {env.spec.id} are {space}, and "
            "an actor's within [-1, 1]; use an environment with such actions, or wrap it in "
            "gymnasium.wrappers.RescaleAction"
        )


def _forget_later(log: Path, step: int) -> None:
    """Leave the snapshots up to a step in the log: those after the checkpoint are made again."""
    if log.exists():
        kept = [snapshot for snapshot in read_snapshot_log(log.read_text()) if snapshot.step <= step and step]
        with atomic_file(log) as work:
            work.write_text("".join(f"{snapshot}\n" for snapshot in kept))


def actor_weights(layers: dict[str, Any]) -> dict[str, np.ndarray]:
    """The weights of an sbx actor, by the names and in the layout (outputs x inputs) that `Actor` reads."""
    weights = {}
    for index, name in enumerate(ACTOR_LAYERS):
        layer = layers[f"Dense_{index}"]
        weights[f"{name}.weight"] = np.ascontiguousarray(np.asarray(layer["kernel"]).T)
        weights[f"{name}.bias"] = np.asarray(layer["bias"])
    return weights


def noise_free_returns(environment: str, actor: Actor, episodes: int) -> list[float]:
    """Returns of the actor's mean action in `episodes` episodes from fixed seeds."""
    env, seeds = gymnasium.make(environment), range(FIRST_EVALUATION_SEED, FIRST_EVALUATION_SEED + episodes)
    played = (collect_episode(env, lambda observation, _: actor(observation), seed) for seed in seeds)
    return [float(episode.rewards.sum()) for episode in played]


def select_rungs(snapshots: Sequence[Snapshot]) -> list[tuple[Snapshot, str]]:
    """The snapshots that make up a ladder, in order of their step, each with its role.

    `expert` has the best mean return. `medium` comes before it and is nearest to 40 % of that return, the
    spread of its returns counted as distance. `replay` rungs lie evenly between step 0 and the medium one.
    Raises `UserError` when the best snapshot is the first, so that there is nothing to learn from, or its
    return is not above 0, of which 40 % would be more.
    """
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.step)
    expert = max(ordered, key=lambda snapshot: snapshot.return_mean)
    before = [snapshot for snapshot in ordered if 0 < snapshot.step < expert.step]
    if not before:
        raise UserError(
            f"params.yaml: train_behaviour.ladders.*.steps: the best snapshot is at step {expert.step} of "
            f"{ordered[-1].step}, with no medium actor before it; train for more steps"
        )
    if expert.return_mean <= 0:
        raise UserError(
            f"params.yaml: train_behaviour.ladders.*: the best return is {expert.return_mean:.1f}, and "
            f"medium is {MEDIUM_FRACTION:.0%} of it; train for more steps, or where returns are positive"
        )
    aim = MEDIUM_FRACTION * expert.return_mean
    medium = min(before, key=lambda snapshot: abs(snapshot.return_mean - aim) + snapshot.return_std)
    earlier = [snapshot for snapshot in ordered if snapshot.step < medium.step]
    positions = np.linspace(0, len(earlier), REPLAY_RUNGS, endpoint=False).astype(int)
    replay = [earlier[position] for position in dict.fromkeys(positions)]
    return [*((snapshot, "replay") for snapshot in replay), (medium, "medium"), (expert, "expert")]


def write_ladder(
    folder: Path, snapshots: Sequence[Snapshot], ladder: Path, origin: dict[str, Any], episodes: int
) -> None:
    """Select among the `snapshots`, whose weights are in `folder`, and write the folder `ladder`.

    `origin` says how they were trained: environment, algorithm, settings, versions, seed, steps; `episodes`
    is the number of episodes behind each snapshot's returns.
    """
    rungs = [
        {
            "file": snapshot.file,
            "step": snapshot.step,
            "return_mean": snapshot.return_mean,
            "return_std": snapshot.return_std,
            "episodes": episodes,
            "role": role,
        }
        for snapshot, role in select_rungs(snapshots)
    ]
    with atomic_directory(ladder) as work:
        for rung in rungs:
            shutil.copyfile(folder / rung["file"], work / rung["file"])
        write_json(work / LADDER_FILE, {**origin, "rungs": rungs})


def read_snapshot_log(text: str) -> list[Snapshot]:
    """Snapshots from lines that begin with `step mean std`."""
    rows = re.findall(r"^(\d+) (-?[\d.]+) ([\d.]+)", text, flags=re.MULTILINE)
    return [Snapshot(int(step), float(mean), float(std)) for step, mean, std in rows]
