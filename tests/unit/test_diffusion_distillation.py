from functools import partial

import pytest
import torch
from small_diffusion import B, by_return, chain, some_plan

from trajectory_diffuser.diffusion.distillation import ChainDistillation

LAST, GUIDANCE = 5, 1.5
RETURNS = torch.linspace(0.5, 1.5, B)


class Recorder:
    """A student that keeps what it is asked; its answers are fixed but for the first state."""

    def __init__(self, first=0.0):
        self.first = first

    def __call__(self, plan, step, return_to_go, conditional):
        self.plan, self.step, self.return_to_go, self.conditional = plan, step, return_to_go, conditional
        predicted = torch.cos(plan)
        predicted[:, 0] = self.first
        return predicted


def loss_of(student, prediction="velocity", last_steps=LAST, plan=None):
    torch.manual_seed(0)
    distillation = ChainDistillation(chain(by_return, prediction=prediction), last_steps, GUIDANCE)
    plan = some_plan() if plan is None else plan
    returns = RETURNS.repeat(len(plan) // B)
    return float(distillation.loss(chain(student, prediction=prediction), plan, returns))


def end_of_guided_chain(plan, alpha_bar, prediction, bound=1.5):
    """DDIM through the last steps, written out (Song et al. 2021, equation 12) [B, H, state]."""
    present = plan[:, 0]
    for step in range(LAST - 1, -1, -1):
        signal = float(alpha_bar[step])
        following = float(alpha_bar[step - 1]) if step else 1.0
        steps, everyone = torch.full((B,), step), torch.ones(B, dtype=torch.bool)
        without = by_return(plan, steps, RETURNS, ~everyone)
        predicted = without + GUIDANCE * (by_return(plan, steps, RETURNS, everyone) - without)
        if prediction == "epsilon":
            clean = (plan - (1 - signal) ** 0.5 * predicted) / signal**0.5
        else:
            clean = signal**0.5 * plan - (1 - signal) ** 0.5 * predicted
        clean = clean.clamp(-bound, bound)
        noise = (plan - signal**0.5 * clean) / (1 - signal) ** 0.5
        plan = following**0.5 * clean + (1 - following) ** 0.5 * noise
        plan[:, 0] = present
    return plan


@pytest.mark.parametrize("prediction", ["epsilon", "velocity"])
def test_the_loss_is_the_squared_distance_to_the_end_of_the_guided_chain(prediction):
    student = Recorder()
    loss = loss_of(student, prediction)
    alpha_bar = chain().alpha_bar
    end = end_of_guided_chain(student.plan, alpha_bar, prediction)
    signal = float(alpha_bar[LAST - 1])
    if prediction == "epsilon":  # what a network must say for its one step to end there
        target = (student.plan - signal**0.5 * end) / (1 - signal) ** 0.5
    else:
        target = (signal**0.5 * student.plan - end) / (1 - signal) ** 0.5
    expected = (torch.cos(student.plan) - target)[:, 1:].square().mean()
    assert loss == pytest.approx(float(expected), rel=1e-3)


def test_the_student_sees_the_first_of_the_steps_the_return_and_the_present_state():
    student = Recorder()
    loss_of(student)
    assert (student.step == LAST - 1).all()
    assert student.conditional.all()
    assert torch.equal(student.return_to_go, RETURNS)
    assert torch.equal(student.plan[:, 0], some_plan()[:, 0])


def test_the_first_state_is_not_predicted():
    assert loss_of(Recorder(first=1000.0)) == loss_of(Recorder())


def test_plans_have_between_none_and_all_of_their_noise():
    student, plan = Recorder(), some_plan(batch=1000 * B)
    loss_of(student, plan=plan)
    signal = chain().alpha_bar[LAST - 1]
    noise = ((student.plan - signal.sqrt() * plan) / (1 - signal).sqrt())[:, 1:]
    # Of a share that is uniform between 0 and 1 times a standard normal number.
    assert float(noise.square().mean()) == pytest.approx(1 / 3, rel=0.05)
    deviations = noise.flatten(1).std(dim=1)
    assert float(deviations.min()) < 0.05
    assert float(deviations.mean()) == pytest.approx(0.5, abs=0.03)


def test_one_step_of_an_unguided_teacher_is_the_teacher_itself():
    torch.manual_seed(0)
    teacher = chain(by_return, bound=1e6)
    distillation = ChainDistillation(teacher, 1, 1.0)
    assert float(distillation.loss(teacher, some_plan(), RETURNS)) == pytest.approx(0, abs=1e-6)


def linear(weights, plan, step, return_to_go, conditional):
    shown = torch.where(conditional, return_to_go, 0.0)[:, None, None]
    return weights[0] * plan + weights[1] * shown


def test_a_student_learns_in_one_call_what_the_chain_does_in_five():
    # A chain of linear steps is linear in plan and return-to-go, so that the student can learn all of it.
    teacher = chain(partial(linear, torch.tensor([2.0, 3.0])), bound=1e6)
    weights = torch.nn.Parameter(torch.tensor([2.0, 3.0]))
    student = chain(partial(linear, weights), bound=1e6)
    distillation = ChainDistillation(teacher, LAST, GUIDANCE)
    start = distillation.chain.signal * some_plan(seed=1)
    start[:, 0] = some_plan(seed=1)[:, 0]
    end = teacher.denoise(start, distillation.chain, RETURNS, GUIDANCE, 0.0)

    def distance(network, guidance):
        reached = network.denoise(start, distillation.one_call, RETURNS, guidance, 0.0)
        return float((reached - end).detach().abs().max())

    before = [distance(student, 1.0), distance(teacher, GUIDANCE)]
    optimiser = torch.optim.LBFGS([weights])

    def closure():
        optimiser.zero_grad()
        torch.manual_seed(0)
        loss = distillation.loss(student, some_plan(), RETURNS)
        loss.backward()
        return loss

    for _ in range(5):
        optimiser.step(closure)
    assert min(before) > 0.02
    assert distance(student, 1.0) < 1e-3
