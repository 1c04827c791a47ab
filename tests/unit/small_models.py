"""Small data, networks and planners that several unit tests share."""

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from seals import seal
from small_environments import COUNTING
from torch import Tensor

from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.mlp import InverseDynamics, PolicyNetwork, Value
from trajectory_diffuser.models.temporal_unet import TemporalUNet
from trajectory_diffuser.planning.choice import middle, settled
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.policy import Policy, PolicyModel
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.planning.trajectory_planner import Plan, TrajectoryPlanner

STATE, ACTION, HORIZON, HISTORY, DIFFUSION_STEPS = 3, 2, 8, 4, 10
CPU = torch.device("cpu")
DATA, SHIPPED = Path("data/processed/task"), Path(__file__).parents[2] / "params.yaml"
ENVIRONMENT = {"id": "Made-up-v0", "arguments": {}, "max_episode_steps": 30, "observation_keys": None}
ROW = {
    "start": "draft",
    "refine_steps": 3,
    "forward_noise": False,
    "sampler": "ddpm",
    "guidance": 1.0,
    "candidates": 1,
    "temperature": 1.0,
    "target_return": 1.0,
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
    past_states: int = 0,
) -> TrajectoryDiffusion:
    normaliser = identity_normaliser(state_size, bound)
    return TrajectoryDiffusion(as_module(network), normaliser, schedule, steps, prediction, past_states)


def as_module(function: Any) -> torch.nn.Module:
    """A network that is a plain function."""
    if isinstance(function, torch.nn.Module):
        return function
    module = torch.nn.Module()
    module.forward = function
    return module


def make_models(seed: int = 0, horizon: int = HORIZON, **replaced: Any) -> PlanningModels:
    """Four random networks that fit each other; any field can be replaced."""
    torch.manual_seed(seed)
    fields = {
        "transformer": CausalTransformer(STATE, HISTORY + horizon, width=16, layers=2, heads=2, dropout=0.1),
        "diffusion": make_diffusion(TemporalUNet(STATE, 8, [1, 2]), prediction="velocity"),
        "inverse_dynamics": InverseDynamics(STATE, ACTION, 8, 1),
        "value": Value(STATE, ACTION, 8, 1),
    }
    fields = {name: network.eval().requires_grad_(False) for name, network in fields.items()}
    units = {
        "normaliser": identity_normaliser(),
        "action_bounds": np.float32([[-9] * ACTION, [9] * ACTION]),
        "task": "task",
        "environment": ENVIRONMENT,
        "horizon": horizon,
        "history": HISTORY,
        "stride": 1,
        "return_scale": 10.0,
        "best_return": 50.0,
    }
    return PlanningModels(**(fields | units | replaced))


def make_planner(
    models: PlanningModels | None = None, runtime: Runtime | str = "torch", **row: Any
) -> TrajectoryPlanner:
    models = models or make_models()
    settings = PlannerSettings.from_row(ROW | row, models.diffusion.diffusion_steps)
    if isinstance(runtime, str):
        runtime = Runtime(runtime, "float32", CPU)
    return TrajectoryPlanner(models, settings, runtime)


def make_policy(
    network: Any = None, *, runtime: str = "torch", target_return: float = 5.0, **units: Any
) -> Policy:
    """A policy with random weights, told the return, or with another network; its units can be replaced."""
    torch.manual_seed(0)
    usual = {
        "network": as_module(network or PolicyNetwork(STATE, ACTION, 8, 2, return_conditioned=True))
        .eval()
        .requires_grad_(False),
        "normaliser": identity_normaliser(),
        "action_bounds": np.float32([[-9] * ACTION, [9] * ACTION]),
        "task": "task",
        "environment": ENVIRONMENT,
        "history": 1,
        "stride": 1,
        "return_scale": 10.0,
        "best_return": 50.0,
    }
    model = PolicyModel(**(usual | units))
    return Policy(model, Runtime(runtime, "float32", CPU), target_return)


def plan_from(
    planner: TrajectoryPlanner,
    states: Tensor,
    returns_to_go: Tensor,
    previous: Plan | None = None,
    moved: int = 1,
    seed: int = 0,
) -> Plan:
    """A plan from a history of any length, with noise of its own; previous and moved as for the planner."""
    noise = plan_noise(planner, len(states), previous, seed)
    return planner.plan(*padded(states, returns_to_go), noise, previous, moved)


def plan_noise(planner: TrajectoryPlanner, batch: int, previous: Plan | None = None, seed: int = 0) -> Tensor:
    """What a planner wants to be given, at its temperature."""
    shape = planner.noise_shape(batch, previous)
    generator = torch.Generator().manual_seed(seed)
    return planner.settings.temperature * torch.randn(shape, generator=generator)


