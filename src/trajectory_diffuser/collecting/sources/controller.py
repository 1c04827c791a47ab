"""Datasets of scripted controllers: the waypoint controller of PointMaze and Fork, Meta-World's policies."""

import gymnasium

from trajectory_diffuser.collecting.collection import Policy, collect_steps
from trajectory_diffuser.collecting.oracles import OraclePolicy
from trajectory_diffuser.collecting.scripted_policies import ScriptedPolicy, WaypointController
from trajectory_diffuser.collecting.sources.behaviour import OWN_LICENCE
from trajectory_diffuser.collecting.sources.interface import Recording, Request
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.environments import meta_world, ogbench
from trajectory_diffuser.environments.maze import Maze

POINTS = ("PointMaze_", "Fork-")  # ids of the environments whose observations the waypoint controller reads


def open_source(request: Request) -> Recording:
    """Whole episodes of the environment's controller."""
    if ogbench.is_ogbench(request.environment):
        raise request.error("kind", "OGBench's tasks have a source of their own; use kind: ogbench")
    steps = request.source["steps"]
    noise, detours = request.source["action_noise"], request.source.get("detours", 0.0)
    policy = find_controller(request.task, request.environment, noise, detours)
    return Recording(
        episodes=collect_steps(request.environment, policy, steps, request.seed_parts),
        name=request.environment.spec.id,
        steps=steps,
        algorithm=type(policy).__name__,
        licence=OWN_LICENCE,
    )


def find_controller(
    task: str, environment: gymnasium.Env, action_noise: float = 0.0, detours: float = 0.0
) -> Policy:
    """The scripted policy for an environment. Raises `UserError` where there is none (with detours)."""
    maze = Maze.of_environment(environment)
    if detours and maze is None:
        raise UserError(
            f"params.yaml: tasks.{task}.source.detours: {environment.spec.id} is no maze; remove the key"
        )
    if meta_world.is_meta_world(environment):
        return ScriptedPolicy(environment, action_noise)
    if ogbench.is_ogbench(environment):
        return OraclePolicy(environment, "markov")  # for reference scores only, without noise
    if maze is None or not environment.spec.id.startswith(POINTS):
        raise UserError(
            f"params.yaml: tasks.{task}: the controller source needs a PointMaze, Fork or Meta-World "
            f"environment, measured reference scores one of these or of OGBench; {environment.spec.id} is "
            "none: use another source and give the reference scores"
        )
    if environment.observation_space.shape != (6,):
        raise UserError(
            f"params.yaml: tasks.{task}: the controller reads position, velocity and goal, 6 numbers, and "
            f"{environment.spec.id} has {environment.observation_space.shape[0]}; use observation_keys: "
            "[observation, desired_goal]"
        )
    return WaypointController(maze, action_noise, detours)
