from itertools import pairwise

import pytest
import torch
from small_diffusion import STATE, B, H, K, chain, denoise, one_step, some_plan, wrong_on_purpose

from trajectory_diffuser.diffusion.schedule import timesteps


def test_noise_is_added_in_closed_form():
    diffusion, plan, noise = chain(), some_plan(), some_plan(1)
    t = torch.tensor([1, 40, K])
    noisy = diffusion.add_noise(plan, t, noise)
    for index in range(B):
        signal = float(diffusion.alpha_bar[t[index]])
        expected = signal**0.5 * plan[index] + (1 - signal) ** 0.5 * noise[index]
        torch.testing.assert_close(noisy[index, 1:], expected[1:])
        # One step for all plans is the same for each of them.
        assert torch.equal(diffusion.add_noise(plan, t[index], noise)[index], noisy[index])
    assert torch.equal(noisy[:, 0], plan[:, 0])


def gaussian(mean, std, prediction, diffusion_alpha_bar):
    """The optimal denoiser of independent normal data, E[x_0 | x_t] in closed form."""

    def network(plan, step, return_to_go, conditional):
        signal = diffusion_alpha_bar[step][:, None, None]
        gain = std**2 * signal.sqrt() / (signal * std**2 + 1 - signal)
        clean = mean + gain * (plan - signal.sqrt() * mean)
        epsilon = (plan - signal.sqrt() * clean) / (1 - signal).sqrt()
        velocity = signal.sqrt() * epsilon - (1 - signal).sqrt() * clean
        return epsilon if prediction == "epsilon" else velocity

    return network


def deviation_after(std, signals, sampler):
    """Of sampling with the denoiser above: a step scales the distance to sqrt(signal) mean and adds noise."""
    variance = 1.0
    for now, then in pairwise(signals):
        gain = std**2 * now**0.5 / (now * std**2 + 1 - now)
        sigma2 = (1 - then) / (1 - now) * (1 - now / then) if sampler == "ddpm" else 0.0
        towards = (1 - then - sigma2) ** 0.5 * (1 - now**0.5 * gain) / (1 - now) ** 0.5
        variance = (then**0.5 * gain + towards) ** 2 * variance + sigma2
    return variance**0.5


@pytest.mark.parametrize(
    ("prediction", "schedule", "sampler", "calls"),
    [
        ("velocity", "cosine", "ddpm", K),
        ("epsilon", "linear", "ddpm", K),
        ("velocity", "cosine", "ddim", K),
        ("epsilon", "linear", "ddim", 50),
        ("velocity", "cosine", "ddim", 5),
    ],
)
def test_normal_data_come_back_with_their_mean_and_deviation(prediction, schedule, sampler, calls):
    mean, std, batch = 0.7, 0.5, 1500
    options = {"prediction": prediction, "schedule": schedule, "bound": 1e6}
    signal = chain(**options).alpha_bar
    diffusion = chain(gaussian(mean, std, prediction, signal), **options)
    generator, steps = torch.Generator().manual_seed(0), timesteps(K, calls)
    noise = torch.randn(batch, H, STATE, generator=generator)
    plans = denoise(diffusion, noise, steps, 1.0, sampler, 1.0, generator)[:, 1:]
    assert float(plans.mean()) == pytest.approx(mean, abs=0.02)
    expected = deviation_after(std, [*signal[steps].tolist(), 1.0], sampler)
    assert float(plans.std()) == pytest.approx(expected, rel=0.02)
    if calls >= 50:  # a chain of finitely many steps shrinks the data a little, a short one much
        assert expected == pytest.approx(std, rel=0.07)


@pytest.mark.parametrize("prediction", ["epsilon", "velocity"])
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize("steps", [timesteps(K, K), timesteps(K, 3), timesteps(4, 4)])
def test_a_single_true_plan_is_found_from_anywhere(prediction, sampler, steps):
    truth = some_plan(5)[:1]
    diffusion = chain(prediction=prediction, bound=10)
    diffusion = chain(gaussian(truth, 0.0, prediction, diffusion.alpha_bar), prediction=prediction, bound=10)
    plan = denoise(diffusion, some_plan(), steps, 1.0, sampler, 1.0)
    torch.testing.assert_close(plan[:, 1:], truth[:, 1:].expand(B, -1, -1), atol=1e-3, rtol=0)


def test_no_steps_return_the_plan_as_it_is():
    plan = some_plan()
    assert torch.equal(denoise(chain(), plan, [], 1.2, "ddpm", 1.0), plan)


