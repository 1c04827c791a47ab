"""What a perfect imitation of the data would score: the least that a planner trained on it should reach."""

import json

from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.reporting.artefacts import Results

IMITATION, BEST = "imitation of the data", "best episode of the data"


def imitation_score(results: Results, task: str) -> float | None:
    """The normalised mean return of the data's episodes.

    None where evaluation rewards otherwise than the data.
    """
    return data_scores(results, task).get(IMITATION)


def data_scores(results: Results, task: str) -> dict[str, float]:
    """The normalised scores of the data: of its episodes' mean return and of its best episode.

    Empty where evaluation rewards otherwise than the data.
    """
    if differing_arguments(results, task):
        return {}
    reference, returns = results.provenance[task]["reference_scores"], results.data[task].returns
    returns = {IMITATION: returns.mean(dtype=float), BEST: returns.max()}
    return {
        name: float(normalised_score(value, reference["minimum"], reference["maximum"]))
        for name, value in returns.items()
    }


def differing_arguments(results: Results, task: str) -> str:
    """The environment's arguments that are others in evaluation than in collection: returns differ."""
    collected = results.provenance[task]["origin"].get("arguments", {})
    return ", ".join(
        f"{name} to {json.dumps(value)}"
        for name, value in results.params["tasks"][task]["environment"]["arguments"].items()
        if collected.get(name, value) != value
    )
