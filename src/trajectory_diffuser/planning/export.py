"""A planner to take along: ONNX graphs and a JSON file that says how to call them, without torch.

`examples/act_without_torch.py` does so.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.planning.onnx_graph import onnx_of
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.trajectory_planner import Plan, TrajectoryPlanner

if TYPE_CHECKING:
    from trajectory_diffuser.planning.planner import Planner

DESCRIPTION = "planner.json"


def export(planner: "Planner", folder: Path) -> None:
    """Write `plan.onnx`, for some rows `again.onnx` and `later_action.onnx`, and `planner.json`, atomically.

    All are in normalised units, for B environments, with the shapes of `TrajectoryPlanner.plan`. `plan` makes
    an episode's first plan, and the others too where there is no `again`, which also takes what the row goes
    on from, made `actions_per_plan` steps ago: the plan, or the draft, with which it is to be called
    `redraft_every` - 1 times in a row. `later_action` gives the actions after a plan's first,
    from the state and the plan's next one. States of history and plan are `stride` steps apart. Integers are
    int64.

    Raises:
        UserError: the folder holds something else, or the networks are on a GPU.
    """
    if folder.exists() and not (folder / DESCRIPTION).exists():
        raise UserError(f"{folder}: exists and holds no exported planner; name another folder")
    if planner.device.type != "cpu":
        raise UserError("export: the networks are on a GPU; load the planner with device='cpu'")
    models, settings = planner.trajectory_planner.models, planner.trajectory_planner.settings
    whole = _Whole(TrajectoryPlanner(models, settings, Runtime("torch", "float32", planner.device)))
    state_size = len(models.normaliser.mean)
    state, states = torch.zeros(1, state_size), torch.zeros(1, models.horizon, state_size)
    history = {"history": torch.zeros(1, models.history, state_size + 1), "padding": torch.tensor(0)}
    carries = settings.redraft_every > 1
    made = ["states", "action", "draft"] if carries else ["states", "action"]
    noise = torch.zeros(whole.planner.noise_shape(1, None))
    graphs = {"plan": (whole, history | {"noise": noise}, made)}
    if carries or settings.start == "previous_plan":
        noise = torch.zeros(whole.planner.noise_shape(1, Plan(states, states, None)))
        previous = torch.zeros(1, models.horizon, state_size + 1) if carries else states
        graphs["again"] = (whole, history | {"noise": noise, "previous": previous}, made)
    if settings.actions_per_plan > 1:
        graphs["later_action"] = (models.inverse_dynamics, {"state": state, "next_state": state}, ["action"])
    with atomic_directory(folder) as work:
        for name, (network, inputs, outputs) in graphs.items():
            model = onnx_of(network, tuple(inputs.values()), list(inputs), outputs)
            (work / f"{name}.onnx").write_bytes(model)
        description = {
            "card": {
                "what": "a planner of Trajectory Diffuser (arXiv 2407.16142), see planning/export.py there",
                "task": models.task,
                "commit": code_commit(),
                "versions": library_versions("torch", "numpy"),
            },
            "environment": models.environment,
            "row": asdict(settings),
            "target_return": planner.target_return,
            "return_scale": models.return_scale,
            "stride": models.stride,
            "action_bounds": models.action_bounds.tolist(),
            "normaliser": models.normaliser.to_json(),
            "graphs": {
                name: {each: [*value.shape] for each, value in inputs.items()}
                for name, (_, inputs, _) in graphs.items()
            },
        }
        write_json(work / DESCRIPTION, description)


class _Whole(nn.Module):
    """A planner's plan as one network."""

    def __init__(self, planner: TrajectoryPlanner) -> None:
        super().__init__()
        self.planner = planner
        models = planner.models
        # Known as parts, their weights are written once, and not for each of their uses.
        self.parts = nn.ModuleList(
            [models.transformer, models.diffusion, models.inverse_dynamics, models.value]
        )

    def forward(
        self, history: Tensor, padding: Tensor, noise: Tensor, before: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Plans [B, H, state], actions [B, action] and, where drafts are carried over, the draft."""
        settings = self.planner.settings
        previous = None if before is None else Plan(before, before, before)
        plan = self.planner.plan(history, padding, noise, previous, settings.actions_per_plan)
        draft = (plan.draft,) if settings.redraft_every > 1 else ()
        return plan.states, plan.action, *draft
