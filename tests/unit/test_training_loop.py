"""The training loop: its steps, averages, curves, warnings."""

import math

import pytest
import torch
from small_training import (
    IDENTITY,
    SEED,
    SETTINGS,
    Killed,
    kept,
    killed_at,
    make_model,
    noisy_loss,
    run,
    weights,
)
from torch import nn

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.training import loop
from trajectory_diffuser.training.checkpoint import Checkpoint
from trajectory_diffuser.training.flat_weights import flatten_weights
from trajectory_diffuser.training.loop import batch_seed, learning_rate_factor
from trajectory_diffuser.training.result import TrainingResult


@pytest.mark.parametrize("step", [3, 6, 12])
def test_kept_weights_are_the_averages_with_which_a_training_that_ends_there_is_left(tmp_path, step):
    whole = run(tmp_path / "whole")
    assert [(fraction, done) for fraction, done, _ in kept(whole)] == [(0.125, 3), (0.25, 6), (0.5, 12)]
    with pytest.raises(Killed):
        run(tmp_path / "stopped", loss=killed_at(step), checkpoint_every=step, keep_at=[])
    stopped, model = TrainingResult(make_model()), make_model()
    flat = flatten_weights(model, gradients=True)
    assert Checkpoint(tmp_path / "stopped", IDENTITY).load(stopped, model, torch.optim.AdamW([flat])) == step
    (there,) = [content for _, done, content in kept(whole) if done == step]
    assert there == weights(stopped)
    assert there != weights(whole)


def test_keeping_weights_changes_nothing_in_training(tmp_path):
    without = run(tmp_path / "without", keep_at=[])
    assert without.kept == []
    assert weights(without) == weights(run(tmp_path / "with"))


def test_the_seconds_of_a_resumed_training_are_those_of_all_its_parts(tmp_path, monkeypatch):
    ticks = iter(range(10_000))
    monkeypatch.setattr(loop.time, "perf_counter", lambda: next(ticks))
    with pytest.raises(Killed):
        run(tmp_path, loss=killed_at(8))
    before = TrainingResult(make_model())
    model = make_model()
    optimiser = torch.optim.AdamW([flatten_weights(model, gradients=True)])
    assert Checkpoint(tmp_path, IDENTITY).load(before, model, optimiser) == 7
    after = run(tmp_path)
    assert before.seconds > 0
    assert [each.seconds for each in after.kept][:2] == [each.seconds for each in before.kept]
    assert before.seconds < after.kept[2].seconds < after.seconds < before.seconds + 8


def test_the_outcome_depends_on_the_seed_and_on_nothing_before(tmp_path):
    first = run(tmp_path / "a")
    torch.rand(100)
    assert weights(run(tmp_path / "b")) == weights(first)
    assert weights(run(tmp_path / "c", seed=SEED + 1)) != weights(first)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("checkpoint_every", [1, 100])
def test_a_loss_that_is_no_number_stops_with_step_batch_seed_and_hint(tmp_path, bad, checkpoint_every):
    def loss(model, split):
        value = noisy_loss(model, split)
        return value * bad if torch.initial_seed() == batch_seed(SEED, 9) else value

    with pytest.raises(UserError) as caught:
        run(tmp_path, loss=loss, steps=400, checkpoint_every=checkpoint_every)
    message = str(caught.value)
    assert "at step 9 " in message
    assert f"batch seed {batch_seed(SEED, 9)}" in message
    assert "try a lower learning_rate" in message
    assert "\n" not in message


def test_a_gradient_that_is_no_number_stops_too(tmp_path):
    def loss(model, split):
        value = noisy_loss(model, split)
        if torch.initial_seed() == batch_seed(SEED, 4):
            zero = 0 * model[0].weight.sum()
            value = value + zero.sqrt()  # 0, with an infinite slope
        return value

    with pytest.raises(UserError, match="at step 4 "):
        run(tmp_path, loss=loss)


def test_bad_weights_are_never_saved(tmp_path):
    def loss(model, split):
        return noisy_loss(model, split) * (math.nan if torch.initial_seed() == batch_seed(SEED, 13) else 1)

    with pytest.raises(UserError):
        run(tmp_path, loss=loss, steps=400)
    resumed = run(tmp_path, steps=400)  # from step 7
    assert all(parameter.isfinite().all() for parameter in resumed.model.parameters())


def test_warm_up_is_linear_and_decay_a_cosine_to_zero():
    assert [learning_rate_factor(step, 110, 10) for step in range(10)] == pytest.approx(
        [(n + 1) / 10 for n in range(10)]
    )
    for step, expected in ((10, 1.0), (60, 0.5), (110, 0.0), (35, 0.5 + 0.5 * math.cos(math.pi / 4))):
        assert learning_rate_factor(step, 110, 10) == pytest.approx(expected)
    assert learning_rate_factor(0, 5, 0) == 1.0


def test_the_curves_have_the_learning_rate_that_was_used(tmp_path):
    for row in run(tmp_path, weight_decay=0.0).curves:
        expected = SETTINGS["learning_rate"] * learning_rate_factor(row["step"] - 1, 23, 3)
        assert row["learning_rate"] == pytest.approx(expected)


