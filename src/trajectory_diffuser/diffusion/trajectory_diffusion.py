"""Diffusion over plans: the training loss, and the reverse chain, whole or truncated."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.guidance import classifier_free_guidance
from trajectory_diffuser.diffusion.schedule import alpha_bar

SAMPLER_ETA = {"ddpm": 1.0, "ddim": 0.0}


class TrajectoryDiffusion(nn.Module):
    """A denoising network with the schedule it was trained on.

    The first state of a plan is the present one: it is never noised, never predicted, and set again after
    every step (inpainting; Decision Diffuser, section 3.2).

    Args:
        network: predicts noise or velocity, see `TemporalUNet`.
        normaliser: knows the bounds of the normalised data, to which predicted clean plans are clipped.
        schedule: name of the noise schedule.
        diffusion_steps: K.
        prediction: `epsilon` (the noise) or `velocity` (sqrt(alpha_bar) epsilon - sqrt(1 - alpha_bar) x_0;
            Salimans and Ho 2022, section 4), which stays well-behaved where alpha_bar is near 0.
    """

    def __init__(
        self,
        network: nn.Module,
        normaliser: Normaliser,
        schedule: str,
        diffusion_steps: int,
        prediction: str,
    ) -> None:
        super().__init__()
        self.network = network
        self.prediction = prediction
        self.diffusion_steps = diffusion_steps
        self.register_buffer("alpha_bar", alpha_bar(schedule, diffusion_steps).float(), persistent=False)
        self.register_buffer("minimum", torch.from_numpy(normaliser.normalised_minimum), persistent=False)
        self.register_buffer("maximum", torch.from_numpy(normaliser.normalised_maximum), persistent=False)

    def add_noise(self, plan: Tensor, step: Tensor | int, noise: Tensor | float) -> Tensor:
        """Draw from q(x_t | x_0): plan [B, H, state], step [B] or one, noise like plan (0 for the mean)."""
        signal = self.alpha_bar[step].view(-1, 1, 1)  # [B or 1, 1, 1]
        return signal.sqrt() * plan + (1 - signal).sqrt() * noise

    def training_loss(self, plan: Tensor, return_to_go: Tensor, label_dropout: float) -> Tensor:
        """The mean squared error of the network's prediction at random steps (Ho et al. 2020, equation 14).

        Args:
            plan: clean normalised plans [B, H, state].
            return_to_go: their scaled returns-to-go [B].
            label_dropout: probability that the network does not see the return-to-go.

        Returns:
            Scalar loss over all states but the first.
        """
        batch = plan.shape[0]
        step = torch.randint(self.diffusion_steps, (batch,), device=plan.device)
        conditional = torch.rand(batch, device=plan.device) >= label_dropout
        noise = torch.randn_like(plan)
        noisy = self.add_noise(plan, step, noise)
        noisy[:, 0] = plan[:, 0]
        predicted = self.network(noisy, step, return_to_go, conditional)  # [B, H, state]
        signal = self.alpha_bar[step].view(-1, 1, 1)
        velocity = signal.sqrt() * noise - (1 - signal).sqrt() * plan
        target = noise if self.prediction == "epsilon" else velocity
        return (predicted - target)[:, 1:].square().mean()

    def predict_clean(self, plan: Tensor, step: int, return_to_go: Tensor, weight: float) -> Tensor:
        """The guided estimate of x_0 from noisy plans [B, H, state], clipped to the bounds of the data."""
        predicted = classifier_free_guidance(self.network, plan, step, return_to_go, weight)
        signal = self.alpha_bar[step]
        if self.prediction == "epsilon":
            clean = (plan - (1 - signal).sqrt() * predicted) / signal.sqrt()
        else:
            clean = signal.sqrt() * plan - (1 - signal).sqrt() * predicted
        return clean.clamp(self.minimum, self.maximum)

    def reverse_step(
        self, plan: Tensor, clean: Tensor, step: int, next_step: int, eta: float, noise: Tensor
    ) -> Tensor:
        """One step of the reverse chain (Song et al. 2021, equations 12 and 16).

        Args:
            plan: x_t [B, H, state].
            clean: estimate of x_0 [B, H, state].
            step: t.
            next_step: the step to go to; -1 for the clean plan.
            eta: 0 is DDIM; 1, between neighbouring steps, is ancestral DDPM sampling.
            noise: standard normal (or scaled by a temperature), like plan.

        Returns:
            x at `next_step` [B, H, state].
        """
        signal = self.alpha_bar[step]
        next_signal = self.alpha_bar[next_step] if next_step >= 0 else torch.ones_like(signal)
        # The noise that is in x_t according to the clipped estimate, not according to the network.
        epsilon = (plan - signal.sqrt() * clean) / (1 - signal).sqrt()
        sigma = eta * ((1 - next_signal) / (1 - signal) * (1 - signal / next_signal)).sqrt()
        direction = (1 - next_signal - sigma.square()).clamp(min=0).sqrt()
        return next_signal.sqrt() * clean + direction * epsilon + sigma * noise

    def denoise(
        self,
        plan: Tensor,
        steps: list[int],
        return_to_go: Tensor,
        guidance: float,
        sampler: str,
        temperature: float,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Take plans through `steps` of the reverse chain to clean plans; no steps return them as they are.

        Args:
            plan: plans at the noise level of `steps[0]` [B, H, state]; the first state (now) stays.
            steps: falling diffusion steps at which the network is called.
            return_to_go: scaled returns-to-go asked for [B].
            guidance: classifier-free guidance weight.
            sampler: `ddpm` or `ddim`.
            temperature: scale of the noise that is drawn.
            generator: source of that noise, on the plan's device.

        Returns:
            Refined plans [B, H, state].
        """
        present = plan[:, 0]  # [B, state]
        for step, next_step in pairwise([*steps, -1]):
            clean = self.predict_clean(plan, step, return_to_go, guidance)
            noise = temperature * torch.randn(plan.shape, generator=generator, device=plan.device)
            plan = self.reverse_step(plan, clean, step, next_step, SAMPLER_ETA[sampler], noise)
            plan[:, 0] = present
        return plan
