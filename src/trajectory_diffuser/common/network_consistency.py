"""Whether the settings of networks fit each other, task by task, and where they are written."""

from typing import Any

from trajectory_diffuser.common.completion import for_task
from trajectory_diffuser.common.errors import UserError

NOT_OF_A_TASK = {
    "threads": "jobs are planned with the section's",
    "keep_at": "a planner's networks are all taken at the same share of their steps",
}


def check_networks(params: dict[str, Any]) -> None:
    """Raise `UserError` (one line: key, remedy) on the first setting of a network that does not fit."""
    for name, task in params["tasks"].items():
        for section, own in task["training"].items():
            for key in own.keys() & NOT_OF_A_TASK.keys():
                raise UserError(
                    f"tasks.{name}.training.{section}.{key}: {NOT_OF_A_TASK[key]}; say it in {section}"
                )
        own = for_task(params, name)
        width, heads = (own["train_transformer"][key] for key in ("width", "heads"))
        if width % 2 or width % heads:
            where = where_written(params, name, "train_transformer", "width")
            raise UserError(f"{where}: {width} must be even and a multiple of heads ({heads})")
        past = own["train_diffusion"]["past_states"]
        if task["history"] <= past:
            where = where_written(params, name, "train_diffusion", "past_states")
            raise UserError(
                f"{where}: {past} are too many for tasks.{name}.history ({task['history']}), which counts "
                "the present state too"
            )
        _check_halvings(params, name, f"tasks.{name}.horizon", [task["horizon"]])
        if name in params["measure_scaling"]["tasks"]:
            _check_halvings(params, name, "measure_scaling.horizons", params["measure_scaling"]["horizons"])


def check_calls(key: str, calls: int, params: dict[str, Any], tasks: list[str], otherwise: str = "") -> None:
    """Raise `UserError` where one of these tasks' chains has fewer steps than `calls`, which `key` says."""
    for where, steps in diffusion_steps(params, tasks):
        if calls > steps:
            raise UserError(f"{key}: {calls} is more than {where} ({steps}); use at most {steps}{otherwise}")


def diffusion_steps(params: dict[str, Any], tasks: list[str]) -> list[tuple[str, int]]:
    """Where it is written how many steps these tasks' denoisers have, and how many; each place once."""
    found = {}
    for task in tasks:
        where = where_written(params, task, "train_diffusion", "diffusion_steps")
        found[where] = for_task(params, task)["train_diffusion"]["diffusion_steps"]
    return list(found.items())


def where_written(params: dict[str, Any], task: str, section: str, key: str) -> str:
    """Where a task's value of a key of a training is written: in the task, or else in the section."""
    own = params["tasks"][task]["training"].get(section, {})
    return f"tasks.{task}.training.{section}.{key}" if key in own else f"{section}.{key}"


def _check_halvings(params: dict[str, Any], task: str, key: str, horizons: list[int]) -> None:
    denoiser = for_task(params, task)["train_diffusion"]
    past, halvings = denoiser["past_states"], len(denoiser["channel_multipliers"]) - 1
    past_at, halved_at = (
        where_written(params, task, "train_diffusion", each)
        for each in ("past_states", "channel_multipliers")
    )
    for horizon in horizons:
        if (horizon + past) % 2**halvings:
            with_past = f" with {past_at} ({past})" if past else ""
            raise UserError(
                f"{key}: {horizon}{with_past} must be a multiple of {2**halvings}, because the denoiser "
                f"halves it {halvings} times ({halved_at})"
            )
