"""Policies: a state goes in, an action comes out, nothing is planned."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.models.building import weights_file
from trajectory_diffuser.models.mlp import PolicyNetwork
from trajectory_diffuser.planning.agent import Agent, find_row
from trajectory_diffuser.planning.choice import asked_return
from trajectory_diffuser.planning.models import Units, load_weights, read_config
from trajectory_diffuser.planning.runtime import Runtime


@dataclass
class PolicyModel(Units):
    """A policy's network and its units."""

    network: PolicyNetwork

    @classmethod
    def load(cls, run_directory: Path, policy: str, device: torch.device) -> "PolicyModel":
        """Load a policy of `run_directory` (`results/runs/{task}/seed{seed}`).

        Raises:
            UserError: it is missing, or was written by older code.
        """
        directory = run_directory / "policies" / policy
        config = read_config(directory, "train_policy")
        network = PolicyNetwork(**config["model"])
        load_weights(network, directory / weights_file())
        return cls(
            normaliser=Normaliser.from_json(config["normaliser"]),
            action_bounds=np.float32(config["action_bounds"]),
            task=config["task"],
            environment=config["environment"],
            history=1,
            stride=1,
            return_scale=config["task_settings"]["return_scale"],
            best_return=config["best_return"],
            network=network.to(device).eval().requires_grad_(False),
        )


class Policy(Agent):
    """Acts on the present state and, if it was trained so, on the return that is still to come.

    Args:
        model: the trained network.
        runtime: what it runs on.
        target_return: return asked for at the start of an episode, one for all or [N].
    """

    def __init__(self, model: PolicyModel, runtime: Runtime, target_return: float | np.ndarray) -> None:
        super().__init__(model, runtime, target_return)
        self.network = runtime.compile(model.network)

    @classmethod
    def load(
        cls,
        run_directory: Path | str,
        policy: str = "behaviour_cloning",
        *,
        target_return: float | None = None,
        device: torch.device | str = "cpu",
        runtime: str = "auto",
    ) -> "Policy":
        """A policy of a run; arguments and errors as in `Planner.load`."""
        run_directory, device = Path(run_directory), torch.device(device)
        model = PolicyModel.load(run_directory, policy, device)
        row, precision = find_row(run_directory, model.task, "policy", policy)
        if target_return is None:
            target_return = asked_return(row["target_return"], model.best_return)
        return cls(model, Runtime(runtime, precision, device), target_return)

    def _decide(self, deterministic: bool) -> Tensor:
        """The network's action; there is no noise to leave out."""
        tokens, _ = self.memory.history(self.device)  # [N, 1, state + 1]
        return self.network(tokens[:, -1])
