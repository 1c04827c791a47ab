"""Evaluate one rival in the same episodes as the planners; runs in .venv-rivals (`make rivals`)."""

from typing import Any

import torch

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import atomic_directory, read_json, write_json
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.evaluation.cell import run_directory
from trajectory_diffuser.evaluation.episodes import evaluate_episodes


def main(params: dict[str, Any], task: str, seed: int, rival: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{rival}/."""
    from trajectory_diffuser.rivals.agent import RivalAgent
    from trajectory_diffuser.rivals.algorithms import load

    folder, row = run_directory(task, seed) / "rivals" / rival, params["rivals"][rival]
    if not folder.exists():
        raise UserError(
            f"{folder}: not found; run: .venv-rivals/bin/python src/train_rival.py "
            f"--task {task} --seed {seed} --rival {rival}"
        )
    dataset, config = PreparedDataset.load(f"data/processed/{task}"), read_json(folder / "config.json")
    target_return = row.get("target_return", 0.0) * dataset.best_return
    with computing_device(params["run"]["device"], params["evaluate"]["threads"]) as device:
        algorithm = load(config, folder, device)

        def make_agent(_: int) -> RivalAgent:
            return RivalAgent(algorithm, target_return, dataset.provenance["action_bounds"])

        episodes = params["evaluate"]["episodes"]
        table, _ = evaluate_episodes(params, task, seed, rival, make_agent, episodes)
        record = {"task": task, "seed": seed, "planner": rival, "rival_row": row, "episodes": episodes}
        record |= {"target_return": target_return} if "target_return" in row else {}
        record |= {"device": device.type, "threads": torch.get_num_threads()}
        record |= {"runtime": "torch", "precision": "float32"}
        record |= {"versions": library_versions() | library_versions("d3rlpy"), "commit": code_commit()}
        record |= {"training": read_json(folder / "training.json"), "settings": config}
    with atomic_directory(run_directory(task, seed) / "evaluation" / rival) as directory:
        table.to_csv(directory / "episodes.csv", index=False)
        write_json(directory / "evaluation.json", record)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "rival")
