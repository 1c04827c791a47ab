"""The maze: geometry, shortest paths, walls, and the controller that must reach its goals."""

from collections import deque
from itertools import pairwise

import gymnasium
import numpy as np
import pytest
from small_environments import TWO_WAYS

from trajectory_diffuser.collecting.collection import collect_episode
from trajectory_diffuser.collecting.scripted_policies import WaypointController
from trajectory_diffuser.environments.environment import make_environment
from trajectory_diffuser.environments.maze import Maze

U_MAZE = [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 1, 1, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]


def maze_environment(name: str = "UMaze", steps: int = 200) -> gymnasium.Env:
    return make_environment(
        {
            "id": f"PointMaze_{name}-v3",
            "arguments": {"continuing_task": True, "reset_target": False},
            "max_episode_steps": steps,
            "observation_keys": ["observation", "desired_goal"],
        }
    )


class WithAnotherMaze(gymnasium.Env):
    """One whose `maze` is no maze of these."""

    maze = "a drawing"


def test_a_maze_of_another_kind_is_none_of_ours() -> None:
    assert Maze.of_environment(WithAnotherMaze()) is None


def random_maze(generator: np.random.Generator, rows: int = 7, columns: int = 9) -> Maze:
    cells = (generator.random((rows, columns)) < 0.35).astype(int)
    cells[[0, -1]] = 1
    cells[:, [0, -1]] = 1
    return Maze(cells.tolist())


def distances(maze: Maze, goal: tuple[int, int]) -> dict[tuple[int, int], int]:
    """Steps to the goal by breadth-first search, written apart from the library's."""
    found, queue = {goal: 0}, deque([goal])
    while queue:
        row, column = queue.popleft()
        for cell in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if not maze.walls[cell] and cell not in found:
                found[cell] = found[row, column] + 1
                queue.append(cell)
    return found


def test_cells_and_centres_agree_with_the_environment() -> None:
    environment = maze_environment("Medium")
    maze, theirs = Maze.of_environment(environment), environment.unwrapped.maze
    for cell in np.ndindex(*maze.walls.shape):
        centre = maze.centres(np.array(cell))
        np.testing.assert_allclose(centre, theirs.cell_rowcol_to_xy(np.array(cell)))
        np.testing.assert_array_equal(maze.cells(centre + np.array([0.4, -0.4])), cell)


def test_no_maze_in_other_environments() -> None:
    hopper = make_environment(
        {"id": "Hopper-v5", "arguments": {}, "max_episode_steps": 5, "observation_keys": None}
    )
    assert Maze.of_environment(hopper) is None


def test_shortest_path_through_the_u() -> None:
    path = Maze(U_MAZE).shortest_path((1, 1), (3, 1))
    assert path == [(1, 1), (1, 2), (1, 3), (2, 3), (3, 3), (3, 2), (3, 1)]


@pytest.mark.parametrize("seed", range(3))
def test_shortest_paths_are_shortest_and_keep_to_open_cells(seed: int) -> None:
    maze = random_maze(np.random.default_rng(seed))
    cells = [tuple(cell) for cell in np.argwhere(~maze.walls).tolist()]
    for goal in cells:
        steps = distances(maze, goal)
        for start in cells:
            path = maze.shortest_path(start, goal)
            if start not in steps:
                assert path is None
                continue
            assert len(path) == steps[start] + 1
            assert path[0] == start
            assert path[-1] == goal
            assert not any(maze.walls[cell] for cell in path)
            assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in pairwise(path))


def test_crosses_wall_on_known_segments() -> None:
    maze = Maze(U_MAZE)  # open cells: the rows y = 1 and y = -1, joined at x = 1
    segments = {
        ((-1.0, 1.0), (1.0, 1.0)): False,  # along the upper corridor
        ((-1.0, 1.0), (-1.0, -1.0)): True,  # straight through the middle wall
        ((1.0, 1.0), (1.0, -1.0)): False,  # down the open side
        ((0.4, 0.6), (0.6, 0.4)): False,  # over the wall's corner, touching it
        ((0.3, 0.6), (0.6, 0.3)): True,  # cuts the corner
        ((-1.0, 0.5), (0.5, 0.5)): False,  # along the wall's face
        ((0.0, 0.0), (0.0, 0.0)): True,  # a point inside a wall
        ((1.0, 1.0), (1.0, 1.0)): False,  # a point in the open
        ((-1.0, 1.0), (-9.0, 1.0)): True,  # through the border and out
        ((-9.0, 1.0), (-9.0, 2.0)): True,  # off the map
    }
    starts, ends = (np.array([pair[side] for pair in segments]) for side in (0, 1))
    assert maze.crosses_wall(starts, ends).tolist() == list(segments.values())
    assert maze.crosses_wall(ends, starts).tolist() == list(segments.values())


