"""Distil the last steps of the guided diffusion model into one network call."""

import copy
import hashlib
from pathlib import Path
from typing import Any

import torch

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.diffusion.distillation import ChainDistillation
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.stored import load_weights, read_config
from trajectory_diffuser.models.temporal_unet import TemporalUNet
from trajectory_diffuser.training.job import Objective, run_training
from trajectory_diffuser.training.plans import plan_objective


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/distilled/, from diffusion/ beside it."""
    settings, task_settings = params["train_distilled"], params["tasks"][task]
    trained = Path(f"results/runs/{task}/seed{seed}/diffusion")
    expected = {key: task_settings[key] for key in ("horizon", "return_scale")}

    def build(dataset: PreparedDataset, device: torch.device) -> Objective:
        stored = read_config(trained)
        if stored["normaliser"] != dataset.normaliser.to_json() or stored["task_settings"] != expected:
            raise UserError(
                f"{trained}: trained on other data, or with another horizon or return_scale, than there are "
                "now; run src/train_diffusion.py again"
            )
        network, chain = stored["model"]["network"], stored["model"]["chain"]
        teacher = TrajectoryDiffusion(TemporalUNet(**network), dataset.normaliser, **chain).to(device)
        load_weights(teacher.network, trained)
        student = copy.deepcopy(teacher)
        teacher.eval().requires_grad_(False)
        distillation = ChainDistillation(teacher, settings["last_steps"], task_settings["guidance"])
        return plan_objective(
            student,
            distillation.loss,
            settings,
            task_settings,
            dataset,
            device,
            stored["model"] | {"last_steps": settings["last_steps"]},
            origin=hashlib.sha256((trained / "model.safetensors").read_bytes()).hexdigest(),
        )

    run_training(params, "train_distilled", task, seed, [*expected, "guidance"], build)


if __name__ == "__main__":
    run_stage(main, "task", "seed")
