"""The trained networks of one run, loaded together and checked to fit together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from trajectory_diffuser.common.errors import UserError, one_line
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.mlp import InverseDynamics, Value
from trajectory_diffuser.models.temporal_unet import TemporalUNet


@dataclass
class PlanningModels:
    """Everything a planner needs: four networks, and the units that they were trained in."""

    transformer: CausalTransformer
    diffusion: TrajectoryDiffusion
    inverse_dynamics: InverseDynamics
    value: Value
    normaliser: Normaliser
    horizon: int
    history: int
    return_scale: float

    @classmethod
    def load(cls, run_directory: Path, device: torch.device) -> "PlanningModels":
        """Load `run_directory` (`results/runs/{task}/seed{seed}`).

        Raises:
            UserError: a model is missing, or was trained with other data or settings than the others.
        """
        names = ("transformer", "diffusion", "inverse_dynamics", "value")
        configs = {name: _read_config(run_directory / name) for name in names}
        shared: dict[str, Any] = {}
        for name, config in configs.items():
            trained_with = {key: config[key] for key in ("task", "normaliser")} | config["task_settings"]
            for key, value in trained_with.items():
                if shared.setdefault(key, value) != value:
                    difference = f"{key} is {value}, but {shared[key]}"
                    if key == "normaliser":
                        difference = "the data it was trained on has another mean and range than"
                    raise UserError(
                        f"{run_directory / name}/config.json: {difference} for another model beside it; "
                        "train them again with the same data and params.yaml"
                    )
        normaliser = Normaliser.from_json(shared["normaliser"])
        chain = configs["diffusion"]["model"]
        network = TemporalUNet(**chain["network"])
        for name, config in configs.items():
            size = (config["model"].get("network") or config["model"])["state_size"]
            if size != len(normaliser.mean):
                raise UserError(
                    f"{run_directory / name}/config.json: state_size {size} does not fit the data's "
                    f"{len(normaliser.mean)}; train it again on this data"
                )
        models = {
            "transformer": CausalTransformer(**configs["transformer"]["model"]),
            "inverse_dynamics": InverseDynamics(**configs["inverse_dynamics"]["model"]),
            "value": Value(**configs["value"]["model"]),
        }
        for name, model in (models | {"diffusion": network}).items():
            _load_weights(model, run_directory / name / "model.safetensors")
        models["diffusion"] = TrajectoryDiffusion(network, normaliser, **chain["chain"])
        ready = {name: model.to(device).eval().requires_grad_(False) for name, model in models.items()}
        return cls(
            **ready,
            normaliser=normaliser,
            **{key: shared[key] for key in ("horizon", "history", "return_scale")},
        )


def _read_config(directory: Path) -> dict[str, Any]:
    try:
        config = read_json(directory / "config.json")
    except FileNotFoundError:
        raise UserError(
            f"{directory}: no trained model there; run src/train_{directory.name}.py first"
        ) from None
    if "normaliser" not in config:
        raise UserError(f"{directory}/config.json: no normaliser in it; train the model again")
    return config


def _load_weights(model: nn.Module, file: Path) -> None:
    try:
        model.load_state_dict(load_file(file))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{file}: cannot be loaded ({one_line(error)[:200]}); train it again") from None
