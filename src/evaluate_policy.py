"""Evaluate one policy in closed loop on one task, in the same episodes as the planners."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.evaluation.cell import make_policy, run_directory
from trajectory_diffuser.evaluation.episodes import evaluate, tuned_record
from trajectory_diffuser.planning.policy import Policy, PolicyModel
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, policy: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{policy}/."""
    with computing_device(params["run"], params["evaluate"]["threads"]) as device:
        model = PolicyModel.load(run_directory(task, seed), policy, device)
        runtime = Runtime.from_params(params, device)

        def make_agent(_: int) -> Policy:
            return make_policy(params, task, seed, policy, model, runtime)

        evaluate(params, task, seed, policy, tuned_record(params, task, seed, policy), make_agent, runtime)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "policy")
