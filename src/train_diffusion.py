"""Train the diffusion model that refines plans (and, from noise, makes them)."""

from typing import Any

import torch
from torch import Tensor

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.temporal_unet import TemporalUNet
from trajectory_diffuser.training.job import Objective, run_training
from trajectory_diffuser.training.plans import plan_objective


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/diffusion/."""
    settings, task_settings = params["train_diffusion"], params["tasks"][task]

    def loss(model: TrajectoryDiffusion, plan: Tensor, return_to_go: Tensor) -> Tensor:
        return model.training_loss(plan, return_to_go, settings["label_dropout"])

    def build(dataset: PreparedDataset, device: torch.device) -> Objective:
        network = {"state_size": dataset.observation_size}
        network |= {key: settings[key] for key in ("base_width", "channel_multipliers")}
        chain = {key: settings[key] for key in ("schedule", "diffusion_steps", "prediction")}
        model = TrajectoryDiffusion(TemporalUNet(**network), dataset.normaliser, **chain).to(device)
        config = {"network": network, "chain": chain}
        return plan_objective(model, loss, settings, task_settings, dataset, device, config)

    run_training(params, "train_diffusion", task, seed, ["horizon", "return_scale"], build)


if __name__ == "__main__":
    run_stage(main, "task", "seed")
