"""Small data, networks and planners that several unit tests share."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from trajectory_diffuser.computing.files import write_json
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.mlp import InverseDynamics, Value
from trajectory_diffuser.models.temporal_unet import TemporalUNet
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner

STATE, ACTION, HORIZON, HISTORY, DIFFUSION_STEPS = 3, 2, 8, 4, 10
ROW = {
    "start": "draft",
    "refine_steps": 3,
    "forward_noise": False,
    "sampler": "ddpm",
    "guidance": 1.0,
    "candidates": 1,
    "temperature": 1.0,
    "redraft_every": 1,
    "actions_per_plan": 1,
}


def identity_normaliser(state_size: int = STATE, bound: float = 1e6) -> Normaliser:
    """Mean 0, standard deviation 1, data between -bound and bound."""
    ones = np.ones(state_size, np.float32)
    return Normaliser(mean=0 * ones, std=ones, minimum=-bound * ones, maximum=bound * ones)


def make_diffusion(
    network: Any,
    *,
    bound: float = 1e6,
    schedule: str = "cosine",
    steps: int = DIFFUSION_STEPS,
    prediction: str = "epsilon",
    state_size: int = STATE,
) -> TrajectoryDiffusion:
    return TrajectoryDiffusion(
        as_denoiser(network), identity_normaliser(state_size, bound), schedule, steps, prediction
    )


def as_module(function: Any) -> torch.nn.Module:
    """A network that is a plain function."""
    if isinstance(function, torch.nn.Module):
        return function
    module = torch.nn.Module()
    module.forward = function
    return module


class FunctionDenoiser(torch.nn.Module):
    """A denoiser that is a plain function of (plan, step, return_to_go, conditional)."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def condition(self, step: Tensor, return_to_go: Tensor, conditional: Tensor) -> Tensor:
        return torch.stack([step.float(), return_to_go, conditional.float()], dim=-1)

    def forward(self, plan: Tensor, condition: Tensor) -> Tensor:
        step, return_to_go, conditional = condition.unbind(dim=-1)
        return self.function(plan, step.long(), return_to_go, conditional.bool())


def as_denoiser(network: Any) -> torch.nn.Module:
    return network if isinstance(network, torch.nn.Module) else FunctionDenoiser(network)


def make_models(seed: int = 0, **replaced: Any) -> PlanningModels:
    """Four random networks that fit each other; any field can be replaced."""
    torch.manual_seed(seed)
    fields = {
        "transformer": CausalTransformer(STATE, HISTORY + HORIZON, width=16, layers=2, heads=2, dropout=0.1),
        "diffusion": make_diffusion(TemporalUNet(STATE, 8, [1, 2]), prediction="velocity"),
        "inverse_dynamics": InverseDynamics(STATE, ACTION, 8, 1),
        "value": Value(STATE, ACTION, 8, 1),
    }
    fields = {name: network.eval().requires_grad_(False) for name, network in fields.items()}
    units = {
        "normaliser": identity_normaliser(),
        "horizon": HORIZON,
        "history": HISTORY,
        "return_scale": 10.0,
    }
    return PlanningModels(**(fields | units | replaced))


def make_planner(models: PlanningModels | None = None, *, seed: int = 0, **row: Any) -> TrajectoryPlanner:
    models = models or make_models()
    settings = PlannerSettings.from_row(ROW | row, 1.5, models.diffusion.diffusion_steps)
    return TrajectoryPlanner(models, settings, torch.Generator().manual_seed(seed))


def history(batch: int = 2, length: int = HISTORY, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random states [B, T, state] and returns-to-go [B, T]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, length, STATE, generator=generator), torch.rand(
        batch, length, generator=generator
    )


def save_models(directory: Path, models: PlanningModels) -> None:
    """Write the networks of `make_models` as the training stages do."""
    mlp = {"state_size": STATE, "action_size": ACTION, "width": 8, "layers": 1}
    transformer = {"state_size": STATE, "context": HISTORY + HORIZON, "width": 16}
    denoiser = {"state_size": STATE, "base_width": 8, "channel_multipliers": [1, 2]}
    chain = {"schedule": "cosine", "diffusion_steps": DIFFUSION_STEPS, "prediction": "velocity"}
    settings = {"horizon": HORIZON, "history": HISTORY, "return_scale": models.return_scale}
    saved = {
        "transformer": (
            models.transformer,
            transformer | {"layers": 2, "heads": 2, "dropout": 0.1},
            settings,
        ),
        "diffusion": (
            models.diffusion.network,
            {"network": denoiser, "chain": chain},
            {key: settings[key] for key in ("horizon", "return_scale")},
        ),
        "inverse_dynamics": (models.inverse_dynamics, mlp, {}),
        "value": (models.value, mlp, {"return_scale": settings["return_scale"]}),
    }
    for name, (network, config, task_settings) in saved.items():
        (directory / name).mkdir(parents=True)
        save_file(network.state_dict(), directory / name / "model.safetensors")
        write_json(
            directory / name / "config.json",
            {
                "model": config,
                "task": "task",
                "task_settings": task_settings,
                "normaliser": models.normaliser.to_json(),
            },
        )


def save_dataset(directory: Path, lengths: tuple[int, ...] = (20, 30, 25, 20)) -> None:
    """Write a prepared dataset of random episodes; the last one is held out, every other one terminated."""
    generator = np.random.default_rng(0)
    total, episodes = sum(lengths), len(lengths)
    observations = generator.normal(size=(total + episodes, STATE)).astype(np.float32)
    arrays = {
        "observations": observations,
        "actions": generator.uniform(-1, 1, size=(total, ACTION)).astype(np.float32),
        "rewards": np.ones(total, np.float32),
        "returns_to_go": np.concatenate([np.arange(length, -1, -1) for length in lengths]).astype(np.float32),
        "episode_offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "terminations": np.arange(episodes) % 2 == 0,
        "validation": np.arange(episodes) == episodes - 1,
    }
    directory.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(directory / f"{name}.npy", array)
    write_json(directory / "normaliser.json", Normaliser.fit(observations).to_json())
    write_json(
        directory / "provenance.json",
        {"task": "task", "content_hash": "hash", "maze": None, "final_observations": True},
    )


def stub_planner(
    act: Any, *, state_size: int = STATE, horizon: int = 4, history_length: int = HISTORY
) -> Any:
    """Something an agent can plan with: `act(states, returns_to_go, previous)` gives a `Plan`."""
    models = SimpleNamespace(
        normaliser=identity_normaliser(state_size), return_scale=10.0, history=history_length, horizon=horizon
    )
    return SimpleNamespace(
        models=models,
        settings=SimpleNamespace(actions_per_plan=1),
        plan=lambda states, returns_to_go, previous, moved: act(states, returns_to_go, previous),
    )
