"""Run an episode with an exported planner: numpy, gymnasium and a runtime for ONNX (OpenVINO), no torch.

python examples/act_without_torch.py FOLDER [--seed 0]

FOLDER is what `Planner.export` wrote, for any environment of gymnasium or gymnasium-robotics.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

sys.modules.setdefault("openvino_telemetry", None)  # OpenVINO reports home unless this package is missing
import openvino  # noqa: E402

CORE = openvino.Core()  # one for the process: where several go, the next signal can end it


class ExportedPlanner:
    """Acts in one environment, in its own units."""

    def __init__(self, folder: Path, seed: int) -> None:
        about = json.loads((folder / "planner.json").read_text())
        self.graphs = {
            name: CORE.compile_model(folder / f"{name}.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            for name in about["graphs"]
        }
        self.shapes = {name: shapes.get("noise") for name, shapes in about["graphs"].items()}
        self.row, self.return_scale = about["row"], about["return_scale"]
        self.mean, self.std = (np.float32(about["normaliser"][name]) for name in ("mean", "std"))
        self.bounds = np.float32(about["action_bounds"])
        self.generator = np.random.default_rng(seed)
        self.return_to_go = about["target_return"] / self.return_scale
        _, length, width = about["graphs"]["plan"]["history"]
        self.stride = about["stride"]
        steps = self.stride * (length - 1) + 1
        self.history = np.zeros((1, steps, width), np.float32)  # [1, steps, state + 1]
        self.padding, self.plan, self.plan_age, self.draft_age = steps, None, 0, 0

    def act(self, observation: np.ndarray, reward: float | None = None) -> np.ndarray:
        """The action [action] for an observation [state]; `reward` is that of the previous action."""
        state = (np.float32(observation) - self.mean) / self.std
        self.return_to_go -= (reward or 0.0) / self.return_scale
        token = np.float32([*state, self.return_to_go])
        self.history = np.concatenate([self.history[:, 1:], token[None, None]], axis=1)
        self.padding = max(self.padding - 1, 0)
        if self.plan is None or self.plan_age == self.row["actions_per_plan"]:
            self.plan, self.plan_age = self.new_plan(), 0
            action = self.plan["action"]
        else:
            following = self.plan["states"][:, self.plan_age + 1]
            action = self.run("later_action", state=state[None], next_state=following)["action"]
        self.plan_age += 1
        return np.clip(action[0], *self.bounds)

    def new_plan(self) -> Mapping[str, np.ndarray]:
        """A new plan's states [1, H, state], action [1, action] and, where it is carried over, draft."""
        name, previous = "plan", {}
        if "again" in self.graphs and self.plan is not None:
            if self.row["start"] == "previous_plan":
                name, previous = "again", {"previous": self.plan["states"]}
            elif self.draft_age + 1 < self.row["redraft_every"]:
                name, previous = "again", {"previous": self.plan["draft"]}
        self.draft_age = self.draft_age + 1 if name == "again" else 0
        noise = self.generator.standard_normal(self.shapes[name], np.float32)
        noise[:, :, 1:] *= self.row["temperature"]  # the present's own is for choosing among candidates
        history = self.history[:, :: self.stride]  # [1, T, state + 1]
        padding = np.int64(-(-self.padding // self.stride))  # rounded up
        return self.run(name, history=history, padding=padding, noise=np.float32(noise), **previous)

    def run(self, name: str, **inputs: np.ndarray) -> Mapping[str, np.ndarray]:
        """The outputs of one of the graphs, by name; a graph lacks the inputs that it does not need."""
        graph = self.graphs[name]
        needed = set().union(*(port.get_names() for port in graph.inputs))
        return graph({key: value for key, value in inputs.items() if key in needed})


def make_environment(entry: dict[str, Any]) -> gymnasium.Env:
    """The environment that the planner was trained for, with flat observations."""
    if entry["id"].startswith(("PointMaze", "AntMaze", "Adroit", "Franka")):
        import gymnasium_robotics

        gymnasium.register_envs(gymnasium_robotics)
    env = gymnasium.make(entry["id"], max_episode_steps=entry["max_episode_steps"], **entry["arguments"])
    keys = entry["observation_keys"]
    if keys is None:
        return env
    flat = gymnasium.spaces.Box(-np.inf, np.inf, (sum(env.observation_space[key].shape[0] for key in keys),))
    return gymnasium.wrappers.TransformObservation(
        env, lambda observation: np.concatenate([observation[key] for key in keys]), flat
    )


def main() -> None:
    """Run one episode and print its return."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about = json.loads((arguments.folder / "planner.json").read_text())
    env = make_environment(about["environment"])
    planner = ExportedPlanner(arguments.folder, arguments.seed)
    observation, _ = env.reset(seed=arguments.seed)
    reward, total, over, steps = None, 0.0, False, 0
    while not over:
        observation, reward, terminated, truncated, _ = env.step(planner.act(observation, reward))
        total, steps, over = total + float(reward), steps + 1, terminated or truncated
    print(f"{about['card']['task']}: return {total:.1f} in {steps} steps")


if __name__ == "__main__":
    main()
