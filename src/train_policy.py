"""Train a policy that clones actions: of all episodes or the best, told the return to come or not."""

from typing import Any

import torch
from torch import Tensor

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.windows import SPLITS, TransitionSampler
from trajectory_diffuser.models.building import arguments_of
from trajectory_diffuser.models.mlp import PolicyNetwork
from trajectory_diffuser.training.run import Objective, training_run


def main(params: dict[str, Any], task: str, seed: int, policy: str) -> None:
    """Write results/runs/{task}/seed{seed}/policies/{policy}/."""
    return_scale = params["tasks"][task]["return_scale"]
    with training_run(params, "train_policy", task, seed, ["return_scale"], policy) as run:
        transitions = {
            split: TransitionSampler(
                run.dataset,
                run.device,
                split=split,
                return_scale=return_scale,
                best_fraction=run.settings["best_fraction"],
            )
            for split in SPLITS
        }
        config = arguments_of(PolicyNetwork, run.settings | run.dataset.sizes)
        model = PolicyNetwork(**config).to(run.device)
        run.train(model, Objective(transitions, cloning_loss), config)


def cloning_loss(
    model: PolicyNetwork, state: Tensor, _: Tensor, action: Tensor, return_to_go: Tensor
) -> Tensor:
    """Squared error of the action [B, action] in states [B, state] with scaled returns-to-go [B]."""
    return (model(torch.cat([state, return_to_go[:, None]], dim=-1)) - action).square().mean()


if __name__ == "__main__":
    run_stage(main, "task", "seed", "policy")
