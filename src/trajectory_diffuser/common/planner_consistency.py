"""Whether a planner's row, as it is or varied, fits itself and the tasks that it is to plan for."""

import itertools
from typing import Any

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.network_consistency import check_calls, diffusion_steps


def check_planner(name: str, written: dict[str, Any], params: dict[str, Any]) -> None:
    """Raise `UserError` (one line: key, remedy) on the first key of a row that does not fit.

    `written` is the row as it is in the file, `params` have it complete.
    """
    row = params["planners"][name]
    start, calls = row["start"], row["refine_steps"]

    def key(*keys: str) -> str:
        """Where the user wrote it: the first of these keys that the row has, or else the base's."""
        own = [key for key in keys if key in written]
        return f"planners.{name}.{own[0]}" if own else f"base_planner.{keys[0]}"

    if start != "draft" and calls == 0:
        raise UserError(
            f"{key('refine_steps', 'start')}: refine_steps: 0 leaves start: {start} as it is; use at least 1"
        )
    if calls != "all":
        check_calls(key("refine_steps"), calls, params, params["run"]["tasks"], ", or all")
    for _, steps in diffusion_steps(params, params["run"]["tasks"]):
        if start == "noise" and row["sampler"] == "ddpm" and calls not in ("all", steps):
            raise UserError(
                f"{key('refine_steps', 'start', 'sampler')}: ddpm from noise takes every step, and {name} "
                f"has refine_steps: {calls}; use all, or sampler: ddim to take fewer"
            )
    if "last_steps" in row:
        last = row["last_steps"]
        if start == "noise":
            raise UserError(
                f"{key('last_steps', 'start')}: a start from noise goes through the whole chain; "
                "remove last_steps"
            )
        for where, steps in diffusion_steps(params, params["run"]["tasks"]):
            if calls in (0, "all") or not calls <= last <= steps:
                raise UserError(
                    f"{key('last_steps', 'refine_steps')}: last_steps: {last} must lie between refine_steps "
                    f"({calls}) and {where} ({steps})"
                )
    if "selection" in row and row["candidates"] == 1:
        raise UserError(
            f"{key('selection', 'candidates')}: of candidates: 1 there is nothing to select; "
            "use more candidates, or remove selection"
        )
    if start != "draft" and row["redraft_every"] > 1:
        raise UserError(
            f"{key('redraft_every', 'start')}: there is no draft with start: {start}; use redraft_every: 1"
        )
    for task in params["run"]["tasks"]:
        horizon, stride = params["tasks"][task]["horizon"], params["tasks"][task]["stride"]
        uses = {"start": start == "previous_plan"}
        uses |= {each: row[each] > 1 for each in ("redraft_every", "actions_per_plan")}
        goes_on = [each for each, used in uses.items() if used]
        if stride > 1 and goes_on and name in params["run"]["planners"]:
            raise UserError(
                f"{key(goes_on[0])}: {name} goes on with a plan one step later, whose states are "
                f"{stride} steps apart (tasks.{task}.stride); leave {name} out of run.planners"
            )
        if row["actions_per_plan"] >= horizon:
            raise UserError(
                f"{key('actions_per_plan')}: {row['actions_per_plan']} actions are more than a plan of "
                f"tasks.{task}.horizon ({horizon}) states has"
            )
    if start == "noise" and row["forward_noise"]:
        raise UserError(
            f"{key('forward_noise', 'start')}: a start from noise has nothing to add noise to; "
            "use forward_noise: false"
        )


def check_varied(name: str, planner: str, params: dict[str, Any]) -> None:
    """Raise `UserError` unless a row takes the largest value of each key that an experiment varies.

    And unless any combination of the values makes a planner of it: those that do not are left out.
    """
    vary, row = params["experiments"][name]["vary"], params["planners"][planner]
    run = params["run"] | {"tasks": params["run"]["experiment_tasks"]}

    def check(point: dict[str, Any]) -> None:
        check_planner(planner, point, params | {"run": run, "planners": {planner: row | point}})

    def fits(point: dict[str, Any]) -> bool:
        try:
            check(point)
        except UserError:
            return False
        return True

    own_length = "last_steps" in row and "last_steps" not in vary
    for key in ("actions_per_plan", "redraft_every", *(["refine_steps"] if own_length else [])):
        try:
            check({key: max(vary.get(key, [1]))})
        except UserError as error:
            own, varied = f"planners.{planner}.{key}", f"experiments.{name}.vary.{key}"
            raise UserError(str(error).replace(own, varied, 1)) from None
    combinations = itertools.product(*vary.values())
    if not any(fits(dict(zip(vary, values, strict=True))) for values in combinations):
        raise UserError(f"experiments.{name}.vary: none of these values makes a planner of {planner}")
