import pytest
from small_models import CPU, ROW, history, make_models, make_planner, plan_from

from trajectory_diffuser.evaluation.network_cost import record_calls
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings

ALL = ["transformer", "diffusion", "inverse_dynamics", "value"]


def settings(**row):
    return PlannerSettings.from_row(ROW | row, diffusion_steps=100)


def test_a_draft_goes_through_the_last_steps_of_the_chain():
    assert settings(start="draft", refine_steps=5).timesteps == [5, 4, 3, 2, 1]
    assert settings(start="draft", refine_steps=0).timesteps == []


def test_fewer_calls_are_spread_over_the_last_steps():
    assert settings(start="draft", refine_steps=1, last_steps=5).timesteps == [5]
    assert settings(start="previous_plan", refine_steps=2, last_steps=10).timesteps == [10, 5]


def test_noise_goes_through_the_whole_chain_in_as_many_calls_as_asked_for():
    assert settings(start="noise", refine_steps=5, sampler="ddim").timesteps == [100, 80, 60, 40, 20]


@pytest.mark.parametrize("start", ["draft", "noise", "previous_plan"])
def test_all_is_every_step(start):
    assert settings(start=start, refine_steps="all").timesteps == list(range(100, 0, -1))


def test_the_first_plan_of_an_episode_starts_from_noise_where_a_previous_plan_is_missing():
    warm = settings(start="previous_plan", refine_steps=5)
    assert warm.timesteps == [5, 4, 3, 2, 1]
    assert warm.first_timesteps == list(range(100, 0, -1))


@pytest.mark.parametrize(
    ("row", "networks"),
    [
        ({"refine_steps": 0}, ["transformer", "inverse_dynamics"]),
        ({}, ["transformer", "diffusion", "inverse_dynamics"]),
        ({"start": "noise", "refine_steps": "all"}, ["diffusion", "inverse_dynamics"]),
        ({"start": "previous_plan"}, ["diffusion", "inverse_dynamics"]),
        ({"candidates": 3}, ["transformer", "diffusion", "inverse_dynamics", "value"]),
        ({"candidates": 3, "refine_steps": 0}, ["transformer", "inverse_dynamics"]),
    ],
)
def test_the_networks_of_a_planner_are_those_that_it_runs(row, networks):
    models = make_models()
    planner = make_planner(models, Runtime("torch", "float32", CPU), **row)
    calls = record_calls(planner, lambda: plan_from(planner, *history()))
    run = {function.module.network for function, _ in calls}
    assert planner.settings.networks == networks
    assert [name for name in ALL if getattr(models, name) in run] == networks


def test_the_samplers_are_ancestral_and_deterministic():
    assert settings(sampler="ddpm").eta == 1
    assert settings(sampler="ddim").eta == 0


@pytest.mark.parametrize(
    ("row", "candidates"),
    [
        ({}, 4),
        ({"forward_noise": True, "refine_steps": 1}, 4),
        ({"start": "noise", "refine_steps": 5, "sampler": "ddim"}, 4),
        ({"temperature": 0.0}, 1),
        ({"sampler": "ddim"}, 1),
        ({"refine_steps": 0}, 1),
        ({"refine_steps": 0, "forward_noise": True}, 1),
        ({"refine_steps": 1, "last_steps": 5}, 1),  # the last step adds no noise
    ],
)
def test_there_are_as_many_candidates_as_noise_can_tell_apart(row, candidates):
    assert settings(**({"candidates": 4} | row)).candidates == candidates
