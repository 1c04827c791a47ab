"""What the settings of denoiser and draft model are worth: `python benchmarks/networks.py --seeds 0 1`.

To be run where `make results` has trained the task. A variant's denoiser (or draft model, for DRAFTS) is
trained anew, with one thing changed; the other networks stay. Then PLANNERS act with it, in environments that
neither tuning nor evaluation has: at all temperatures and target returns of `tune.grid`, with its first
guidance. A row (the mean normalised scores of all those episodes, and those of the best point) is printed and
added to results/networks/denoiser.csv (or draft.csv), of which denoiser.md is a table. A run that was stopped
goes on: what the file has of this commit is left out, a network that is there is not trained again (its own
commit is `trained`).
"""

import argparse
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import pandas as pd
from filelock import FileLock
from network_variants import CODE

import train_diffusion
import train_transformer
from trajectory_diffuser.common.completion import for_task
from trajectory_diffuser.common.consistency import check_consistency
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.stage import ending_with_one_line
from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import atomic_file, read_json
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.computing.times import read_times
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import planner_of, run_directory
from trajectory_diffuser.evaluation.rollout import run_episodes
from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.models.building import NETWORKS
from trajectory_diffuser.planning.choice import settled
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.reporting.markdown import markdown_table

TRAINED_AS_SHIPPED = ("as shipped", "as shipped, drafts", "no clipping")
STAGES = {"diffusion": train_diffusion, "transformer": train_transformer}
FILES = {"diffusion": "denoiser", "transformer": "draft"}
PLANNERS = {
    "diffusion": ("ddim_2", "ddim", "full_diffusion", "one_call", "trajectory_diffuser"),
    "transformer": ("draft", "trajectory_diffuser"),
}
CELL = ["task", "variant", "seed", "commit"]
FIRST_ENVIRONMENT_SEED = 40000
SETTINGS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "6,000 steps": {"steps": 6000},
    "next state x 10": {"next_state_weight": 10.0},  # Decision Diffuser's, and all its public copies'
    "average over 1,000 steps": {"ema_decay": 0.999},
    "epsilon": {"prediction": "epsilon"},
    "no past states": {"past_states": 0},  # plans begin with the present state
    "the authors' chain": {"prediction": "epsilon", "schedule": "authors"},
    "as shipped, drafts": {},
    "no noise on states": {"state_noise": 0.0},
    "dropout 0.1": {"dropout": 0.1},
    "no causal mask": {"causal": False},
}
DRAFTS = ("as shipped, drafts", "no noise on states", "dropout 0.1", "no causal mask")


