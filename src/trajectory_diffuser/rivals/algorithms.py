"""Decision Transformer, IQL and TD3+BC as d3rlpy has them, with the settings that d3rlpy publishes for them.

The settings are those of d3rlpy's `reproductions/offline` for D4RL's locomotion data, used for every task.
What depends on the task there is taken from the task here: the longest episode, and the scale of the returns.
"""

import json
import math
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import torch
from d3rlpy.base import LearnableBase, LearnableConfig, LearnableConfigWithShape
from safetensors.torch import load_model, save_model
from tqdm import tqdm

from trajectory_diffuser.computing.progress import drawing_interval
from trajectory_diffuser.datasets.prepared import PreparedDataset

LOCOMOTION_RETURN = 1000.0  # IQL scales rewards so that returns span it (arXiv 2110.06169, appendix B)


def configuration(rival: str, task: dict[str, Any], steps: int, dataset: PreparedDataset) -> LearnableConfig:
    """What d3rlpy needs to know of a rival.

    Args:
        rival: `decision_transformer` (arXiv 2106.01345), `iql` (arXiv 2110.06169) or `td3_plus_bc`
            (arXiv 2106.06860).
        task: the task's entry in the parameters.
        steps: optimiser steps, over which IQL's learning rate decays.
        dataset: what it is trained on.
    """
    low, high = np.asarray(dataset.provenance["action_bounds"], np.float32)
    actions = d3rlpy.preprocessing.MinMaxActionScaler(minimum=low, maximum=high)
    learning_rates = {"actor_learning_rate": 3e-4, "critic_learning_rate": 3e-4, "batch_size": 256}
    if rival == "iql":
        decay = d3rlpy.optimizers.CosineAnnealingLRFactory(T_max=steps)
        return d3rlpy.algos.IQLConfig(
            **learning_rates,
            actor_optim_factory=d3rlpy.optimizers.AdamFactory(lr_scheduler_factory=decay),
            expectile=0.7,
            weight_temp=3.0,
            max_weight=100.0,
            reward_scaler=d3rlpy.preprocessing.ReturnBasedRewardScaler(multiplier=LOCOMOTION_RETURN),
            action_scaler=actions,
        )
    if rival == "td3_plus_bc":
        return d3rlpy.algos.TD3PlusBCConfig(
            **learning_rates,
            target_smoothing_sigma=0.2,
            target_smoothing_clip=0.5,
            alpha=2.5,
            update_actor_interval=2,
            observation_scaler=d3rlpy.preprocessing.StandardObservationScaler(),
            action_scaler=actions,
        )
    longest = int(np.diff(dataset.episode_offsets).max())
    warmup = d3rlpy.optimizers.WarmupSchedulerFactory(warmup_steps=10_000)
    return d3rlpy.algos.DecisionTransformerConfig(
        batch_size=64,
        learning_rate=1e-4,
        optim_factory=d3rlpy.optimizers.AdamWFactory(
            weight_decay=1e-4, clip_grad_norm=0.25, lr_scheduler_factory=warmup
        ),
        encoder_factory=d3rlpy.models.VectorEncoderFactory([128], exclude_last_activation=True),
        observation_scaler=d3rlpy.preprocessing.StandardObservationScaler(),
        reward_scaler=d3rlpy.preprocessing.MultiplyRewardScaler(1 / task["return_scale"]),
        action_scaler=actions,
        position_encoding_type=d3rlpy.PositionEncodingType.SIMPLE,
        context_size=20,
        num_heads=1,
        num_layers=3,
        max_timestep=max(longest, task["environment"]["max_episode_steps"]),
    )


def training_episodes(dataset: PreparedDataset) -> d3rlpy.dataset.ReplayBuffer:
    """The episodes that the planners train on, too.

    d3rlpy keeps no observation after the last action: of an episode that was cut off the last step trains no
    transition, of one that terminated it does.
    """
    episodes, offsets = [], np.asarray(dataset.episode_offsets)
    for index in dataset.episodes("train"):
        steps = slice(offsets[index], offsets[index + 1])  # L steps
        rows = slice(offsets[index] + index, offsets[index + 1] + index)  # of the observations before them
        episodes.append(
            d3rlpy.dataset.Episode(
                observations=np.array(dataset.observations[rows]),  # [L, obs]
                actions=np.array(dataset.actions[steps]),  # [L, act]
                rewards=np.array(dataset.rewards[steps], np.float32)[:, None],  # [L, 1]
                terminated=bool(dataset.terminations[index]),
            )
        )
    return d3rlpy.dataset.create_infinite_replay_buffer(episodes)


def train(
    config: LearnableConfig, dataset: PreparedDataset, steps: int, seed: int, device: torch.device, title: str
) -> LearnableBase:
    """A trained algorithm; all that is random in it derives from the seed, in [0, 2**32)."""
    d3rlpy.seed(seed)
    algorithm = config.create(str(device))
    with tqdm(total=steps, desc=title, mininterval=drawing_interval()) as progress:
        algorithm.fit(
            training_episodes(dataset),
            n_steps=steps,
            n_steps_per_epoch=math.gcd(steps, 1000),  # losses are printed so often
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
            show_progress=False,
            callback=lambda *_: progress.update(),
        )
    return algorithm


def acting_network(algorithm: LearnableBase) -> torch.nn.Module:
    """The network that decides, of those that were trained."""
    networks = algorithm.impl.modules.get_torch_modules()
    return networks["transformer" if "transformer" in networks else "policy"]


def save(algorithm: LearnableBase, folder: Path) -> dict[str, Any]:
    """Write the acting network into the folder; returns all settings, as d3rlpy writes them."""
    save_model(acting_network(algorithm), folder / "model.safetensors")
    shape = {"observation_shape": algorithm.impl.observation_shape, "action_size": algorithm.impl.action_size}
    return json.loads(LearnableConfigWithShape(**shape, config=algorithm.config).serialize())


def load(settings: dict[str, Any], folder: Path, device: torch.device) -> LearnableBase:
    """What `save` wrote; it acts, but cannot be trained on."""
    algorithm = LearnableConfigWithShape.deserialize(json.dumps(settings)).create(str(device))
    load_model(acting_network(algorithm), folder / "model.safetensors")
    return algorithm
