"""What `make rivals` left on disk: shown where it is complete and of this run, else left out, with why."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.computing.times import read_times

AGAIN = ".venv-rivals/bin/python src/evaluate_rival.py --task {task} --seed {seed} --rival {rival}"
Evaluations = dict[tuple[str, int, str], tuple[pd.DataFrame, dict[str, Any]]]


def read_rivals(
    params: dict[str, Any], root: Path, provenance: dict[str, dict[str, Any]]
) -> tuple[Evaluations, dict[str, str]]:
    """Episodes and record of every rival that has all cells of the run, by (task, seed, rival).

    Also why others are left out, by their names: one of their cells is missing, or was made of other data or
    settings. Rivals of which there is nothing are left out without a word.
    """
    evaluations: Evaluations = {}
    left_out: dict[str, str] = {}
    for rival in params["rivals"]:
        own: Evaluations = {}
        reasons: list[str] = []
        for task in params["run"]["tasks"]:
            for seed in params["run"]["seeds"]:
                cell = root / "results" / "runs" / task / f"seed{seed}"
                folder = cell / "evaluation" / rival
                reason = "not evaluated"
                require_intact(folder, AGAIN.format(task=task, seed=seed, rival=rival))
                if (folder / "evaluation.json").is_file():
                    table = pd.read_csv(folder / "episodes.csv")
                    record = read_json(folder / "evaluation.json")
                    reason = _outdated(params, rival, provenance[task], table, record)
                    record["training"] |= read_times(cell / "rivals" / rival)
                    own[task, seed, rival] = table, record
                if reason:
                    reasons.append(f"{task}, seed {seed}: {reason}")
        if not reasons:
            evaluations |= own
        elif own:
            left_out[rival] = reasons[0]
    return evaluations, left_out


def _outdated(
    params: dict[str, Any],
    rival: str,
    provenance: dict[str, Any],
    table: pd.DataFrame,
    record: dict[str, Any],
) -> str:
    """What of a cell is no longer as the parameters and the data are; "" for nothing."""
    row, evaluation, training = params["rivals"][rival], params["evaluate"], record["training"]
    starts = evaluation["first_environment_seed"] + np.arange(evaluation["episodes"])
    if training["data"] != provenance["content_hash"]:
        return "trained on other data"
    if training["steps"] != row["steps"]:
        return f"trained for {training['steps']:,} steps"
    if record["rival_row"] != row:
        return "evaluated with other settings"
    return "" if np.array_equal(table["environment_seed"], starts) else "evaluated on other starts"