def padded(states: Tensor, returns_to_go: Tensor, length: int = HISTORY) -> tuple[Tensor, Tensor]:
    """Tokens [B, length, state + 1] of a history of at most `length` steps, and how many are padding []."""
    tokens = torch.cat([states, returns_to_go[..., None]], dim=-1)
    padding = length - tokens.shape[1]
    return F.pad(tokens, (0, 0, padding, 0)), torch.tensor(padding)


def continued(transformer: CausalTransformer, tokens: Tensor, length: int) -> Tensor:
    """The `length` tokens after these [B, length, state + 1]; for each the whole sequence is read again."""
    whole = tokens
    for _ in range(length):
        whole = torch.cat([whole, transformer(whole)[:, -1:]], dim=1)
    return whole[:, tokens.shape[1] :]


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
    settings = {"horizon": HORIZON, "history": HISTORY, "stride": models.stride}
    settings |= {"return_scale": models.return_scale}
    saved = {
        "transformer": (
            models.transformer,
            transformer | {"layers": 2, "heads": 2, "dropout": 0.1},
            settings,
        ),
        "diffusion": (
            models.diffusion.network,
            denoiser | chain,
            {key: settings[key] for key in ("horizon", "stride", "return_scale")},
        ),
        "inverse_dynamics": (models.inverse_dynamics, mlp, {"stride": settings["stride"]}),
        "value": (models.value, mlp, {"return_scale": settings["return_scale"]}),
    }
    for name, (network, config, task_settings) in saved.items():
        (directory / name).mkdir(parents=True)
        save_file(network.state_dict(), directory / name / "model.safetensors")
        write_json(
            directory / name / "config.json",
            {
                "model": config,
                "task": models.task,
                "environment": models.environment,
                "task_settings": task_settings,
                "normaliser": models.normaliser.to_json(),
                "action_bounds": models.action_bounds.tolist(),
                "best_return": models.best_return,
            },
        )
        seal(directory / name / "config.json")


def save_choices(run: Path, names: Iterable[str], values: dict[str, float]) -> None:
    """Write what tuning chose for rows, the same for each, as `tune` does."""
    for name in names:
        folder = run / "tuning" / name
        folder.mkdir(parents=True)
        write_json(folder / "choice.json", {"values": values})
        seal(folder / "choice.json")


def shipped_rows() -> dict[str, dict[str, Any]]:
    """The shipped planners' settled rows, with no more calls than the small chain has steps."""
    params = load_params(SHIPPED)
    rows = {name: settled(row, middle(params["tune"]["grid"])) for name, row in params["planners"].items()}
    for row in rows.values():
        if row["refine_steps"] != "all":
            row["refine_steps"] = min(row["refine_steps"], DIFFUSION_STEPS)
    return rows


def make_project() -> dict[str, Any]:
    """Prepared data of a task `task` in the present folder, and the shipped parameters with that task."""
    save_dataset(DATA)
    reference = {"reference_scores": {"minimum": 2.0, "maximum": 12.0}}
    write_json(DATA / "provenance.json", read_json(DATA / "provenance.json") | reference)
    seal(DATA / "provenance.json")
    params = load_params(SHIPPED)
    params["tasks"]["task"] = next(iter(params["tasks"].values())) | {"environment": COUNTING}
    return params


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
        {
            "task": "task",
            "environment": ENVIRONMENT,
            "content_hash": "hash",
            "maze": None,
            "final_observations": True,
            "action_bounds": [[-9.0] * ACTION, [9.0] * ACTION],
        },
    )
    seal(directory / "provenance.json")


def stub_planner(
    act: Any, *, state_size: int = STATE, horizon: int = 4, history_length: int = HISTORY, stride: int = 1
) -> Any:
    """What `Planner` plans with: `act(states, returns_to_go, previous)` gives a `Plan` from what has been."""
    models = SimpleNamespace(
        normaliser=identity_normaliser(state_size),
        action_bounds=np.float32([-np.inf, np.inf]),
        return_scale=10.0,
        history=history_length,
        stride=stride,
        steps_read=stride * (history_length - 1) + 1,
        horizon=horizon,
    )

    def plan(tokens: Tensor, padding: Tensor, noise: Tensor, previous: Plan | None, moved: int) -> Plan:
        return act(tokens[:, padding:, :-1], tokens[:, padding:, -1], previous)

    return SimpleNamespace(
        models=models,
        settings=SimpleNamespace(actions_per_plan=1, redraft_every=1, temperature=1.0),
        runtime=SimpleNamespace(device=CPU),
        noise_shape=lambda batch, previous: (batch, 1, horizon, state_size),
        plan=plan,
    )
