import math
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from trajectory_diffuser.diffusion.schedule import alpha_bar, timesteps


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 100, 1000])
def test_a_chain_of_any_length_ends_in_noise(schedule, steps):
    signal = alpha_bar(schedule, steps)
    assert signal.shape == (steps + 1,)
    assert signal[0] == 1  # the clean plan
    assert signal[-1] < 0.002
    assert (signal > 0).all()
    assert (signal.diff() < 0).all()


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_a_long_chain_begins_almost_without_noise(schedule):
    assert alpha_bar(schedule, 100)[1] > 0.99


def test_the_cosine_schedule_is_its_closed_form_before_the_bound_on_beta():
    steps = 100
    signal = [math.cos((t / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(steps + 1)]
    expected = torch.tensor(signal, dtype=torch.float64) / signal[0]
    torch.testing.assert_close(alpha_bar("cosine", steps)[:-1], expected[:-1])


@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_the_cosine_schedule_is_the_one_of_diffusers(steps):
    theirs = DDPMScheduler(steps, beta_schedule="squaredcos_cap_v2").alphas_cumprod
    torch.testing.assert_close(alpha_bar("cosine", steps)[1:].float(), theirs, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("steps", [100, 1000])
def test_the_linear_schedule_is_the_one_of_diffusers(steps):
    scale = 1000 / steps
    theirs = DDPMScheduler(steps, beta_start=scale * 1e-4, beta_end=scale * 0.02, beta_schedule="linear")
    torch.testing.assert_close(
        alpha_bar("linear", steps)[1:].float(), theirs.alphas_cumprod, rtol=1e-4, atol=1e-7
    )


def test_the_authors_schedule_is_that_of_diffusers_with_their_betas_and_leaves_a_third_of_the_signal():
    signal = alpha_bar("authors", 100)
    theirs = DDPMScheduler(100, beta_start=1e-3, beta_end=0.02, beta_schedule="linear").alphas_cumprod
    torch.testing.assert_close(signal[1:].float(), theirs)
    assert 0.3 < signal[-1] < 0.4


def test_an_unknown_schedule_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'sigmoid'; one of cosine, linear, authors"):
        alpha_bar("sigmoid", 10)


@pytest.mark.parametrize("calls", [1, 3, 5, 7, 8, 10, 33, 100])
def test_the_whole_chain_is_spaced_like_the_trailing_steps_of_diffusers(calls):
    scheduler = DDIMScheduler(100, timestep_spacing="trailing")
    scheduler.set_timesteps(calls)
    assert timesteps(100, calls) == [t + 1 for t in scheduler.timesteps.tolist()]  # theirs begin at 0


@given(st.integers(1, 300).flatmap(lambda steps: st.tuples(st.just(steps), st.integers(1, steps))))
def test_the_whole_chain_falls_from_the_last_step_and_has_as_many_as_asked_for(case):
    steps, calls = case
    chain = timesteps(steps, calls)
    assert len(chain) == calls
    assert chain[0] == steps
    assert chain[-1] >= 1
    assert all(a > b for a, b in pairwise(chain))


def test_the_end_of_the_chain_is_its_last_steps():
    assert timesteps(3, 3) == [3, 2, 1]
    assert timesteps(0, 0) == []
    assert timesteps(5, 1) == [5]
    assert timesteps(6, 2) == [6, 3]
