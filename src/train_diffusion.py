"""Train the diffusion model that refines plans (and, from noise, makes them)."""

from typing import Any

import torch
from torch import Tensor

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import SPLITS, WindowSampler
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.building import arguments_of
from trajectory_diffuser.models.temporal_unet import TemporalUNet
from trajectory_diffuser.training.run import Objective, training_run


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/diffusion/."""
    settings = params["train_diffusion"]
    with training_run(params, "train_diffusion", task, seed, ["horizon", "stride", "return_scale"]) as run:
        network = arguments_of(TemporalUNet, settings | run.dataset.sizes)
        chain = arguments_of(TrajectoryDiffusion, settings)
        model = TrajectoryDiffusion(TemporalUNet(**network), run.dataset.normaliser, **chain).to(run.device)
        run.train(model, objective(params, task, run.dataset, run.device), network | chain, part="network")


def objective(params: dict[str, Any], task: str, dataset: PreparedDataset, device: torch.device) -> Objective:
    """Windows of the horizon, with the past states that plans begin with, and the denoiser's loss."""
    settings, task_settings = params["train_diffusion"], params["tasks"][task]
    windows = {
        split: WindowSampler(
            dataset,
            task_settings["horizon"],
            device,
            split=split,
            return_scale=task_settings["return_scale"],
            absorbing=True,
            stride=task_settings["stride"],
            past=settings["past_states"],
        )
        for split in SPLITS
    }

    def loss(model: TrajectoryDiffusion, states: Tensor, returns_to_go: Tensor, _: Tensor) -> Tensor:
        return model.training_loss(
            states, returns_to_go[:, 0], settings["label_dropout"], settings["next_state_weight"]
        )

    return Objective(windows, loss)


if __name__ == "__main__":
    run_stage(main, "task", "seed")