def test_crosses_wall_agrees_with_dense_sampling() -> None:
    generator = np.random.default_rng(0)
    maze = random_maze(generator)
    starts, ends = generator.uniform(-3.4, 3.4, size=(2, 20, 100, 2))
    fractions = np.linspace(0, 1, 501)[:, None, None, None]
    cells = maze.cells(starts + fractions * (ends - starts))  # [501, 20, 100, 2]
    sampled = maze.walls[cells[..., 0], cells[..., 1]].any(axis=0)
    crossing = maze.crosses_wall(starts, ends)
    assert crossing.shape == (20, 100)
    assert (crossing >= sampled).all()  # sampling can only miss a grazing crossing
    assert (crossing != sampled).mean() < 0.01


@pytest.mark.parametrize(("name", "steps"), [("UMaze", 200), ("Medium", 400)])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_controller_reaches_its_goal_stays_there_and_goes_around_walls(
    name: str, steps: int, noise: float
) -> None:
    environment = maze_environment(name, steps)
    maze = Maze.of_environment(environment)
    for seed in range(3):
        episode = collect_episode(environment, WaypointController(maze, noise), seed)
        first = int(np.argmax(episode.rewards))
        assert episode.rewards[first] == 1, f"seed {seed}: goal not reached"
        assert episode.rewards[first:].mean() > 0.97
        assert np.abs(episode.actions).max() <= 1
        positions = episode.observations[:, :2]
        assert not maze.crosses_wall(positions[:-1], positions[1:]).any()


def test_controller_acts_alike_on_one_and_on_many() -> None:
    environment = maze_environment()
    controller = WaypointController(Maze.of_environment(environment))
    observations = np.array([environment.reset(seed=seed)[0] for seed in range(8)])
    generator = np.random.default_rng(0)
    batch = controller(observations, generator)
    assert batch.shape == (8, 2)
    np.testing.assert_array_equal(batch, [controller(observation, generator) for observation in observations])


def test_the_middle_of_a_shortest_path_is_halfway() -> None:
    maze = random_maze(np.random.default_rng(8))
    cells = np.argwhere(~maze.walls)
    goal = tuple(cells[0].tolist())
    far = distances(maze, goal)
    starts = np.array([cell for cell in far if far[cell] % 2 == 0])
    middle = maze.midway(maze.centres(starts), np.tile(maze.centres(cells[0]), (len(starts), 1)))
    assert [far[tuple(cell)] for cell in middle.tolist()] == [
        far[tuple(cell)] // 2 for cell in starts.tolist()
    ]


def test_an_episode_arrives_by_the_way_that_was_chosen_at_its_beginning() -> None:
    environment = make_environment(TWO_WAYS)
    maze = Maze.of_environment(environment)
    policy = WaypointController(maze, action_noise=0.5, detours=0.5)
    shortest = []
    for seed in range(20):
        positions = collect_episode(environment, policy, seed).observations
        (middle,) = maze.midway(positions[:1, :2], positions[:1, 4:6])
        shortest.append((maze.cells(positions[:, :2]) == middle).all(axis=1).any())
        assert shortest[-1] == (policy.maze is policy.whole)
        assert np.linalg.norm(positions[-1, :2] - positions[-1, 4:6]) < 0.6
    assert {True, False} == set(map(bool, shortest))


def test_neither_start_nor_goal_tells_the_way() -> None:
    environment = make_environment(TWO_WAYS)
    policy = WaypointController(Maze.of_environment(environment), detours=0.2)
    starts, detours = [], []
    for seed in range(100):  # both are seeded alike, as episodes are collected
        starts.append(environment.reset(seed=seed)[0])
        policy(starts[-1], np.random.default_rng(seed))
        detours.append(policy.maze is not policy.whole)
    for values in np.array(starts)[:, [0, 1, 4, 5]].T:
        lowest, highest = np.sort(values[detours])[[0, -1]]
        among = (values > lowest) & (values < highest)
        assert among[~np.array(detours)].mean() > 0.5


def test_where_there_is_one_way_a_detour_takes_it() -> None:
    environment = maze_environment()
    sure, plain = (WaypointController(Maze(U_MAZE), detours=share) for share in (1.0, 0.0))
    one, other = (collect_episode(environment, policy, 3).observations for policy in (sure, plain))
    np.testing.assert_array_equal(one, other)
