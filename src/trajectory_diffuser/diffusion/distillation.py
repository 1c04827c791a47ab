"""Distillation: a student learns to do in one call what the end of a guided chain does in several."""

import torch
from torch import Tensor

from trajectory_diffuser.diffusion.guidance import guidance_conditions
from trajectory_diffuser.diffusion.schedule import end_of_chain
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion


class ChainDistillation:
    """The loss of a student that predicts where a teacher's chain ends (Luhman and Luhman 2021, section 3).

    There the chain starts from noise; here it is the truncated one, from plans at the noise level of its
    first step. It is deterministic, so that there is one answer to learn, and guided, so that the student,
    which sees the return-to-go, needs one branch and no guidance (Meng et al. 2023, section 3.1).

    Args:
        teacher: trained denoiser, which stays as it is.
        last_steps: diffusion steps that become one.
        guidance: classifier-free guidance weight of the teacher's chain.
    """

    def __init__(self, teacher: TrajectoryDiffusion, last_steps: int, guidance: float) -> None:
        self.teacher = teacher
        self.guidance = guidance
        self.chain = teacher.chain(end_of_chain(last_steps, last_steps), "ddim")
        self.one_call = teacher.chain(end_of_chain(last_steps, 1), "ddim")

    def loss(self, student: TrajectoryDiffusion, plan: Tensor, return_to_go: Tensor) -> Tensor:
        """Mean squared difference between the ends of both chains, in units of the network's prediction.

        Args:
            student: a denoiser with the teacher's schedule and prediction.
            plan: clean normalised plans [B, H, state].
            return_to_go: their scaled returns-to-go [B].

        Returns:
            Scalar loss over all states but the first.
        """
        # A draft enters the chain with some of the noise that belongs there, or none: all shares are learnt.
        share = torch.rand(len(plan), 1, 1, device=plan.device)
        noisy = self.chain.signal * plan + self.chain.noise * share * torch.randn_like(plan)  # [B, H, state]
        noisy[:, 0] = plan[:, 0]
        # In full precision also where the student is not: the target is a small difference of large numbers.
        with torch.no_grad(), torch.autocast(plan.device.type, enabled=False):
            end = self.teacher.denoise(noisy, self.chain, return_to_go, self.guidance, temperature=0.0)
        (step,) = self.one_call.steps
        (condition,) = guidance_conditions(student.network, self.one_call.diffusion_steps, return_to_go, 1.0)
        predicted = student.network(noisy, condition)  # [B, H, state]
        target = (end - step.clean_from_plan * noisy) / step.clean_from_prediction
        return (predicted - target)[:, 1:].square().mean()
