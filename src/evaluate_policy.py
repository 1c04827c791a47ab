"""Evaluate one policy in closed loop on one task, in the same episodes as the planners."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.evaluation.cell import make_policy, run_directory, tuned_row
from trajectory_diffuser.evaluation.episodes import evaluate
from trajectory_diffuser.planning.policy import Policy, PolicyModel
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, policy: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{policy}/."""
    row = tuned_row(params, task, "policies", policy)
    with computing_device(params["run"]["device"], params["evaluate"]["threads"]) as device:
        model = PolicyModel.load(run_directory(task, seed), policy, device)
        runtime = Runtime(params["planning"]["runtime"], params["planning"]["precision"], device)

        def make_agent(_: int) -> Policy:
            return make_policy([row], model, runtime)

        evaluate(params, task, seed, policy, {"policy_row": params["policies"][policy]}, row, make_agent)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "policy")
