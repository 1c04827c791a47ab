"""Choose what a policy's row leaves to tuning, by trial episodes on a task with the network of one seed."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.evaluation.cell import policy_of, run_directory
from trajectory_diffuser.evaluation.tuning import tune
from trajectory_diffuser.planning.policy import Policy, PolicyModel
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, policy: str) -> None:
    """Write results/runs/{task}/seed{seed}/policy_tuning/{policy}/."""
    with computing_device(params["run"], params["tune"]["threads"]) as device:
        model = PolicyModel.load(run_directory(task, seed), policy, device)
        runtime = Runtime.from_params(params, device)

        def make_agent(rows: list[dict[str, Any]], _: int) -> Policy:
            return policy_of(rows, model, runtime)

        tune(params, task, seed, policy, params["policies"][policy], make_agent, runtime)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "policy")
