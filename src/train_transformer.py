"""Train the causal transformer that drafts plans."""

from typing import Any

import torch
from torch import Tensor, nn

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.windows import PreparedDataset, WindowSampler
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.training.job import Objective, run_training
from trajectory_diffuser.training.objectives import transformer_loss


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/transformer/."""
    settings, task_settings = params["train_transformer"], params["tasks"][task]
    context = task_settings["history"] + task_settings["horizon"]

    def build(dataset: PreparedDataset, device: torch.device) -> Objective:
        samplers = {
            split: WindowSampler(
                dataset,
                context,
                device,
                split=split,
                return_scale=task_settings["return_scale"],
                absorbing=False,
                length_keys=("history", "horizon"),
            )
            for split in ("train", "validation")
        }
        config = {"state_size": dataset.observation_size, "context": context}
        config |= {key: settings[key] for key in ("width", "layers", "heads", "dropout")}
        model = CausalTransformer(**config).to(device)

        def loss(model: nn.Module, split: str) -> Tensor:
            return transformer_loss(
                model, *samplers[split].sample(settings["batch_size"]), settings["state_noise"]
            )

        return Objective(model, loss, not samplers["validation"].empty, config)

    run_training(params, "train_transformer", task, seed, ["horizon", "history", "return_scale"], build)


if __name__ == "__main__":
    run_stage(main, "task", "seed")
