"""Behaviour actors: small Gaussian policies, alone or as a ladder that one learner left behind.

A folder of actors holds `.safetensors` files of this project's own training (with a `ladder.json` that says
which role each rung plays) or `.npz` files in the format that `Actor.from_npz` describes.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from trajectory_diffuser.common.errors import UserError, explained, reason
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.manifest import MANIFEST, require_intact

LADDER_FILE = "ladder.json"
LOG_STD_RANGE = (-20.0, 2.0)
ACTIVATIONS = {"relu": lambda values: np.maximum(values, 0.0), "tanh": np.tanh}
OUTPUTS = {"tanh": np.tanh, "clip": lambda values: np.clip(values, -1.0, 1.0)}

Layer = tuple[np.ndarray, np.ndarray]
"""Weights [inputs, outputs] and biases [outputs]."""


@dataclass(frozen=True)
class Actor:
    """A multilayer perceptron that gives the mean and spread of a Gaussian, kept within [-1, 1].

    Attributes:
        layers: hidden layers, then the mean's.
        log_std: the layer on the last hidden values that gives it, or one constant value per action [act].
        hidden_activation: relu or tanh.
        output: tanh squashes mean plus noise, clip cuts it off.
        observation_mean, observation_std: what observations are normalised with first [obs].
        observation_clip: bound on the normalised observations.
        action_scale, action_shift: applied to the mean before the noise [act].
        record: what its file says of it (algorithm, source, licence, ...).
    """

    layers: Sequence[Layer]
    log_std: Layer | np.ndarray
    hidden_activation: str = "relu"
    output: str = "tanh"
    observation_mean: np.ndarray | float = 0.0
    observation_std: np.ndarray | float = 1.0
    observation_clip: float = np.inf
    action_scale: np.ndarray | float = 1.0
    action_shift: np.ndarray | float = 0.0
    record: dict[str, Any] | None = None

    @classmethod
    def load(cls, path: Path | str) -> "Actor":
        """From a .safetensors or .npz file. Raises `UserError` when it is missing or damaged."""
        path = Path(path)
        if not path.exists():
            raise UserError(f"{path}: not found; bring it again, or restore it from git")
        with explained(lambda why: f"{path}: not an actor ({why}); copy it again"):
            actor = cls.from_npz(path) if path.suffix == ".npz" else cls.from_safetensors(load_file(path))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return replace(actor, record={**(actor.record or {}), "sha256": digest})

    @classmethod
    def from_safetensors(cls, weights: dict[str, np.ndarray]) -> "Actor":
        """From weights (outputs x inputs) named `hidden_0`, `hidden_1` (ReLU), `mean` and `log_std`."""
        layers = {
            name: _layer(weights[f"{name}.weight"], weights[f"{name}.bias"])
            for name in ("hidden_0", "hidden_1", "mean", "log_std")
        }
        return cls([layers["hidden_0"], layers["hidden_1"], layers["mean"]], layers["log_std"])

    @classmethod
    def from_npz(cls, path: Path | str) -> "Actor":
        """From arrays `w0, b0, w1, b1, ...` (outputs x inputs; the last gives the mean) and `meta` (JSON).

        Optional arrays: `obs_mean` and `obs_std`, `act_scale` and `act_shift`; the spread is `log_std`
        (constant) or `log_std_w` and `log_std_b` (a head on the last hidden layer). `meta` has
        `hidden_activation`, `output`, `n_layers` and `obs_clip` (or null).
        """
        with np.load(path) as file:
            arrays = dict(file)
        meta = json.loads(str(arrays["meta"]))
        for key, known in (("hidden_activation", ACTIVATIONS), ("output", OUTPUTS)):
            if meta[key] not in known:
                raise ValueError(f"{key} {meta[key]!r} is none of {', '.join(known)}")
        head = _layer(arrays["log_std_w"], arrays["log_std_b"]) if "log_std_w" in arrays else None
        return cls(
            layers=[_layer(arrays[f"w{index}"], arrays[f"b{index}"]) for index in range(meta["n_layers"])],
            log_std=arrays["log_std"] if head is None else head,
            hidden_activation=meta["hidden_activation"],
            output=meta["output"],
            observation_mean=arrays.get("obs_mean", 0.0),
            observation_std=arrays.get("obs_std", 1.0),
            observation_clip=meta.get("obs_clip") or np.inf,
            action_scale=arrays.get("act_scale", 1.0),
            action_shift=arrays.get("act_shift", 0.0),
            record=meta,
        )

    @property
    def sizes(self) -> tuple[int, int]:
        """Dimensions of an observation and of an action."""
        return len(self.layers[0][0]), len(self.layers[-1][1])

    def __call__(
        self, observations: np.ndarray, generator: np.random.Generator | None = None, noise: float = 1.0
    ) -> np.ndarray:
        """Actions [..., act] for observations [..., obs]; without a generator the noise-free ones.

        `noise` multiplies the policy's standard deviation.
        """
        hidden = (observations.astype(np.float32) - self.observation_mean) / self.observation_std
        hidden = np.clip(hidden, -self.observation_clip, self.observation_clip)
        for layer in self.layers[:-1]:
            hidden = ACTIVATIONS[self.hidden_activation](_linear(layer, hidden))  # [..., width]
        action = _linear(self.layers[-1], hidden) * self.action_scale + self.action_shift  # [..., act]
        if generator is not None:
            log_std = _linear(self.log_std, hidden) if isinstance(self.log_std, tuple) else self.log_std
            std = np.exp(np.clip(log_std, *LOG_STD_RANGE))
            action = action + noise * std * generator.standard_normal(action.shape)
        return OUTPUTS[self.output](action)


def find_actors(folder: Path, name: str) -> list[tuple[str, Actor]]:
    """The actors that `name` means in a folder, each with its file's name without suffix, in order.

    A file's name without suffix means that file. With a `ladder.json`, `medium` and `expert` mean the rung
    with that role, `replay` every rung up to the medium one, in the order in which the learner went through
    them. Raises `UserError` when there is no such folder or actor, or a file is not what its manifest says.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no actors there (tasks.*.source.ladder in params.yaml); put or link them there, "
            "name an existing folder, or train one: python src/train_behaviour.py"
        )
    if (folder / MANIFEST).exists():  # one's own actors have none
        require_intact(folder, f"git checkout {folder}, or train_behaviour.py for a new one")
    paths = _rungs(read_ladder(folder)["rungs"], name, folder) if (folder / LADDER_FILE).exists() else []
    paths = paths or sorted(
        path for path in folder.iterdir() if path.stem == name and path.suffix in (".npz", ".safetensors")
    )
    if not paths:
        known = sorted(path.stem for path in folder.iterdir() if path.suffix in (".npz", ".safetensors"))
        raise UserError(
            f"{folder}: no actor {name!r} (tasks.*.source.mixture in params.yaml); "
            f"there are: {', '.join(known) or 'none'}"
        )
    return [(path.stem, Actor.load(path)) for path in paths]


def read_ladder(folder: Path) -> dict[str, Any]:
    """What `ladder.json` says of a folder of actors. Raises `UserError` where it is no such file."""
    file = folder / LADDER_FILE
    try:
        ladder = read_json(file)
        for key in ("step", "role", "file"):
            [rung[key] for rung in ladder["rungs"]]
        return ladder | {"environment": str(ladder["environment"])}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: not a ladder ({reason(error)}); bring it again, or delete it") from None


def _rungs(rungs: list[dict[str, Any]], name: str, folder: Path) -> list[Path]:
    ordered = sorted(rungs, key=lambda rung: rung["step"])
    chosen = [rung for rung in ordered if rung["role"] == name]
    if name == "replay":
        roles = [rung["role"] for rung in ordered]
        chosen = ordered[: roles.index("medium") + 1] if "medium" in roles else ordered
    return [folder / Path(rung["file"]).name for rung in chosen]  # never outside the folder


def _layer(weights: np.ndarray, biases: np.ndarray) -> Layer:
    return np.ascontiguousarray(weights.T), biases


def _linear(layer: Layer, inputs: np.ndarray) -> np.ndarray:
    return inputs @ layer[0] + layer[1]
