"""A step of the reverse process against diffusers' schedulers, whose steps are counted from 0."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from small_diffusion import RETURNS, B, K, chain, one_step, some_plan, wrong_on_purpose

from trajectory_diffuser.diffusion.schedule import timesteps


def diffusers_options(prediction):
    return {
        "num_train_timesteps": K,
        "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "v_prediction" if prediction == "velocity" else "epsilon",
        "timestep_spacing": "trailing",
        "clip_sample": True,
        "clip_sample_range": 1.5,
    }


@pytest.mark.parametrize("prediction", ["epsilon", "velocity"])
def test_ddpm_steps_are_those_of_diffusers_with_the_same_noise(prediction):
    scheduler = DDPMScheduler(variance_type="fixed_small", **diffusers_options(prediction))
    diffusion, plan = chain(prediction=prediction), some_plan()
    for t in timesteps(K, K):
        noise = torch.randn(plan.shape, generator=torch.Generator().manual_seed(t))
        clean, ours = one_step(diffusion, plan, t, t - 1, 1.0, noise)
        output = wrong_on_purpose(plan, torch.full((B,), t), RETURNS, None)
        theirs = scheduler.step(output, t - 1, plan, generator=torch.Generator().manual_seed(t))
        torch.testing.assert_close(clean, theirs.pred_original_sample, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours[:, 1:], theirs.prev_sample[:, 1:], rtol=1e-4, atol=1e-4)
        assert torch.equal(ours[:, 0], some_plan()[:, 0])
        plan = ours


@pytest.mark.parametrize("prediction", ["epsilon", "velocity"])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("calls", [5, 20, 100])
def test_strided_steps_are_those_of_diffusers_with_the_same_noise(prediction, eta, calls):
    scheduler = DDIMScheduler(set_alpha_to_one=True, **diffusers_options(prediction))
    scheduler.set_timesteps(calls)
    diffusion, plan, steps = chain(prediction=prediction), some_plan(), timesteps(K, calls)
    for t, t_next in zip(steps, [*steps[1:], 0], strict=True):
        noise = some_plan(t)
        _, ours = one_step(diffusion, plan, t, t_next, eta, noise)
        output = wrong_on_purpose(plan, torch.full((B,), t), RETURNS, None)
        theirs = scheduler.step(
            output, t - 1, plan, eta=eta, use_clipped_model_output=True, variance_noise=noise
        )
        torch.testing.assert_close(ours[:, 1:], theirs.prev_sample[:, 1:], rtol=1e-4, atol=1e-4)
        plan = ours


def test_clipping_was_at_work_in_these_comparisons():
    clean, _ = one_step(chain(), some_plan(), K, K - 1, 1.0, None)
    assert (clean.abs() == 1.5).any()


def test_each_dimension_is_clipped_to_its_own_bounds():
    diffusion = chain(lambda x_t, *_: 1e4 * torch.sign(x_t))
    diffusion.minimum, diffusion.maximum = torch.tensor([-1.0, -2.0]), torch.tensor([3.0, 4.0])
    clean, _ = one_step(diffusion, some_plan(), 51, 50, 1.0, None)
    assert sorted(set(clean[..., 0].flatten().tolist())) == [-1.0, 3.0]
    assert sorted(set(clean[..., 1].flatten().tolist())) == [-2.0, 4.0]
