import pytest
from small_models import ROW

from trajectory_diffuser.planning.settings import PlannerSettings


def settings(**row):
    return PlannerSettings.from_row(ROW | row, task_guidance=1.2, diffusion_steps=100)


def test_a_draft_goes_through_the_last_steps_of_the_chain():
    assert settings(start="draft", refine_steps=5).steps == [4, 3, 2, 1, 0]
    assert settings(start="draft", refine_steps=0).steps == []


def test_fewer_calls_are_spread_over_the_last_steps():
    assert settings(start="draft", refine_steps=1, last_steps=5).steps == [4]
    assert settings(start="previous_plan", refine_steps=2, last_steps=10).steps == [9, 4]


def test_noise_goes_through_the_whole_chain_in_as_many_calls_as_asked_for():
    assert settings(start="noise", refine_steps=5, sampler="ddim").steps == [99, 79, 59, 39, 19]


@pytest.mark.parametrize("start", ["draft", "noise", "previous_plan"])
def test_all_is_every_step(start):
    assert settings(start=start, refine_steps="all").steps == list(range(99, -1, -1))


def test_the_first_plan_of_an_episode_starts_from_noise_where_a_previous_plan_is_missing():
    warm = settings(start="previous_plan", refine_steps=5)
    assert warm.steps == [4, 3, 2, 1, 0]
    assert warm.first_plan_steps == list(range(99, -1, -1))


def test_guidance_is_the_tasks_own_or_the_rows():
    assert settings(guidance="task").guidance == 1.2
    assert settings(guidance=0).guidance == 0
