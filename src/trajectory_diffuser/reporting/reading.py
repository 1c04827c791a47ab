"""Reads what a run left on disk into `Results`: only the cells that the parameters' `run` names."""

from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.computing.times import read_times
from trajectory_diffuser.environments.ways import WAYS, has_two_ways
from trajectory_diffuser.planning.choice import TUNINGS, kind_of
from trajectory_diffuser.reporting.artefacts import (
    CURVE_COLUMNS,
    FINETUNING_COLUMNS,
    LATENCY_COLUMNS,
    MODELS,
    SCALING_COLUMNS,
    SCORE_COLUMNS,
    TRAINING_SCORE_COLUMNS,
    Film,
    Results,
    TaskData,
    run_planners,
)
from trajectory_diffuser.reporting.rivals import read_rivals

SPREAD_COLUMNS = ("plan_distance", "action_deviation", "action_entropy", "state_coverage")
DRAFT_COLUMNS = ("step", "drafts", "error", "spread")
PLAN_COLUMNS = ("planner", "guidance", "plan_distance", "distance_at_1", "nearness")
WAY_COLUMNS = ("planner", *WAYS, "plans")
SHOWN_STATES = 20_000  # evenly over the data
UNKNOWN_TIMES = {"seconds": nan, "kept": []}


def read_results(params: dict[str, Any], root: Path = Path(".")) -> Results:
    """Read the cells that `run` names from `root` (the repository's root).

    Raises `UserError` naming the first missing or damaged file and the stage that makes it.
    """
    run, planners = params["run"], run_planners(params)
    trained = {model: (model, f"train_{model}", "") for model in MODELS}
    for name in run["policies"]:
        trained[name] = f"policies/{name}", "train_policy", f" --policy {name}"
    runs = root / "results" / "runs"
    provenance, task_data, latency, scaling, machines = {}, {}, [], [], {}
    scores, curves, training, evaluations, plans, tuning = [], [], [], {}, {}, {}
    training_scores, training_evaluations, diagnoses, ways, experiments = [], {}, {}, {}, {}
    finetuning, point_times, films, fans = [], {}, {}, {}
    for task in run["tasks"]:
        prepare = f"prepare_dataset --task {task}"
        data = _intact(root / "data" / "processed" / task, prepare)
        provenance[task] = read_json(_require(data / "provenance.json", prepare))
        task_data[task] = _read_data(data, prepare)
        if task in params["measure_scaling"]["tasks"]:
            measure = f"measure_scaling --task {task}"
            folder = _intact(runs / task / "scaling", measure)
            grown = _read_table(folder / "scaling.csv", measure, SCALING_COLUMNS)
            scaling.append(grown.assign(task=task))
        for experiment in run["experiments"] if task in run["experiment_tasks"] else ():
            measure = f"measure_experiment --task {task} --experiment {experiment}"
            folder = _intact(runs / task / "experiment_latency" / experiment, measure)
            columns = (*_point(params, experiment), "milliseconds")
            point_times[task, experiment] = _read_table(folder / "points.csv", measure, columns)
        films[task] = _read_film(runs / task / "film", f"film --task {task}", run["planners"])
        for seed in run["seeds"]:
            cell = runs / task / f"seed{seed}"
            stage = f"measure_latency --task {task} --seed {seed}"
            folder = _intact(cell / "latency", stage)
            latency.append(_read_latency(folder / "latency.csv", stage, planners))
            machines[task, seed] = read_json(_require(folder / "latency.json", stage))
            for model, (name, trains, which) in trained.items():
                stage = f"{trains} --task {task} --seed {seed}{which}"
                folder = _intact(cell / name, stage)
                curve = _read_table(folder / "curves.csv", stage, CURVE_COLUMNS)
                curves.append(curve.assign(task=task, seed=seed, model=model))
                record = read_json(_require(folder / "training.json", stage))
                times = UNKNOWN_TIMES | read_times(folder)
                training.append({"task": task, "seed": seed, "model": model, **record, **times})
            for planner in planners:
                kind = kind_of(params, planner)
                of_policy = "_policy" if kind == "policy" else ""
                cell_arguments = f"{of_policy} --task {task} --seed {seed} --{kind} {planner}"
                stage = f"tune{cell_arguments}"
                folder = _intact(cell / TUNINGS[kind] / planner, stage)
                choice = read_json(_require(folder / "choice.json", stage))
                tuning[task, seed, planner] = choice | UNKNOWN_TIMES | read_times(folder)
                stage = f"evaluate{cell_arguments}"
                folder = _intact(cell / "evaluation" / planner, stage)
                scores.append(_read_scores(folder / "episodes.csv", stage))
                key = (task, seed, planner)
                evaluations[key] = read_json(_require(folder / "evaluation.json", stage))
                if kind == "planner":
                    with np.load(_require(folder / "plans.npz", stage)) as arrays:
                        plans[key] = dict(arrays)
            for planner in params["evaluate_training"]["planners"]:
                stage = f"evaluate_training --task {task} --seed {seed} --planner {planner}"
                folder = _intact(cell / "training_scores" / planner, stage)
                training_scores.append(_read_scores(folder / "scores.csv", stage, TRAINING_SCORE_COLUMNS))
                record = read_json(_require(folder / "training_scores.json", stage))
                training_evaluations[task, seed, planner] = record
            stage = f"evaluate_plans --task {task} --seed {seed}"
            folder = _intact(cell / "diagnosis", stage)
            diagnoses[task, seed] = (
                _read_table(folder / "drafts.csv", stage, DRAFT_COLUMNS),
                _read_plans(folder / "plans.csv", stage, PLAN_COLUMNS, run["planners"]),
            )
            if provenance[task]["maze"] is not None:
                with np.load(_require(folder / "fans.npz", stage)) as arrays:
                    fans[task, seed] = dict(arrays)
            if has_two_ways(params["tasks"][task]["source"]):
                table = _read_plans(folder / "ways.csv", stage, WAY_COLUMNS, run["planners"])
                with np.load(_require(folder / "ways.npz", stage)) as arrays:
                    ways[task, seed] = table, dict(arrays)
            for experiment in run["experiments"] if task in run["experiment_tasks"] else ():
                stage = f"evaluate_experiment --task {task} --seed {seed} --experiment {experiment}"
                folder = _intact(cell / "experiments" / experiment, stage)
                point, found = _point(params, experiment), SPREAD_COLUMNS
                if has_two_ways(params["tasks"][task]["source"]):
                    found += WAYS
                experiments[task, seed, experiment] = (
                    _read_table(folder / "points.csv", stage, (*point, *found)),
                    _read_scores(folder / "episodes.csv", stage, (*point, "normalised_score")),
                )
            for planner in params["finetune"]["planners"] if task in params["finetune"]["tasks"] else ():
                stage = f"finetune --task {task} --seed {seed} --planner {planner}"
                folder = _intact(cell / "finetuning" / planner, stage)
                finetuning.append(_read_scores(folder / "scores.csv", stage, FINETUNING_COLUMNS))
    rivals, left_out = read_rivals(params, root, provenance)
    for key, (table, record) in rivals.items():
        scores.append(table[list(SCORE_COLUMNS)])
        evaluations[key] = record
    return Results(
        params=params,
        scores=_concatenate(scores),
        latency=_concatenate(latency),
        scaling=_concatenate(scaling or [pd.DataFrame(columns=["task", *SCALING_COLUMNS])]),
        training_scores=_concatenate(training_scores or [pd.DataFrame(columns=TRAINING_SCORE_COLUMNS)]),
        curves=_concatenate(curves),
        training=pd.DataFrame(training),
        evaluations=evaluations,
        training_evaluations=training_evaluations,
        plans=plans,
        tuning=tuning,
        latency_machines=machines,
        provenance=provenance,
        data=task_data,
        diagnoses=diagnoses,
        ways=ways,
        experiments=experiments,
        point_times=point_times,
        films=films,
        fans=fans,
        finetuning=_concatenate(finetuning or [pd.DataFrame(columns=FINETUNING_COLUMNS)]),
        rivals=[name for name in params["rivals"] if name in {rival for _, _, rival in rivals}],
        left_out=left_out,
    )


