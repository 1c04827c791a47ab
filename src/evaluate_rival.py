"""Evaluate one rival in the same episodes as the planners; runs in .venv-rivals (`make rivals`)."""

from typing import Any

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.evaluation.cell import run_directory
from trajectory_diffuser.evaluation.episodes import evaluate
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, rival: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{rival}/."""
    from trajectory_diffuser.rivals.agent import RivalAgent
    from trajectory_diffuser.rivals.algorithms import load

    folder = run_directory(task, seed) / "rivals" / rival
    if not folder.exists():
        raise UserError(
            f"{folder}: not found; run: .venv-rivals/bin/python src/train_rival.py "
            f"--task {task} --seed {seed} --rival {rival}"
        )
    target_return = params["tasks"][task]["target_return"]
    bounds = PreparedDataset.load(f"data/processed/{task}").provenance["action_bounds"]
    config = read_json(folder / "config.json")
    settled = {"rival_row": params["rivals"][rival], "target_return": target_return, "settings": config}
    settled |= {"training": read_json(folder / "training.json")}
    with computing_device(params["run"]["device"], params["evaluate"]["threads"]) as device:
        algorithm = load(config, folder, device)

        def make_agent(_: int) -> RivalAgent:
            return RivalAgent(algorithm, target_return, bounds)

        evaluate(params, task, seed, rival, settled, make_agent, Runtime("torch", "float32", device))


if __name__ == "__main__":
    run_stage(main, "task", "seed", "rival")
