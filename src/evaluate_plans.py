"""Look for signs of failure in the plans of all planners, with the models of one seed."""

from typing import Any

import numpy as np

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.environments.ways import has_two_ways
from trajectory_diffuser.evaluation.cell import computed_on, loaded, run_directory
from trajectory_diffuser.evaluation.diagnosis import draft_errors, plan_signs
from trajectory_diffuser.evaluation.fans import plan_fans
from trajectory_diffuser.evaluation.situations import held_out
from trajectory_diffuser.evaluation.ways import plan_ways


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/diagnosis/."""
    dataset = PreparedDataset.load(f"data/processed/{task}")
    with loaded(params, task, seed, params["evaluate"]["threads"]) as (models, runtime):
        drafts = draft_errors(models, dataset)
        plans = plan_signs(params, task, seed, dataset, models, runtime)
        fans = None
        if dataset.provenance["maze"] is not None:
            fans = plan_fans(params, task, seed, dataset, models, runtime)
        ways = None
        if has_two_ways(params["tasks"][task]["source"]):
            ways = plan_ways(params, task, seed, dataset, models, runtime)
        record = {"task": task, "seed": seed, "split": held_out(dataset)} | computed_on(runtime)
    with atomic_directory(run_directory(task, seed) / "diagnosis") as directory:
        drafts.to_csv(directory / "drafts.csv", index=False)
        plans.to_csv(directory / "plans.csv", index=False)
        if fans is not None:
            np.savez_compressed(directory / "fans.npz", **fans)
        if ways is not None:
            shares, positions = ways
            shares.to_csv(directory / "ways.csv", index=False)
            np.savez_compressed(directory / "ways.npz", **positions)
        write_json(directory / "diagnosis.json", record)


if __name__ == "__main__":
    run_stage(main, "task", "seed")
