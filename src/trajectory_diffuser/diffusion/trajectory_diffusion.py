"""Diffusion over plans: the training loss, and the reverse chain, whole or truncated."""

import torch
from torch import Tensor, nn

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.guidance import classifier_free_guidance, guidance_conditions
from trajectory_diffuser.diffusion.reverse_chain import ReverseChain, ReverseStep, reverse_chain
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

    def add_noise(self, plan: Tensor, step: Tensor, noise: Tensor) -> Tensor:
        """Draw from q(x_t | x_0): plan [B, H, state], step [B], noise like plan."""
        signal = self.alpha_bar[step].view(-1, 1, 1)  # [B, 1, 1]
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
        condition = self.network.condition(step, return_to_go, conditional)
        predicted = self.network(noisy, condition)  # [B, H, state]
        signal = self.alpha_bar[step].view(-1, 1, 1)
        velocity = signal.sqrt() * noise - (1 - signal).sqrt() * plan
        target = noise if self.prediction == "epsilon" else velocity
        return (predicted - target)[:, 1:].square().mean()

    def chain(self, steps: list[int], sampler: str) -> ReverseChain:
        """What `denoise` does at `steps`, falling diffusion steps; sampler is `ddpm` or `ddim`."""
        return reverse_chain(self.alpha_bar, steps, self.prediction, SAMPLER_ETA[sampler])

    def predict_clean(self, plan: Tensor, step: ReverseStep, condition: Tensor, guidance: float) -> Tensor:
        """The guided estimate of x_0 from noisy plans [B, H, state], clipped to the bounds of the data."""
        predicted = classifier_free_guidance(self.network, plan, condition, guidance)
        clean = (step.clean_from_plan * plan).add_(predicted, alpha=step.clean_from_prediction)
        return clean.clamp_(self.minimum, self.maximum)

    def denoise(
        self,
        plan: Tensor,
        chain: ReverseChain,
        return_to_go: Tensor,
        guidance: float,
        temperature: float,
        generator: torch.Generator | None = None,
        candidates: int = 1,
    ) -> Tensor:
        """Take plans through the reverse chain to clean plans; an empty chain returns them as they are.

        Args:
            plan: plans at the noise level of the chain's first step [B, H, state]; the first state stays.
            chain: from `chain`.
            return_to_go: scaled returns-to-go asked for [B].
            guidance: classifier-free guidance weight.
            temperature: scale of the noise that is drawn.
            generator: source of that noise, on the plan's device.
            candidates: plans to make of each, C; they are one until noise tells them apart.

        Returns:
            Refined plans [B C, H, state], those of a plan side by side; [B, H, state] if no noise is drawn.
        """
        if not chain.steps:
            return plan
        present = plan[:, 0]  # [B, state]
        conditions = guidance_conditions(self.network, chain.diffusion_steps, return_to_go, guidance)
        for index, step in enumerate(chain.steps):
            clean = self.predict_clean(plan, step, conditions[index], guidance)
            plan = clean.mul_(step.next_from_clean).add_(plan, alpha=step.next_from_plan)
            if step.next_from_noise and temperature:
                if candidates > 1 and len(plan) == len(return_to_go):
                    plan = plan.repeat_interleave(candidates, dim=0)  # [B C, H, state]
                    present = present.repeat_interleave(candidates, dim=0)  # [B C, state]
                    # [S, B C or 2 B C, condition]
                    conditions = conditions.repeat_interleave(candidates, dim=1)
                noise = torch.randn(plan.shape, generator=generator, device=plan.device)
                plan.add_(noise, alpha=temperature * step.next_from_noise)
            plan[:, 0] = present
        return plan
