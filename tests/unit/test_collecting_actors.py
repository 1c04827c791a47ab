"""Actors from either kind of file, against their formulas."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from project import ROOT

from trajectory_diffuser.collecting.actors import Actor, find_actors
from trajectory_diffuser.common.errors import UserError


def actor_weights(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    sizes = {"hidden_0": (64, 11), "hidden_1": (64, 64), "mean": (3, 64), "log_std": (3, 64)}
    weights = {}
    for name, shape in sizes.items():
        weights[f"{name}.weight"] = (generator.normal(size=shape) / 8).astype(np.float32)
        weights[f"{name}.bias"] = generator.normal(size=shape[0]).astype(np.float32)
    return weights


def test_actor_is_a_squashed_gaussian_network() -> None:
    weights = actor_weights(0)
    layers = {name: torch.from_numpy(value) for name, value in weights.items()}
    observations = np.random.default_rng(1).normal(size=(5, 11))
    hidden = torch.from_numpy(observations).float()
    for name in ("hidden_0", "hidden_1"):
        hidden = torch.relu(
            torch.nn.functional.linear(hidden, layers[f"{name}.weight"], layers[f"{name}.bias"])
        )
    mean, log_std = (
        torch.nn.functional.linear(hidden, layers[f"{name}.weight"], layers[f"{name}.bias"])
        for name in ("mean", "log_std")
    )
    actor = Actor.from_safetensors(weights)
    np.testing.assert_allclose(actor(observations), torch.tanh(mean), atol=1e-5)
    np.testing.assert_allclose(actor(observations[0]), torch.tanh(mean)[0], atol=1e-5)
    noise = np.random.default_rng(2).standard_normal((5, 3))
    expected = torch.tanh(mean + log_std.clamp(-20, 2).exp() * torch.from_numpy(noise))
    np.testing.assert_allclose(actor(observations, np.random.default_rng(2)), expected, atol=1e-5)


def write_npz_actor(path: Path, **changes: Any) -> dict[str, np.ndarray]:
    """A .npz actor for Hopper with every optional array; returns its arrays without `meta`."""
    generator = np.random.default_rng(3)
    arrays = {
        **{f"w{i}": generator.normal(size=shape) / 4 for i, shape in enumerate([(8, 11), (8, 8), (3, 8)])},
        **{f"b{i}": generator.normal(size=size) for i, size in enumerate([8, 8, 3])},
        "obs_mean": generator.normal(size=11),
        "obs_std": generator.uniform(0.5, 2, size=11),
        "log_std": np.full(3, -1.0),
        "act_scale": np.array([0.5, 1.0, 2.0]),
        "act_shift": np.array([0.1, 0.0, -0.1]),
    }
    meta = {"hidden_activation": "tanh", "output": "clip", "n_layers": 3, "obs_clip": 1.5} | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, meta=json.dumps(meta), **arrays)
    return arrays


def test_npz_actor_is_what_its_format_says(tmp_path: Path) -> None:
    arrays = write_npz_actor(tmp_path / "a.npz")
    observation = np.random.default_rng(1).normal(size=11).astype(np.float32)
    hidden = np.clip((observation - arrays["obs_mean"]) / arrays["obs_std"], -1.5, 1.5)
    hidden = np.tanh(arrays["w0"] @ hidden + arrays["b0"])
    hidden = np.tanh(arrays["w1"] @ hidden + arrays["b1"])
    mean = arrays["act_scale"] * (arrays["w2"] @ hidden + arrays["b2"]) + arrays["act_shift"]
    actor = Actor.load(tmp_path / "a.npz")
    assert actor.sizes == (11, 3)
    np.testing.assert_allclose(actor(observation), np.clip(mean, -1, 1), atol=1e-6)
    noise = 0.5 * np.exp(-1.0) * np.random.default_rng(2).standard_normal(3)
    noisy = actor(observation, np.random.default_rng(2), noise=0.5)
    np.testing.assert_allclose(noisy, np.clip(mean + noise, -1, 1), atol=1e-6)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"environment": "Hopper-v5", "rungs": [{"step": 1}]}'])
def test_a_damaged_ladder_is_named_in_one_line(tmp_path: Path, text: str):
    (tmp_path / "ladder.json").write_text(text)
    with pytest.raises(UserError, match=r"ladder\.json: .*(not a ladder|not JSON).*") as caught:
        find_actors(tmp_path, "medium")
    assert "\n" not in str(caught.value)


LADDERS = sorted(path.parent for path in (ROOT / "data" / "behaviour").glob("*/ladder.json"))


@pytest.mark.parametrize("folder", LADDERS, ids=lambda folder: folder.name)
def test_shipped_ladders_are_small_and_their_medium_is_a_third_to_a_half_of_their_expert(folder: Path):
    rungs = json.loads((folder / "ladder.json").read_text())["rungs"]
    (expert,), (medium,) = ([each for each in rungs if each["role"] == role] for role in ("expert", "medium"))
    at_least = {"hopper": 3000, "halfcheetah": 8000, "walker2d": 3500}
    assert expert["return_mean"] >= at_least[folder.name]
    assert 1 / 3 <= medium["return_mean"] / expert["return_mean"] <= 1 / 2
    assert sum(path.stat().st_size for path in folder.iterdir()) < 500_000
    assert len(find_actors(folder, "replay")) == 11