def test_steps_are_adamw_steps_some_of_them_clipped(tmp_path):
    steps, largest = 6, 4.5
    model = make_model().train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.01)
    losses, norms = [], []
    for step in range(steps):
        torch.manual_seed(batch_seed(SEED, step))
        optimiser.param_groups[0]["lr"] = 0.05 * learning_rate_factor(step, steps, 1)
        optimiser.zero_grad()
        loss = noisy_loss(model, "train")
        loss.backward()
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), largest)))
        losses.append(loss.item())
        optimiser.step()
    assert min(norms) < largest < max(norms)  # after the first step Adam does see the gradient's scale
    result = run(tmp_path, steps=steps, warmup_steps=1, gradient_clip=largest, ema_decay=0.0)
    for ours, theirs in zip(result.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert [row["train_loss"] for row in result.curves] == pytest.approx(losses)
    assert [row["gradient_norm"] for row in result.curves] == pytest.approx(norms)


def test_the_result_is_the_moving_average_of_the_weights(tmp_path):
    history = []

    def remember(model, split):
        if split == "train":
            history.append(model[0].weight.detach().clone())  # as it is before this step
        return noisy_loss(model, split)

    result = run(tmp_path, loss=remember)
    decay, unmoved = SETTINGS["ema_decay"], run(tmp_path / "raw", ema_decay=0.0)
    history = [*history[1:], unmoved.model[0].weight.detach()]
    average = history[0]
    for weight in history[1:]:
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(result.model[0].weight, average)


def test_a_part_of_the_model_that_the_loss_does_not_reach_only_decays(tmp_path):
    def loss(model, split):
        return model[0](torch.randn(8, 4)).square().mean()

    kept = run(tmp_path / "kept", loss=loss, weight_decay=0.0).model
    assert torch.equal(kept[3].weight, make_model()[3].weight)
    assert not torch.equal(kept[0].weight, make_model()[0].weight)
    decayed = run(tmp_path / "decayed", loss=loss, steps=1, warmup_steps=1, weight_decay=0.01).model
    factor = 1 - SETTINGS["learning_rate"] * 0.01
    torch.testing.assert_close(decayed[3].weight, factor * make_model()[3].weight)


def test_validation_is_measured_when_due_on_the_same_batches_and_without_dropout(tmp_path):
    drawn = []

    def loss(model, split):
        if split == "validation":
            drawn.append((torch.initial_seed(), model.training))
        return noisy_loss(model, split)

    curves = run(tmp_path, loss=loss, validate_every=60, steps=150).curves
    assert [row["step"] for row in curves if row["validation_loss"] is not None] == [60, 120, 150]
    assert drawn[:3] * 3 == drawn  # a twentieth of the sixty
    assert len({seed for seed, _ in drawn[:3]}) == 3
    assert not any(training for _, training in drawn)


def test_measuring_validation_changes_nothing_in_training(tmp_path):
    assert weights(run(tmp_path / "a")) == weights(run(tmp_path / "b", validate_every=1))
    without = run(tmp_path / "c", validate=False)
    assert weights(without) == weights(run(tmp_path / "a"))
    assert all(row["validation_loss"] is None for row in without.curves)


def curves(*validation_losses):
    return [{"step": 10 * (n + 1), "validation_loss": value} for n, value in enumerate(validation_losses)]


def test_overfitting_is_said_in_one_sentence_with_its_steps():
    warning = TrainingResult(nn.Identity(), curves(3.0, 1.0, None, 1.2)).overfitting_warning()
    assert "rose from 1 at step 20 to 1.2 at step 40" in warning
    assert "fewer steps, more data or more dropout" in warning


@pytest.mark.parametrize("values", [(), (1.0,), (None, None), (3.0, 2.0, 1.0), (2.0, 1.0, 1.09)])
def test_no_warning_without_overfitting(values):
    assert TrainingResult(nn.Identity(), curves(*values)).overfitting_warning() is None


def test_too_few_steps_are_said_in_one_sentence_with_its_steps():
    warning = TrainingResult(nn.Identity(), curves(3.0, 1.0, None, 0.8)).undertraining_warning()
    assert "fell by 20% over the second half of the steps, from 1 at step 20 to 0.8 at step 40" in warning
    assert "more steps" in warning


@pytest.mark.parametrize(
    "values",
    [
        (),
        (1.0,),
        (None, None),
        (None, None, 1.0, 0.5),
        (3.0, 1.0, 0.95, 0.91),  # a flat end, the last the best
        (3.0, 1.0, 1.1, 0.95),  # noise
        (3.0, 1.0, 1.2, 1.3),
        (3.0, 1.0, 0.5, 1.2),
    ],
)
def test_no_warning_where_steps_were_enough(values):
    assert TrainingResult(nn.Identity(), curves(*values)).undertraining_warning() is None


def test_too_few_steps_are_said_when_training_ends(tmp_path, capsys):
    run(tmp_path, loss=lambda model, split: model[0].weight.square().mean(), learning_rate=0.01)
    assert "warning: test: validation loss fell by" in capsys.readouterr().err


def test_a_warning_appears_while_training_goes_on(tmp_path, capsys):
    def overfits(model, split):
        distance = (model[0].weight - 5).square().mean()
        return distance if split == "train" else 1 / distance

    run(tmp_path, loss=overfits)
    assert "warning: test: validation loss rose from" in capsys.readouterr().err