def main() -> None:
    """Print a row per variant and seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    everything = [*SETTINGS, *CODE]
    parser.add_argument("--variants", nargs="+", choices=everything, default=everything, metavar="VARIANT")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--task", default="hopper-medium-expert")
    parser.add_argument("--episodes", type=int, default=5, help="at each point of the grid")
    parser.add_argument("--planners", nargs="+", help="rows of params.yaml; left out, all of PLANNERS")
    arguments = parser.parse_args()
    params, home, commit = for_task(load_params(), arguments.task), Path.cwd(), code_commit()
    horizon = params["tasks"][arguments.task]["horizon"]
    (home / "results/networks").mkdir(parents=True, exist_ok=True)
    networks = {each: "transformer" if each in DRAFTS else "diffusion" for each in arguments.variants}
    changed = {
        variant: params | {f"train_{name}": params[f"train_{name}"] | SETTINGS.get(variant, {})}
        for variant, name in networks.items()
    }
    for variant in arguments.variants:
        check_consistency(changed[variant], params["planners"])
    for variant, seed in itertools.product(arguments.variants, arguments.seeds):
        network = networks[variant]
        file = home / f"results/networks/{FILES[network]}.csv"
        planners = arguments.planners or PLANNERS[network]
        done = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=CELL)
        own = done[(done[CELL] == [arguments.task, variant, seed, commit]).all(axis=1)]
        if own.reindex(columns=planners).notna().all(axis=1).any():
            continue
        states = horizon + changed[variant]["train_diffusion"]["past_states"]
        patches = CODE.get(variant, lambda states: [])(states)
        with ExitStack() as stack:
            stack.enter_context(project_of(home, variant, network, arguments.task, seed))
            for each in patches:
                stack.enter_context(each)
            row = measured(changed[variant], network, arguments.task, seed, planners, arguments.episodes)
        row = {"task": arguments.task, "variant": variant, "seed": seed} | row | {"commit": commit}
        print(" | ".join(str(value) for value in row.values()), flush=True)
        with FileLock(file.with_suffix(".lock")):  # others may run beside this one
            done = [pd.read_csv(file)] if file.exists() else []
            rows = pd.concat([*done, pd.DataFrame([row])]).groupby(CELL, sort=False, as_index=False).last()
            with atomic_file(file) as path:
                rows.to_csv(path, index=False)
            file.with_suffix(".md").write_text(markdown(rows))


def markdown(rows: pd.DataFrame) -> str:
    """A row per variant: for each seed and planner the mean score, and that of the best point in brackets."""
    suffix, lines = "_best_point", []
    planners = [name.removesuffix(suffix) for name in rows if name.endswith(suffix)]
    for variant, own in rows.sort_values("seed").groupby("variant", sort=False):
        scores = [", ".join(map(_score, own[name], own[f"{name}{suffix}"])) for name in planners]
        minutes = [
            f"{each['minutes'].mean():.0f}{' on a GPU' * (device != 'cpu')}".replace("nan", "-")
            for device, each in own.groupby("device")
        ]
        lines.append([str(variant), ", ".join(map(str, own["seed"])), ", ".join(minutes), *scores])
    return markdown_table(["variant", "seeds", "minutes", *(f"`{name}`" for name in planners)], lines) + "\n"


def _score(mean: float, best_point: float) -> str:
    return "-" if pd.isna(mean) else f"{mean:.1f} ({best_point:.1f})"


@contextmanager
def project_of(home: Path, variant: str, network: str, task: str, seed: int) -> Iterator[None]:
    """Work where the task's data and all networks but `network` are the project's in `home`."""
    project, run = home / "results/networks" / variant.replace(" ", "_"), run_directory(task, seed)
    (project / run).mkdir(parents=True, exist_ok=True)
    shared = [Path("data"), *(run / name for name in NETWORKS if name != network)]
    if variant in TRAINED_AS_SHIPPED:
        shared.append(run / network)
    for path in shared:
        if not (project / path).is_symlink():  # it may lead nowhere yet
            (project / path).symlink_to(home / path)
    os.chdir(project)
    try:
        yield
    finally:
        os.chdir(home)


def measured(
    params: dict[str, Any], network: str, task: str, seed: int, planners: Sequence[str], episodes: int
) -> dict[str, Any]:
    """Train the network, unless it is there, and act with it."""
    run = run_directory(task, seed)
    if not (run / network).exists():
        STAGES[network].main(params, task, seed)
    trained = read_json(run / network / "training.json")
    seconds = read_times(run / network).get("seconds", float("nan"))
    row = {"device": trained["device"], "minutes": round(seconds / 60, 1)}
    row["validation_loss"] = trained["validation_loss"]
    with computing_device(params["run"], params["evaluate"]["threads"]) as device:
        models = PlanningModels.load(run, device)
        runtime = Runtime.from_params(params, device)
        for name in planners:
            scores = scores_at_points(params, task, seed, params["planners"][name], models, runtime, episodes)
            row[name] = round(scores.mean(), 1)
            row[f"{name}_best_point"] = round(scores.mean(axis=1).max(), 1)
    return row | {"trained": trained["commit"]}


def scores_at_points(
    params: dict[str, Any],
    task: str,
    seed: int,
    row: dict[str, Any],
    models: PlanningModels,
    runtime: Runtime,
    episodes: int,
) -> np.ndarray:
    """Normalised scores [points, episodes] of a row at the grid's temperatures and target returns."""
    grid = params["tune"]["grid"]
    points = [
        {"guidance": grid["guidance"][0], "temperature": temperature, "target_return": target_return}
        for temperature, target_return in itertools.product(grid["temperature"], grid["target_return"])
    ]
    seeds = list(range(FIRST_ENVIRONMENT_SEED, FIRST_ENVIRONMENT_SEED + episodes))
    rows = [settled(row, point) for point in points for _ in seeds]
    planner = planner_of(rows, models, runtime, derive_seed("networks", task, seed))
    return scores_of(params, task, planner, seeds * len(points), task).reshape(len(points), -1)


def scores_of(
    params: dict[str, Any], task: str, planner: Planner, environment_seeds: list[int], title: str
) -> np.ndarray:
    """Normalised scores [episodes] of a planner."""
    environment = params["tasks"][task]["environment"]
    returns = run_episodes(planner, environment, environment_seeds, None, title).returns
    reference = PreparedDataset.load(Path("data/processed") / task).provenance["reference_scores"]
    return normalised_score(returns, reference["minimum"], reference["maximum"])


if __name__ == "__main__":
    with ending_with_one_line():
        main()
