"""The trained networks of one run, loaded together and checked to fit together."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from trajectory_diffuser.common.errors import UserError, one_line
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.building import NETWORKS, arguments_of, build_network, weights_file
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.mlp import InverseDynamics, Value

DATA_KEYS = ("environment", "action_bounds", "best_return", "normaliser")  # known from the data


@dataclass
class Units:
    """The units that networks were trained in, and what for.

    `environment` is the task's entry in the parameters, `action_bounds` are the environment's lowest and
    highest actions [2, action]; `history` is how many states are read, the present one included, `stride`
    steps apart as a plan's are; `best_return` is the highest of an episode in the data.
    """

    normaliser: Normaliser
    action_bounds: np.ndarray
    task: str
    environment: dict[str, Any]
    history: int
    stride: int
    return_scale: float
    best_return: float

    @property
    def steps_read(self) -> int:
        """How many steps of an episode the history reaches over, the present one included."""
        return self.stride * (self.history - 1) + 1


@dataclass
class PlanningModels(Units):
    """Everything a planner needs: four networks and their units."""

    transformer: CausalTransformer
    diffusion: TrajectoryDiffusion
    inverse_dynamics: InverseDynamics
    value: Value
    horizon: int

    @classmethod
    def build(
        cls, settings: Mapping[str, Mapping[str, Any]], device: torch.device, **units: Any
    ) -> "PlanningModels":
        """Networks as training begins with them, ready to plan.

        Args:
            settings: of each of `NETWORKS`, what its constructor takes, and the diffusion's.
            device: to plan on.
            units: the fields beside the networks.
        """
        networks = {name: build_network(name, settings[name]) for name in NETWORKS}
        chain = arguments_of(TrajectoryDiffusion, settings["diffusion"])
        networks["diffusion"] = TrajectoryDiffusion(networks["diffusion"], units["normaliser"], **chain)
        ready = {name: network.to(device).eval().requires_grad_(False) for name, network in networks.items()}
        return cls(**ready, **units)

    @classmethod
    def load(cls, run_directory: Path, device: torch.device, fraction: float = 1.0) -> "PlanningModels":
        """Load `run_directory` (`results/runs/{task}/seed{seed}`).

        Args:
            run_directory: has a directory for each of `NETWORKS`.
            device: to plan on.
            fraction: the share of their training steps after which to take all networks: 1, or one at which
                weights were kept.

        Raises:
            UserError: a model is missing, or was trained with other data or settings than the others.
        """
        configs = {name: read_config(run_directory / name, f"train_{name}") for name in NETWORKS}
        shared: dict[str, Any] = {}
        for name, config in configs.items():
            common = {key: config[key] for key in ("task", *DATA_KEYS)}
            for key, value in (common | config["task_settings"]).items():
                if shared.setdefault(key, value) != value:
                    difference = f"{key} is {value}, but {shared[key]}"
                    if key == "normaliser":
                        difference = "the data it was trained on has another mean and range than"
                    raise UserError(
                        f"{run_directory / name}/config.json: {difference} for another model beside it; "
                        "train them again with the same data and params.yaml"
                    )
        normaliser = Normaliser.from_json(shared["normaliser"])
        models = cls.build(
            {name: config["model"] for name, config in configs.items()},
            device,
            **shared | {"normaliser": normaliser, "action_bounds": np.float32(shared["action_bounds"])},
        )
        for name in NETWORKS:
            network = models.diffusion.network if name == "diffusion" else getattr(models, name)
            load_weights(network, run_directory / name / weights_file(fraction))
        return models


def read_config(directory: Path, stage: str) -> dict[str, Any]:
    """What a stage wrote beside its network. Raises `UserError` where a file is missing or damaged."""
    command = _remedy(directory, stage)
    require_intact(directory, command)
    try:
        config = read_json(directory / "config.json")
    except FileNotFoundError:
        raise UserError(f"{directory}: no trained model there; run first: {command}") from None
    for key in DATA_KEYS:
        if key not in config:
            raise UserError(f"{directory}/config.json: no {key} in it; train the model again")
    return config


def _remedy(directory: Path, stage: str) -> str:
    """The command that brings a model back: trains it again or, if it is shipped, takes it from git."""
    run = re.search(r"([^/]+)/seed(\d+)/(?:policies/([^/]+))?", directory.as_posix())
    if run is None:
        return f"git restore {directory} (where it is a shipped model; any other: copy it again)"
    task, seed, policy = run.groups()
    return f"python src/{stage}.py --task {task} --seed {seed}" + (f" --policy {policy}" if policy else "")


def load_weights(model: nn.Module, file: Path) -> None:
    """Load a network's weights. Raises `UserError` when the file is missing or another network's."""
    try:
        model.load_state_dict(load_file(file))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{file}: cannot be loaded ({one_line(error)[:200]}); train it again") from None
