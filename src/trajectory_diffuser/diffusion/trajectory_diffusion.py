"""Diffusion over plans: the training loss, and the reverse process."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.schedule import alpha_bar

SAMPLER_ETA = {"ddpm": 1.0, "ddim": 0.0}


class TrajectoryDiffusion(nn.Module):
    """A denoising network with the schedule it was trained on.

    What a plan [B, P + H, state] begins with is known, P past states and the present one: they are never
    noised, never predicted, and kept at every step (inpainting; Decision Diffuser, section 3.2).

    Args:
        network: predicts noise or velocity, see `TemporalUNet`.
        normaliser: knows the bounds of the normalised data, to which predicted clean plans are clipped.
        schedule: name of the noise schedule.
        diffusion_steps: K.
        prediction: `epsilon` (the noise) or `velocity` (sqrt(alpha_bar) epsilon - sqrt(1 - alpha_bar) x_0;
            Salimans and Ho 2022, section 4), which stays well-behaved where alpha_bar is near 0.
        past_states: P, the states before the present one that a plan begins with.
    """

    def __init__(
        self,
        network: nn.Module,
        normaliser: Normaliser,
        schedule: str,
        diffusion_steps: int,
        prediction: str,
        past_states: int = 0,
    ) -> None:
        super().__init__()
        self.known = past_states + 1
        self.network = network
        self.prediction = prediction
        self.diffusion_steps = diffusion_steps
        self.register_buffer("alpha_bar", alpha_bar(schedule, diffusion_steps).float(), persistent=False)
        self.register_buffer("minimum", torch.from_numpy(normaliser.normalised_minimum), persistent=False)
        self.register_buffer("maximum", torch.from_numpy(normaliser.normalised_maximum), persistent=False)

    def add_noise(self, x_0: Tensor, t: Tensor | int, epsilon: Tensor | None) -> Tensor:
        """Draw from q(x_t | x_0) for plans [B, P + H, state] at t, [B] or one for all; what is known stays.

        Without `epsilon` [B, P + H, state] it is the distribution's mean.
        """
        alpha_bar = self.alpha_bar[t].view(-1, 1, 1)  # [B, 1, 1] or [1, 1, 1]
        x_t = alpha_bar.sqrt() * x_0
        if epsilon is not None:
            x_t = x_t + (1 - alpha_bar).sqrt() * epsilon
        return torch.cat([x_0[:, : self.known], x_t[:, self.known :]], dim=1)

    def training_loss(
        self, x_0: Tensor, return_to_go: Tensor, label_dropout: float, next_state_weight: float
    ) -> Tensor:
        """The mean squared error of the network's prediction at random steps (Ho et al. 2020, equation 14).

        Args:
            x_0: clean normalised plans [B, P + H, state].
            return_to_go: their scaled returns-to-go, from the present state on [B].
            label_dropout: probability that the network does not see the return-to-go.
            next_state_weight: weight of the state after the present one, which decides the action; the later
                states' is 1.

        Returns:
            Scalar loss over all states but the known ones.
        """
        batch = len(x_0)
        t = self.random_timesteps(batch, x_0.device)
        conditional = torch.rand(batch, device=x_0.device) >= label_dropout
        epsilon = torch.randn_like(x_0)
        predicted = self.network(self.add_noise(x_0, t, epsilon), t, return_to_go, conditional)
        alpha_bar = self.alpha_bar[t].view(-1, 1, 1)  # [B, 1, 1]
        velocity = alpha_bar.sqrt() * epsilon - (1 - alpha_bar).sqrt() * x_0
        target = epsilon if self.prediction == "epsilon" else velocity
        error = (predicted - target)[:, self.known :].square().mean(-1)  # [B, H - 1]
        return (next_state_weight * error[:, 0].sum() + error[:, 1:].sum()) / error.numel()

    def random_timesteps(self, batch: int, device: torch.device) -> Tensor:
        """The diffusion steps t [B] to train on, all as likely (Ho et al. 2020, algorithm 1)."""
        return 1 + torch.randint(self.diffusion_steps, (batch,), device=device)

    def predict_x_0(self, x_t: Tensor, t: Tensor, return_to_go: Tensor, guidance: float) -> Tensor:
        """The guided estimate of the clean plans, clipped to the bounds of the data.

        Args:
            x_t: noisy normalised plans [B, P + H, state].
            t: their diffusion step [].
            return_to_go: scaled returns-to-go asked for [B].
            guidance: classifier-free guidance weight.
        """
        predicted = self.guided_prediction(x_t, t.expand(x_t.shape[0]), return_to_go, guidance)
        alpha_bar = self.alpha_bar[t]
        if self.prediction == "epsilon":
            x_0 = (x_t - (1 - alpha_bar).sqrt() * predicted) / alpha_bar.sqrt()
        else:
            x_0 = alpha_bar.sqrt() * x_t - (1 - alpha_bar).sqrt() * predicted
        return x_0.clamp(self.minimum, self.maximum)

    def guided_prediction(self, x_t: Tensor, t: Tensor, return_to_go: Tensor, guidance: float) -> Tensor:
        """Classifier-free guidance (Ho and Salimans 2022; Decision Diffuser, equation 8) at t [B].

        Unconditional + guidance * (conditional - unconditional) [B, P + H, state], in one call of the
        network; 0 and 1 need one of the two branches only, and cost one.
        """
        conditional = torch.ones_like(return_to_go, dtype=torch.bool)  # [B]
        if guidance in (0, 1):
            return self.network(x_t, t, return_to_go, conditional if guidance == 1 else ~conditional)
        both = self.network(
            torch.cat([x_t, x_t]),
            torch.cat([t, t]),
            torch.cat([return_to_go, return_to_go]),
            torch.cat([conditional, ~conditional]),
        )  # [2 B, P + H, state]
        with_return, without_return = both.chunk(2)  # each [B, P + H, state]
        return without_return + guidance * (with_return - without_return)

    def denoise(
        self,
        x_t: Tensor,
        timesteps: Tensor,
        return_to_go: Tensor,
        noise: Tensor,
        guidance: float,
        eta: float,
    ) -> Tensor:
        """Steps of the reverse process, from each of the timesteps to the next.

        Args:
            x_t: plans at the noise level of the first timestep [B, P + H, state]; what is known stays.
            timesteps: falling values of t [S + 1], 0 being the clean plan.
            return_to_go: scaled returns-to-go asked for [B].
            noise: to draw with at each step, scaled by the temperature [B, S, P + H, state].
            guidance: classifier-free guidance weight.
            eta: 0 is DDIM; 1, between neighbouring timesteps, is ancestral DDPM sampling.

        Returns:
            Plans at the noise level of the last timestep [B, P + H, state].
        """
        for step, (t, t_next) in enumerate(pairwise(timesteps.unbind())):
            x_0 = self.predict_x_0(x_t, t, return_to_go, guidance)
            x_next = self.reverse_step(x_t, x_0, t, t_next, noise[:, step], eta)
            x_t = torch.cat([x_t[:, : self.known], x_next[:, self.known :]], dim=1)
        return x_t

    def reverse_step(
        self, x_t: Tensor, x_0: Tensor, t: Tensor, t_next: Tensor, noise: Tensor, eta: float
    ) -> Tensor:
        """From x_t to x_{t_next}, given an estimate of x_0 (Song et al. 2021, equations 12 and 16)."""
        alpha_bar, alpha_bar_next = self.alpha_bar[t], self.alpha_bar[t_next]
        # Not the network's: the noise that belongs to the clipped x_0.
        epsilon = (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()
        variance = (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)
        sigma = eta * variance.sqrt()
        direction = (1 - alpha_bar_next - sigma.square()).clamp(min=0).sqrt()
        return alpha_bar_next.sqrt() * x_0 + direction * epsilon + sigma * noise
