"""Evaluate one rival in the same episodes as the planners; runs in .venv-rivals (`make rivals`)."""

from typing import Any

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import run_directory
from trajectory_diffuser.evaluation.episodes import evaluate
from trajectory_diffuser.planning.choice import asked_return
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, rival: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{rival}/."""
    from trajectory_diffuser.rivals.agent import RivalAgent
    from trajectory_diffuser.rivals.algorithms import load

    folder, row = run_directory(task, seed) / "rivals" / rival, params["rivals"][rival]
    again = f".venv-rivals/bin/python src/train_rival.py --task {task} --seed {seed} --rival {rival}"
    if not folder.exists():
        raise UserError(f"{folder}: not found; run: {again}")
    require_intact(folder, again)
    dataset, config = PreparedDataset.load(f"data/processed/{task}"), read_json(folder / "config.json")
    # Only a Decision Transformer is asked for a return.
    target_return = asked_return(row.get("target_return", 1.0), dataset.best_return)
    record = {"rival_row": row, "settings": config, "training": read_json(folder / "training.json")}
    record |= {"target_return": target_return} if "target_return" in row else {}
    with computing_device(params["run"], params["evaluate"]["threads"]) as device:
        algorithm = load(config, folder, device)

        def make_agent(_: int) -> RivalAgent:
            return RivalAgent(algorithm, target_return, dataset.provenance["action_bounds"])

        evaluate(params, task, seed, rival, record, make_agent, Runtime("torch", "float32", device))


if __name__ == "__main__":
    run_stage(main, "task", "seed", "rival")
