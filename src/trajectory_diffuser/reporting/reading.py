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
from trajectory_diffuser.environments.ways import DATA, WAYS, has_two_ways
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
        data = _Output(root / "data" / "processed" / task, f"prepare_dataset --task {task}")
        provenance[task] = data.record("provenance.json")
        task_data[task] = _read_data(data)
        two_ways = has_two_ways(params["tasks"][task]["source"])
        if task in params["measure_scaling"]["tasks"]:
            output = _Output(runs / task / "scaling", f"measure_scaling --task {task}")
            scaling.append(output.table("scaling.csv", SCALING_COLUMNS).assign(task=task))
        for experiment in run["experiments"] if task in run["experiment_tasks"] else ():
            stage = f"measure_experiment --task {task} --experiment {experiment}"
            output = _Output(runs / task / "experiment_latency" / experiment, stage)
            columns = (*_point(params, experiment), "milliseconds")
            point_times[task, experiment] = output.table("points.csv", columns)
        films[task] = _read_film(_Output(runs / task / "film", f"film --task {task}"), run["planners"])
        for seed in run["seeds"]:
            cell, of_cell = runs / task / f"seed{seed}", f"--task {task} --seed {seed}"
            output = _Output(cell / "latency", f"measure_latency {of_cell}")
            latency.append(output.table("latency.csv", LATENCY_COLUMNS, planners))
            machines[task, seed] = output.record("latency.json")
            for model, (name, trains, which) in trained.items():
                output = _Output(cell / name, f"{trains} {of_cell}{which}")
                curve = output.table("curves.csv", CURVE_COLUMNS)
                curves.append(curve.assign(task=task, seed=seed, model=model))
                record = output.record("training.json") | UNKNOWN_TIMES | read_times(output.folder)
                training.append({"task": task, "seed": seed, "model": model, **record})
            for planner in planners:
                key, kind = (task, seed, planner), kind_of(params, planner)
                arguments = f"{'_policy' if kind == 'policy' else ''} {of_cell} --{kind} {planner}"
                output = _Output(cell / TUNINGS[kind] / planner, f"tune{arguments}")
                tuning[key] = output.record("choice.json") | UNKNOWN_TIMES | read_times(output.folder)
                output = _Output(cell / "evaluation" / planner, f"evaluate{arguments}")
                scores.append(output.scores("episodes.csv", SCORE_COLUMNS))
                evaluations[key] = output.record("evaluation.json")
                if kind == "planner":
                    plans[key] = output.arrays("plans.npz")
            for planner in params["evaluate_training"]["planners"]:
                stage = f"evaluate_training {of_cell} --planner {planner}"
                output = _Output(cell / "training_scores" / planner, stage)
                training_scores.append(output.scores("scores.csv", TRAINING_SCORE_COLUMNS))
                training_evaluations[task, seed, planner] = output.record("training_scores.json")
            output = _Output(cell / "diagnosis", f"evaluate_plans {of_cell}")
            diagnoses[task, seed] = (
                output.table("drafts.csv", DRAFT_COLUMNS),
                output.table("plans.csv", PLAN_COLUMNS, run["planners"]),
            )
            if provenance[task]["maze"] is not None:
                fans[task, seed] = output.arrays("fans.npz")
            if two_ways:
                shares = output.table("ways.csv", WAY_COLUMNS, [DATA, *run["planners"]])
                ways[task, seed] = shares, output.arrays("ways.npz")
            for experiment in run["experiments"] if task in run["experiment_tasks"] else ():
                stage = f"evaluate_experiment {of_cell} --experiment {experiment}"
                output = _Output(cell / "experiments" / experiment, stage)
                point = _point(params, experiment)
                experiments[task, seed, experiment] = (
                    output.table("points.csv", (*point, *SPREAD_COLUMNS, *(WAYS if two_ways else ()))),
                    output.scores("episodes.csv", (*point, "normalised_score")),
                )
            for planner in params["finetune"]["planners"] if task in params["finetune"]["tasks"] else ():
                output = _Output(cell / "finetuning" / planner, f"finetune {of_cell} --planner {planner}")
                finetuning.append(output.scores("scores.csv", FINETUNING_COLUMNS))
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
        rivals=list(dict.fromkeys(rival for _, _, rival in rivals)),
        left_out=left_out,
    )


def _point(params: dict[str, Any], experiment: str) -> tuple[str, ...]:
    return "planner", *params["experiments"][experiment]["vary"]


class _Output:
    """A folder that a stage has written, every file of it as it was written.

    Errors name the file and the command that writes it.
    """

    def __init__(self, folder: Path, stage: str) -> None:
        name, *arguments = stage.split()
        self.folder, self.command = folder, " ".join(["python", f"src/{name}.py", *arguments])
        require_intact(folder, self.command)

    def file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise UserError(f"{path}: missing, and run in params.yaml asks for it; run `{self.command}`")
        return path

    def record(self, name: str) -> dict[str, Any]:
        return read_json(self.file(name))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.file(name)) as arrays:
            return dict(arrays)

    def table(self, name: str, columns: tuple[str, ...], planners: list[str] | None = None) -> pd.DataFrame:
        """These columns and, where `planners` are given, the rows of these, in this order."""
        table = pd.read_csv(self.file(name))
        missing = [column for column in columns if column not in table]
        if missing or table.empty:
            lack = f"column {missing[0]!r}" if missing else "any row"
            raise self.stale(name, f"lacks {lack}")
        for planner in planners or ():
            if planner not in set(table["planner"]):
                raise self.stale(name, f"planner: {planner!r} is not in it")
        if planners is not None:
            table = table.set_index("planner").loc[planners].reset_index()
        return table[list(columns)]

    def scores(self, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
        table = self.table(name, columns)
        if not np.isfinite(table["normalised_score"].to_numpy(float)).all():
            why = "normalised_score: not a finite number; check the task's reference scores"
            raise UserError(f"{self.folder / name}: {why}")
        return table

    def stale(self, name: str, why: str) -> UserError:
        return UserError(f"{self.folder / name}: {why}; run `{self.command}` again")


def _read_film(output: _Output, planners: list[str]) -> Film:
    record = output.record("film.json")
    if "left_out" in record:
        return Film([], 0.0, b"", b"", record["left_out"])
    for planner in record["planners"]:
        if planner not in planners:
            raise output.stale("film.json", f"{planner!r} is not among run.planners")
    moving, strip = (output.file(name).read_bytes() for name in ("film.gif", "filmstrip.png"))
    return Film(record["planners"], record["seconds"], moving, strip)


def _concatenate(tables: list[pd.DataFrame]) -> pd.DataFrame:
    # A column that is empty in every file is still a column of numbers (no goal, no walls, no validation).
    filled = [table.astype({name: float for name in table if table[name].isna().all()}) for table in tables]
    return pd.concat(filled, ignore_index=True)


def _read_data(data: _Output) -> TaskData:
    offsets = np.load(data.file("episode_offsets.npy"))  # [E + 1]
    # [transitions + E]: each episode has one observation more than it has steps
    returns_to_go = np.load(data.file("returns_to_go.npy"), mmap_mode="r")
    observations = np.load(data.file("observations.npy"), mmap_mode="r")
    first = offsets[:-1] + np.arange(len(offsets) - 1)
    shown = np.linspace(0, len(observations) - 1, min(SHOWN_STATES, len(observations))).astype(int)
    return TaskData(np.array(returns_to_go[first]), np.diff(offsets), np.array(observations[shown]))
