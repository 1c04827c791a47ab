"""A chain with a network that is wrong on purpose, and steps of it, for the tests of the diffusion."""

import torch
from small_models import make_diffusion

from trajectory_diffuser.diffusion.trajectory_diffusion import SAMPLER_ETA

B, H, STATE, K = 3, 6, 2, 100
RETURNS = torch.ones(B)


def some_plan(seed=0, batch=B):
    return torch.randn(batch, H, STATE, generator=torch.Generator().manual_seed(seed))


def wrong_on_purpose(x_t, t, return_to_go, conditional):
    """A fixed function with outputs far enough off that clipping matters."""
    return torch.sin(3 * x_t) + 0.5 * x_t.roll(1, dims=1) + 0.01 * t[:, None, None]


def chain(network=wrong_on_purpose, **options):
    return make_diffusion(network, **({"steps": K, "state_size": STATE, "bound": 1.5} | options))


def one_step(diffusion, plan, t, t_next, eta, noise, guidance=1.0):
    """The estimate of the clean plan and the next plan [B, H, state]; noise None is none."""
    clean = diffusion.predict_x_0(plan, torch.tensor(t), RETURNS, guidance)
    noise = torch.zeros_like(plan) if noise is None else noise
    return clean, diffusion.denoise(plan, torch.tensor([t, t_next]), RETURNS, noise[:, None], guidance, eta)


def denoise(diffusion, plan, timesteps, guidance, sampler, temperature, generator=None):
    """All steps of a chain, with noise from a generator."""
    noise = plan.new_zeros(len(plan), len(timesteps), *plan.shape[1:])
    for step in range(len(timesteps)):
        noise[:, step] = temperature * torch.randn(plan.shape, generator=generator)
    returns, eta = torch.ones(len(plan)), SAMPLER_ETA[sampler]
    return diffusion.denoise(plan, torch.tensor([*timesteps, 0]), returns, noise, guidance, eta)
