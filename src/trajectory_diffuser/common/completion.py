"""Parameters completed: what rows, trainings and tasks say, over what their base or section says."""

from typing import Any

TRAININGS = ("train_transformer", "train_diffusion", "train_inverse_dynamics", "train_value", "train_policy")


def with_bases(written: dict[str, Any]) -> dict[str, Any]:
    """The parameters with complete rows and trainings: what they say, over what their base says."""
    planners = {name: written["base_planner"] | row for name, row in written["planners"].items()}
    policies = {name: written["base_policy"] | row for name, row in written["policies"].items()}
    trainings = {name: written["base_training"] | written[name] for name in TRAININGS}
    return written | {"planners": planners, "policies": policies} | trainings


def for_task(params: dict[str, Any], task: str) -> dict[str, Any]:
    """The complete parameters as one task has them: trainings with what the task says over their sections."""
    own = params["tasks"][task]["training"]
    return params | {name: params[name] | changes for name, changes in own.items()}
