"""A TQC training of sbx in stretches that do not depend on one another's chance, so that it can be resumed.

sbx and Stable-Baselines3 save a learner, but not where its environment and its random numbers stand. So each
stretch begins with a new episode and with seeds of its own: what it does follows from the learner's state and
the number of steps so far, and a training that was killed ends, to the bit, where it would have ended.
"""

from pathlib import Path
from typing import Any

import numpy as np

from trajectory_diffuser.computing.files import atomic_directory, read_json, set_aside, write_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.computing.seeding import derive_seed

BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def begin_stretch(model: Any, seed: int) -> None:
    """Let the learner go on in a new episode, with random numbers that follow from `seed` and its steps."""
    from jax.random import PRNGKey

    own = derive_seed("behaviour", seed, model.num_timesteps) % 2**31
    np.random.seed(own)
    model.key, model.policy.key = PRNGKey(own), PRNGKey(own + 1)
    model.action_space.seed(own)
    model.env.seed(own)
    model._last_obs = None  # learn() resets the environment


def save(model: Any, directory: Path, settings: dict[str, Any]) -> None:
    """Replace the checkpoint, atomically: networks and optimisers in msgpack, the replay buffer as arrays.

    `settings` are what the training depends on.
    """
    from flax.serialization import to_bytes

    buffer = model.replay_buffer
    with atomic_directory(directory) as work:
        (work / "learner.msgpack").write_bytes(to_bytes(_learner(model)))
        filled = {name: getattr(buffer, name)[: buffer.pos] for name in BUFFER}  # never full: one slot a step
        np.savez(work / "replay_buffer.npz", **filled)
        counts = {"steps": model.num_timesteps, "updates": model._n_updates}
        write_json(work / "checkpoint.json", {"settings": settings} | counts)


def load(model: Any, directory: Path, settings: dict[str, Any]) -> None:
    """Restore the learner in place, if there is a checkpoint of a training with these settings.

    One of other settings is set aside: renamed, with a warning. Raises `UserError` when a file of it is
    damaged.
    """
    if not directory.exists():
        return
    require_intact(directory, f"rm -r {directory}, and the training again, from its beginning")
    about = read_json(directory / "checkpoint.json")
    if about["settings"] != settings:
        differing = ", ".join(key for key in settings if about["settings"].get(key) != settings[key])
        set_aside(directory, f"belongs to a run with other {differing}")
        return
    from flax.serialization import from_bytes

    learner = from_bytes(_learner(model), (directory / "learner.msgpack").read_bytes())
    policy = model.policy
    policy.actor_state, policy.qf1_state, policy.qf2_state, model.ent_coef_state = learner
    buffer = model.replay_buffer
    with np.load(directory / "replay_buffer.npz") as arrays:
        for name in BUFFER:
            getattr(buffer, name)[: len(arrays[name])] = arrays[name]
        buffer.pos = len(arrays["rewards"])
    model.num_timesteps, model._n_updates = about["steps"], about["updates"]


def _learner(model: Any) -> tuple[Any, ...]:
    """Networks and optimisers: actor, both critics with their targets, and the entropy's weight."""
    policy = model.policy
    return policy.actor_state, policy.qf1_state, policy.qf2_state, model.ent_coef_state
