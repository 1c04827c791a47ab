"""Results with nothing but scores and times, for a verdict."""

import numpy as np
import pandas as pd

from trajectory_diffuser.reporting.artefacts import Results, TaskData


def results_of(
    scores: dict[str, np.ndarray],
    claims: dict[str, dict],
    rates: dict[str, float] | None = None,
    imitation: float = 0.0,
) -> Results:
    """Results with nothing but `scores[planner]`, [tasks, seeds, episodes], and decisions per second."""
    tasks, seeds, _ = next(iter(scores.values())).shape
    names = [f"task-{index}" for index in range(tasks)]
    rows = [
        (names[task], seed, planner, episode, score)
        for planner, values in scores.items()
        for (task, seed, episode), score in np.ndenumerate(values)
    ]
    columns = ["task", "seed", "planner", "environment_seed", "normalised_score"]
    latency = pd.DataFrame(
        [(task, seed, planner) for task in names for seed in range(seeds) for planner in scores],
        columns=["task", "seed", "planner"],
    )
    latency["decisions_per_second"] = [(rates or {}).get(planner, 1.0) for planner in latency["planner"]]
    latency["plans_per_second"] = latency["decisions_per_second"]
    latency["seconds_per_plan"] = 1 / latency["decisions_per_second"]
    settings = {"confidence": 0.95, "equivalence_margin": 5.0, "studies": {}, "claims": claims}
    run = {"tasks": names, "seeds": list(range(seeds)), "planners": list(scores), "policies": []}
    reference = {"minimum": 0.0, "maximum": 100.0}
    return Results(
        params={
            "run": run,
            "make_report": settings,
            "tasks": {task: {"environment": {"arguments": {}}} for task in names},
        },
        scores=pd.DataFrame(rows, columns=columns),
        latency=latency.assign(batch=1, device="cpu", threads=1, repetitions=1),
        scaling=pd.DataFrame(),
        training_scores=pd.DataFrame(),
        curves=pd.DataFrame(),
        training=pd.DataFrame(),
        evaluations={},
        training_evaluations={},
        plans={},
        tuning={},
        latency_machines={},
        provenance={task: {"reference_scores": reference, "origin": {}} for task in names},
        data={task: TaskData(np.array([imitation]), np.array([1]), np.zeros((1, 1))) for task in names},
    )
