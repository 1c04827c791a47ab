"""What a perfect imitation of the data would score: the least that a planner trained on it should reach."""

import json

from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.reporting.artefacts import Results


def imitation_score(results: Results, task: str) -> float | None:
    """The normalised mean return of the data's episodes.

    None where evaluation rewards otherwise than the data.
    """
    if differing_arguments(results, task):
        return None
    reference = results.provenance[task]["reference_scores"]
    mean = results.data[task].returns.mean(dtype=float)
    return float(normalised_score(mean, reference["minimum"], reference["maximum"]))


def differing_arguments(results: Results, task: str) -> str:
    """The environment's arguments that are others in evaluation than in collection: returns differ."""
    collected = results.provenance[task]["origin"].get("arguments", {})
    return ", ".join(
        f"{name} to {json.dumps(value)}"
        for name, value in results.params["tasks"][task]["environment"]["arguments"].items()
        if collected.get(name, value) != value
    )
