"""OGBench's scripted oracles as policies, with the noise of its own data (its data_gen_scripts).

An oracle does one thing at a time: it moves a cube to a place, presses a button, moves a drawer or a window.
What that is, is OGBench's to draw where it collects data; in a task it is `next_target`'s to say.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import product
from typing import Any

import gymnasium
import numpy as np

NOISE_SCALE = np.array([1.0, 1.0, 1.0, 3.0, 10.0])  # of the Markov oracle's noise: position, yaw, gripper
# Lowest and highest probability of stacking a cube, by the number of cubes; an episode's is drawn in between.
STACKING = {1: (0.0, 0.0), 2: (0.0, 0.25), 3: (0.05, 0.35), 4: (0.1, 0.5), 8: (0.0, 0.35)}
OTHER_STACKING = (0.5, 0.5)


class OraclePolicy:
    """One of OGBench's oracles, which does one target after the other for as long as an episode lasts.

    It reads the simulation, not the observation. A new generator of noise means that a new episode began.
    """

    def __init__(
        self, environment: gymnasium.Env, oracle: str, noise: float = 0.0, random_actions: float = 0.0
    ) -> None:
        """The policy for an OGBench environment, a task or one that collects data.

        Args:
            environment: where it acts.
            oracle: plan follows a smooth plan, made beforehand, with correlated noise (OGBench's play data);
                markov reacts to every state (its noisy data).
            noise: of plan, in units of the largest move of a step; of markov, the largest standard deviation
                of an episode, as a share of the action's range.
            random_actions: probability that an action is drawn uniformly instead.
        """
        self.scene = environment.unwrapped
        self.oracle, self.noise, self.random_actions = oracle, noise, random_actions
        cubes = getattr(self.scene, "_num_cubes", 0)
        self.stacking_range = STACKING[cubes] if self._is("CubeEnv") else OTHER_STACKING
        self.generator: np.random.Generator | None = None
        self.agents: dict[str, Any] = {}

    def __call__(self, observation: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Action [5] in [-1, 1]."""
        if generator is not self.generator:
            self.generator = generator
            self.action_noise = generator.uniform(0.0, self.noise) * NOISE_SCALE
            self.stacking = generator.uniform(*self.stacking_range)
            self._begin(observation, first=True)
        elif self.agent.done:
            self._begin(observation, first=False)
        if generator.random() < self.random_actions:
            return generator.uniform(-1.0, 1.0, 5).astype(np.float32)
        action = np.asarray(self.agent.select_action(observation, self.scene.compute_ob_info() | self.target))
        if self.oracle == "markov":
            action = action + self.action_noise * generator.standard_normal(5)
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def _begin(self, observation: np.ndarray, first: bool) -> None:
        """Choose the next target and the agent for it."""
        if self.scene._mode == "data_collection":
            if not first:  # the reset has drawn the first one
                self.scene.set_new_target(p_stack=self.stacking)
            self.target = {}
        else:
            self.target = next_target(self.scene)
        info = self.scene.compute_ob_info() | self.target
        self.agent = self._agent(info["privileged/target_task"])
        with _numpy_seeded(self.generator):
            self.agent.reset(observation, info)

    def _is(self, environment: str) -> bool:
        return type(self.scene).__name__ == environment

    def _agent(self, kind: str) -> Any:
        if kind not in self.agents:
            module = import_module(f"ogbench.manipspace.oracles.{self.oracle}.{kind}_{self.oracle}")
            settings = {"noise": self.noise} if self.oracle == "plan" else {}
            if self._is("PuzzleEnv"):
                settings["gripper_always_closed"] = True
            make = getattr(module, f"{kind.capitalize()}{self.oracle.capitalize()}Oracle")
            self.agents[kind] = make(env=self.scene, **settings)
        return self.agents[kind]


@contextmanager
def _numpy_seeded(generator: np.random.Generator) -> Iterator[None]:
    """The oracles draw from numpy's global generator: seed it meanwhile."""
    state = np.random.get_state()
    np.random.seed(generator.integers(2**32))
    try:
        yield
    finally:
        np.random.set_state(state)


def next_target(scene: Any) -> dict[str, Any]:
    """What is to be done next towards the goal of a task, as OGBench's observation information has it.

    A cube goes straight to its place: tasks in which one must first make room for another, or go into a
    closed drawer, are not planned for.
    """
    environment, wrong = type(scene).__name__, [not solved for solved in _flat(scene._compute_successes())]
    cubes = getattr(scene, "_num_cubes", 0)
    if environment == "PuzzleEnv":
        presses = lights_out(np.reshape(wrong, (scene._num_rows, scene._num_cols)))
        return _press(scene, int(np.argmax(presses)))
    if environment == "SceneEnv":
        moved = {"drawer": wrong[-2], "window": wrong[-1]}
        for button, (kind, is_wrong) in enumerate(moved.items()):
            if is_wrong and scene._cur_button_states[button] == 0:  # locked
                return _press(scene, button)
            if is_wrong:
                site = getattr(scene, f"_{kind}_target_site_id")
                handle = scene._data.site_xpos[site].copy()
                return _target(kind, {f"target_{kind}_handle_pos": handle})
        if not any(wrong[:cubes]) and any(wrong[cubes:-2]):
            return _press(scene, wrong[cubes:-2].index(True))
    places = scene._data.mocap_pos[scene._cube_target_mocap_ids]  # [cubes, 3]
    cube = min(range(cubes), key=lambda cube: (not wrong[cube], places[cube, 2]))  # lowest places first
    target = {"target_block": cube, "target_block_pos": places[cube].copy(), "target_block_yaw": np.zeros(1)}
    return _target("cube", target)


def lights_out(wrong: np.ndarray) -> np.ndarray:
    """The fewest buttons [rows, columns] to press so that those that are `wrong` [rows, columns] change.

    A press changes a button and its neighbours. The presses of the first row decide all others: whatever is
    still wrong in a row, only the row below it can put right.
    """
    columns = wrong.shape[1]
    solutions = []
    for first in product((False, True), repeat=columns):
        above, row, presses = np.zeros(columns, bool), np.array(first), []
        for line in wrong.astype(bool):
            presses.append(row)
            sides = np.pad(row, 1)
            above, row = row, line ^ row ^ sides[:-2] ^ sides[2:] ^ above
        if not row.any():  # nothing is left to a row below the last
            solutions.append(np.array(presses))
    return min(solutions, key=np.sum)


def _press(scene: Any, button: int) -> dict[str, Any]:
    position = scene._data.site_xpos[scene._button_site_ids[button]].copy()
    state = 1 - scene._cur_button_states[button]
    target = {"target_button": button, "target_button_state": state, "target_button_top_pos": position}
    return _target("button", target)


def _target(kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {"privileged/target_task": kind} | {f"privileged/{name}": fact for name, fact in facts.items()}


def _flat(values: Any) -> list[bool]:
    """The parts of a task that are solved: OGBench has them in lists, lists of lists or one by one."""
    return [part for value in values for part in (value if isinstance(value, list) else [value])]