@pytest.mark.parametrize("cut", [1, 4])
def test_a_chain_in_pieces_is_the_whole_chain(cut):
    diffusion, timesteps_ = chain(), torch.tensor([9, 7, 5, 3, 1, 0])
    noise = torch.randn(B, 5, H, STATE, generator=torch.Generator().manual_seed(0))
    returns = torch.linspace(0, 1, B)

    def part(plan, steps):
        following = timesteps_[steps.start : steps.stop + 1]
        return diffusion.denoise(plan, following, returns, noise[:, steps], 1.5, 1.0)

    whole = part(some_plan(), slice(0, 5))
    assert torch.equal(part(part(some_plan(), slice(0, cut)), slice(cut, 5)), whole)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_the_network_sees_the_present_state_at_every_step_and_the_plan_keeps_it(sampler, guidance):
    seen = []

    def network(plan, step, return_to_go, conditional):
        seen.append((int(step[0]), plan[:, 0].clone()))
        return 10 * torch.ones_like(plan)

    start = some_plan()
    plan = denoise(chain(network), start.clone(), [30, 20, 10], guidance, sampler, 1.0)
    assert [step for step, _ in seen] == [30, 20, 10]
    for _, present in seen:
        assert torch.equal(present, start[:, 0].repeat(len(present) // B, 1))
    assert torch.equal(plan[:, 0], start[:, 0])
    assert not torch.equal(plan[:, 1:], start[:, 1:])


def test_the_plan_that_was_passed_in_is_left_alone():
    start = some_plan()
    denoise(chain(), start, [4, 3, 2, 1], 1.0, "ddpm", 1.0)
    assert torch.equal(start, some_plan())


def refine(sampler, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    return denoise(chain(), some_plan(), timesteps(10, 10), 1.0, sampler, temperature, generator)


def test_ddim_draws_nothing_and_ddpm_without_temperature_neither():
    assert torch.equal(refine("ddim", 1.0, 1), refine("ddim", 1.0, 2))
    assert torch.equal(refine("ddpm", 0.0, 1), refine("ddpm", 0.0, 2))
    assert not torch.equal(refine("ddpm", 1.0, 1), refine("ddpm", 1.0, 2))
    assert torch.equal(refine("ddpm", 1.0, 1), refine("ddpm", 1.0, 1))


def test_the_last_step_adds_no_noise():
    diffusion, plan = chain(), some_plan()
    clean, last = one_step(diffusion, plan, 1, 0, 1.0, some_plan(1))
    torch.testing.assert_close(last[:, 1:], clean[:, 1:])


class Recorder:
    """Keeps what the training loss asks; its answers are fixed but for the states that are known."""

    def __init__(self, first=0.0, known=1):
        self.first, self.known = first, known

    def __call__(self, plan, step, return_to_go, conditional):
        self.plan, self.step, self.conditional = plan.clone(), step, conditional
        predicted = wrong_on_purpose(plan, step, return_to_go, conditional)
        predicted[:, : self.known] = self.first
        return predicted


def loss_of(recorder, prediction, batch=B, label_dropout=0.25, next_state_weight=1.0):
    torch.manual_seed(0)
    diffusion = chain(recorder, prediction=prediction, past_states=recorder.known - 1)
    loss = diffusion.training_loss(
        some_plan(batch=batch), torch.ones(batch), label_dropout, next_state_weight
    )
    return diffusion, float(loss)


@pytest.mark.parametrize("known", [1, 3])
@pytest.mark.parametrize("next_state_weight", [1.0, 10.0])
@pytest.mark.parametrize("prediction", ["epsilon", "velocity"])
def test_the_training_loss_is_the_weighted_squared_error_over_all_states_that_are_not_known(
    prediction, next_state_weight, known
):
    recorder = Recorder(known=known)
    diffusion, loss = loss_of(recorder, prediction, next_state_weight=next_state_weight)
    plan, errors = some_plan(), []
    for row in range(B):
        signal = float(diffusion.alpha_bar[recorder.step[row]])
        answer = wrong_on_purpose(recorder.plan[row : row + 1], recorder.step[row : row + 1], None, None)[0]
        for time in range(known, H):
            for number in range(STATE):
                clean, noisy = float(plan[row, time, number]), float(recorder.plan[row, time, number])
                noise = (noisy - signal**0.5 * clean) / (1 - signal) ** 0.5
                target = (
                    noise if prediction == "epsilon" else signal**0.5 * noise - (1 - signal) ** 0.5 * clean
                )
                weight = next_state_weight if time == known else 1.0
                errors.append(weight * (float(answer[time, number]) - target) ** 2)
    assert loss == pytest.approx(sum(errors) / len(errors), rel=1e-3)


@pytest.mark.parametrize("known", [1, 3])
@pytest.mark.parametrize("prediction", ["epsilon", "velocity"])
def test_what_is_known_is_neither_noised_nor_predicted(prediction, known):
    recorder = Recorder(known=known)
    _, loss = loss_of(recorder, prediction)
    assert torch.equal(recorder.plan[:, :known], some_plan()[:, :known])
    assert not torch.isclose(recorder.plan[:, known:], some_plan()[:, known:]).any()
    assert loss_of(Recorder(1000.0, known), prediction)[1] == loss


def test_training_draws_every_step_and_standard_normal_noise():
    recorder = Recorder()
    diffusion, _ = loss_of(recorder, "epsilon", batch=5000)
    counts = torch.bincount(recorder.step)
    assert len(counts) == K + 1
    assert counts[0] == 0
    assert counts[1:].min() > 20
    signal = diffusion.alpha_bar[recorder.step].view(-1, 1, 1)
    noise = ((recorder.plan - signal.sqrt() * some_plan(batch=5000)) / (1 - signal).sqrt())[:, 1:]
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("label_dropout", [0.0, 0.25, 1.0])
def test_the_return_is_hidden_as_often_as_asked_for(label_dropout):
    recorder = Recorder()
    loss_of(recorder, "epsilon", batch=5000, label_dropout=label_dropout)
    assert 1 - float(recorder.conditional.float().mean()) == pytest.approx(label_dropout, abs=0.02)


def test_what_is_saved_is_the_network_alone():
    diffusion = chain(torch.nn.Linear(STATE, STATE))
    assert set(diffusion.state_dict()) == {"network.weight", "network.bias"}
