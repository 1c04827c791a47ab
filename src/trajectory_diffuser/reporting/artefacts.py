"""What a run left on disk, as tables: all that the report shows."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

ALL_TASKS = "all tasks"
MODELS = ("transformer", "diffusion", "inverse_dynamics", "value")
SCORE_COLUMNS = (
    "task", "seed", "planner", "episode", "environment_seed", "return", "normalised_score", "length",
    "success", "wall_crossing_fraction", "shortest_way",
)  # fmt: skip
LATENCY_COLUMNS = (
    "task", "seed", "planner", "batch", "device", "threads", "p50_seconds", "p95_seconds", "seconds_per_plan",
    "plans_per_second", "decisions_per_second", "network_calls", "flops", "network_seconds", "overhead",
    "repetitions",
)  # fmt: skip
SCALING_COLUMNS = ("varied", "value", "planner", "seconds_per_plan", "network_seconds")
TRAINING_SCORE_COLUMNS = ("task", "seed", "planner", "fraction", "episode", "normalised_score")
FINETUNING_COLUMNS = (
    "task", "seed", "planner", "variant", "trained", "round", "environment_steps", "episode",
    "environment_seed", "return", "normalised_score",
)  # fmt: skip
CURVE_COLUMNS = ("step", "train_loss", "validation_loss")


@dataclass(frozen=True)
class TaskData:
    """A task's prepared data: return [E] and length [E] of each episode, and some states [n, obs]."""

    returns: np.ndarray
    lengths: np.ndarray
    states: np.ndarray


@dataclass(frozen=True)
class Film:
    """Planners of a task side by side: a GIF and a PNG, or why there are none (`left_out`)."""

    planners: list[str]
    seconds: float
    moving: bytes
    strip: bytes
    left_out: str | None = None


@dataclass(frozen=True)
class Results:
    """Everything that the report shows.

    Wherever planners are named policies stand too, but in `plans`, `scaling` and what is of kept weights;
    rivals that are on disk stand in `scores` and `evaluations` alone.

    Attributes:
        params: the parameters.
        scores: a row per episode (SCORE_COLUMNS).
        latency: a row per task, seed, planner and batch (LATENCY_COLUMNS).
        scaling: a row per task of `measure_scaling.tasks`, varied quantity, value and planner (task, then
            SCALING_COLUMNS).
        training_scores: a row per episode with kept weights (TRAINING_SCORE_COLUMNS).
        curves: a row per logged training step (task, seed, model, then CURVE_COLUMNS).
        training: a row per trained model (task, seed, model, then the fields of training.json, times.json).
        evaluations: evaluation.json by (task, seed, planner).
        training_evaluations: training_scores.json, likewise, of planners evaluated with kept weights.
        plans: a planner's first plans, likewise.
        tuning: choice.json and times.json, likewise.
        latency_machines: what times were measured on, by (task, seed).
        provenance: of the data, by task.
        data: what the report says of the data, by task.
        diagnoses: drafts and plans, see `evaluation.diagnosis`, by (task, seed).
        ways: shares and paths, see `evaluation.ways`, likewise where the data have detours.
        experiments: points and episodes, see `evaluation.experiment`, by (task, seed, experiment).
        point_times: planner, what is varied, milliseconds, by (task, experiment).
        films: by task.
        fans: see `evaluation.fans`, by (task, seed) of mazes.
        finetuning: a row per episode of an online fine-tuning (FINETUNING_COLUMNS).
        rivals: those that are on disk.
        left_out: why other rivals are not shown.
    """

    params: dict[str, Any]
    scores: pd.DataFrame
    latency: pd.DataFrame
    scaling: pd.DataFrame
    training_scores: pd.DataFrame
    curves: pd.DataFrame
    training: pd.DataFrame
    evaluations: dict[tuple[str, int, str], dict[str, Any]]
    training_evaluations: dict[tuple[str, int, str], dict[str, Any]]
    plans: dict[tuple[str, int, str], dict[str, np.ndarray]]
    tuning: dict[tuple[str, int, str], dict[str, Any]]
    latency_machines: dict[tuple[str, int], dict[str, Any]]
    provenance: dict[str, dict[str, Any]]
    data: dict[str, TaskData]
    diagnoses: dict[tuple[str, int], tuple[pd.DataFrame, pd.DataFrame]] = field(default_factory=dict)
    ways: dict[tuple[str, int], tuple[pd.DataFrame, dict[str, np.ndarray]]] = field(default_factory=dict)
    experiments: dict[tuple[str, int, str], tuple[pd.DataFrame, pd.DataFrame]] = field(default_factory=dict)
    point_times: dict[tuple[str, str], pd.DataFrame] = field(default_factory=dict)
    films: dict[str, Film] = field(default_factory=dict)
    fans: dict[tuple[str, int], dict[str, np.ndarray]] = field(default_factory=dict)
    finetuning: pd.DataFrame = field(default_factory=pd.DataFrame)
    rivals: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def tasks(self) -> list[str]:
        """The tasks of the run, in its order."""
        return self.params["run"]["tasks"]

    @property
    def scopes(self) -> dict[str, list[str]]:
        """What claims are judged on, by name: all tasks, where there are several, then each."""
        each = {task: [task] for task in self.tasks}
        return {ALL_TASKS: self.tasks} | each if len(each) > 1 else each

    @property
    def seeds(self) -> list[int]:
        """The training seeds of the run, in its order."""
        return self.params["run"]["seeds"]

    @property
    def planners(self) -> list[str]:
        """Everything that acts in the run: its planners, its policies, then its rivals."""
        return [*run_planners(self.params), *self.rivals]

    @property
    def with_plans(self) -> list[str]:
        """Those of them that plan."""
        return self.params["run"]["planners"]

    @property
    def models(self) -> list[str]:
        """Everything that is trained for the run."""
        return [*MODELS, *self.params["run"]["policies"]]

    @property
    def known_planners(self) -> list[str]:
        """All that act in params.yaml: each keeps its marker whatever else is run."""
        return [*self.params["planners"], *self.params["policies"], *self.params["rivals"]]

    @property
    def subject(self) -> str:
        """The planner that stands out: the subject of the first claim whose subject is in the run."""
        subjects = [claim["subject"] for claim in self.params["make_report"]["claims"].values()]
        return next((planner for planner in subjects if planner in self.with_plans), self.with_plans[0])

    @property
    def controls(self) -> list[str]:
        """The planners of the run that a claim says the subject is better than."""
        claims = self.params["make_report"]["claims"].values()
        rivals = [claim["reference"] for claim in claims if claim["kind"] == "better"]
        return [planner for planner in dict.fromkeys(rivals) if planner in self.with_plans]


def run_planners(params: dict[str, Any]) -> list[str]:
    """Everything that the run evaluates and times, in its order."""
    return [*params["run"]["planners"], *params["run"]["policies"]]