def _point(params: dict[str, Any], experiment: str) -> tuple[str, ...]:
    return "planner", *params["experiments"][experiment]["vary"]


def _intact(folder: Path, stage: str) -> Path:
    require_intact(folder, _command(stage))
    return folder


def _require(path: Path, stage: str) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: missing, and run in params.yaml asks for it; run `{_command(stage)}`")
    return path


def _command(stage: str) -> str:
    name, *arguments = stage.split()
    return " ".join(["python", f"src/{name}.py", *arguments])


def _read_table(path: Path, stage: str, columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.read_csv(_require(path, stage))
    missing = [column for column in columns if column not in table]
    if missing or table.empty:
        lack = f"column {missing[0]!r}" if missing else "any row"
        raise UserError(f"{path}: lacks {lack}; run `{_command(stage)}` again")
    return table[list(columns)]


def _read_scores(path: Path, stage: str, columns: tuple[str, ...] = SCORE_COLUMNS) -> pd.DataFrame:
    table = _read_table(path, stage, columns)
    if not np.isfinite(table["normalised_score"].to_numpy(float)).all():
        raise UserError(f"{path}: normalised_score: not a finite number; check the task's reference scores")
    return table


def _read_plans(path: Path, stage: str, columns: tuple[str, ...], planners: list[str]) -> pd.DataFrame:
    table = _read_table(path, stage, columns)
    _require_planners(table, planners, "is not in it", path, stage)
    return table


def _read_latency(path: Path, stage: str, planners: list[str]) -> pd.DataFrame:
    table = _read_table(path, stage, LATENCY_COLUMNS)
    _require_planners(table, planners, "was not timed", path, stage)
    order = pd.Categorical(table.planner, categories=planners, ordered=True)
    table = table.assign(planner=order)[order.notna()].sort_values(["planner", "batch"])
    return table.assign(planner=table.planner.astype(str))


def _read_film(folder: Path, stage: str, planners: list[str]) -> Film:
    path = _require(_intact(folder, stage) / "film.json", stage)
    record = read_json(path)
    if "left_out" in record:
        return Film([], 0.0, b"", b"", record["left_out"])
    for planner in record["planners"]:
        if planner not in planners:
            raise UserError(f"{path}: {planner!r} is not among run.planners; run `{_command(stage)}` again")
    moving, strip = (_require(folder / name, stage).read_bytes() for name in ("film.gif", "filmstrip.png"))
    return Film(record["planners"], record["seconds"], moving, strip)


def _require_planners(table: pd.DataFrame, planners: list[str], problem: str, path: Path, stage: str) -> None:
    for planner in planners:
        if planner not in set(table.planner):
            raise UserError(f"{path}: planner: {planner!r} {problem}; run `{_command(stage)}` again")


def _concatenate(tables: list[pd.DataFrame]) -> pd.DataFrame:
    # A column that is empty in every file is still a column of numbers (no goal, no walls, no validation).
    filled = [table.astype({name: float for name in table if table[name].isna().all()}) for table in tables]
    return pd.concat(filled, ignore_index=True)


def _read_data(data: Path, stage: str) -> TaskData:
    offsets = np.load(_require(data / "episode_offsets.npy", stage))  # [E + 1]
    # [transitions + E]: each episode has one observation more than it has steps
    returns_to_go = np.load(_require(data / "returns_to_go.npy", stage), mmap_mode="r")
    observations = np.load(_require(data / "observations.npy", stage), mmap_mode="r")
    first = offsets[:-1] + np.arange(len(offsets) - 1)
    shown = np.linspace(0, len(observations) - 1, min(SHOWN_STATES, len(observations))).astype(int)
    return TaskData(np.array(returns_to_go[first]), np.diff(offsets), np.array(observations[shown]))
