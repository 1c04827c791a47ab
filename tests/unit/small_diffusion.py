"""A chain with a network that is wrong on purpose, and one step of it, for the tests of the diffusion."""

import torch
from small_models import make_diffusion

from trajectory_diffuser.diffusion.guidance import guidance_conditions
from trajectory_diffuser.diffusion.reverse_chain import reverse_chain

B, H, STATE, K = 3, 6, 2, 100
RETURNS = torch.ones(B)


def some_plan(seed=0, batch=B):
    return torch.randn(batch, H, STATE, generator=torch.Generator().manual_seed(seed))


def wrong_on_purpose(plan, step, return_to_go, conditional):
    """A fixed function with outputs far enough off that clipping matters."""
    return torch.sin(3 * plan) + 0.5 * plan.roll(1, dims=1) + 0.01 * step[:, None, None]


def by_return(plan, step, return_to_go, conditional):
    """`wrong_on_purpose`, and further off where the return-to-go is shown."""
    shown = torch.where(conditional, return_to_go, 0.0)[:, None, None]
    return wrong_on_purpose(plan, step, return_to_go, conditional) * (1 + 0.5 * shown) + 0.1 * shown


def chain(network=wrong_on_purpose, **options):
    return make_diffusion(network, **({"steps": K, "state_size": STATE, "bound": 1.5} | options))


def one_step(diffusion, plan, step, next_step, eta, noise, guidance=1.0):
    """The estimate of the clean plan and the next plan, by the numbers of `reverse_chain` [B, H, state]."""
    steps = [step] if next_step < 0 else [step, next_step]
    chain = reverse_chain(diffusion.alpha_bar, steps, diffusion.prediction, eta)
    condition = guidance_conditions(diffusion.network, torch.tensor([step]), RETURNS, guidance)[0]
    numbers = chain.steps[0]
    clean = diffusion.predict_clean(plan, numbers, condition, guidance)
    following = numbers.next_from_clean * clean + numbers.next_from_plan * plan
    return clean, following + numbers.next_from_noise * noise
