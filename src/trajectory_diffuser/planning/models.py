"""The trained networks of one run, loaded together and checked to fit together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.mlp import InverseDynamics, Value
from trajectory_diffuser.models.stored import load_weights, read_config
from trajectory_diffuser.models.temporal_unet import TemporalUNet


@dataclass
class PlanningModels:
    """Everything a planner needs: five networks, and the units that they were trained in.

    `distilled` does in one call what the last `distilled_steps` steps of `diffusion` do under the task's
    guidance.
    """

    transformer: CausalTransformer
    diffusion: TrajectoryDiffusion
    distilled: TrajectoryDiffusion
    inverse_dynamics: InverseDynamics
    value: Value
    normaliser: Normaliser
    horizon: int
    history: int
    return_scale: float
    distilled_steps: int

    @classmethod
    def load(cls, run_directory: Path, device: torch.device) -> "PlanningModels":
        """Load `run_directory` (`results/runs/{task}/seed{seed}`).

        Raises:
            UserError: a model is missing, or was trained with other data or settings than the others.
        """
        names = ("transformer", "diffusion", "distilled", "inverse_dynamics", "value")
        configs = {name: read_config(run_directory / name) for name in names}
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
        for name in ("diffusion", "distilled"):
            parts = configs[name]["model"]
            unet = TemporalUNet(**parts["network"])
            models[name] = TrajectoryDiffusion(unet, normaliser, **parts["chain"])
        for name, model in models.items():
            network = model.network if isinstance(model, TrajectoryDiffusion) else model
            load_weights(network, run_directory / name)
        ready = {name: model.to(device).eval().requires_grad_(False) for name, model in models.items()}
        return cls(
            **ready,
            normaliser=normaliser,
            **{key: shared[key] for key in ("horizon", "history", "return_scale")},
            distilled_steps=configs["distilled"]["model"]["last_steps"],
        )
