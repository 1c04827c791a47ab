"""Train the diffusion model that refines plans (and, from noise, makes them)."""

from typing import Any

import torch
from torch import Tensor, nn

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.windows import PreparedDataset, WindowSampler
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.temporal_unet import TemporalUNet
from trajectory_diffuser.training.job import Objective, run_training


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/diffusion/."""
    settings, task_settings = params["train_diffusion"], params["tasks"][task]

    def build(dataset: PreparedDataset, device: torch.device) -> Objective:
        samplers = {
            split: WindowSampler(
                dataset,
                task_settings["horizon"],
                device,
                split=split,
                return_scale=task_settings["return_scale"],
                absorbing=True,
            )
            for split in ("train", "validation")
        }
        network = {"state_size": dataset.observation_size}
        network |= {key: settings[key] for key in ("base_width", "channel_multipliers")}
        chain = {key: settings[key] for key in ("schedule", "diffusion_steps", "prediction")}
        model = TrajectoryDiffusion(TemporalUNet(**network), dataset.normaliser, **chain).to(device)

        def loss(model: nn.Module, split: str) -> Tensor:
            states, returns_to_go, _ = samplers[split].sample(settings["batch_size"])
            return model.training_loss(states, returns_to_go[:, 0], settings["label_dropout"])

        config = {"network": network, "chain": chain}
        return Objective(
            model, loss, not samplers["validation"].empty, config, lambda trained: trained.network
        )

    run_training(params, "train_diffusion", task, seed, ["horizon", "return_scale"], build)


if __name__ == "__main__":
    run_stage(main, "task", "seed")
