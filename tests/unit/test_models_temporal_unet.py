import pytest
import torch
from torch import nn

from trajectory_diffuser.models.temporal_unet import OverTime, TemporalUNet


def inputs(horizon=8, batch=3, state=5):
    generator = torch.Generator().manual_seed(0)
    plan = torch.randn(batch, horizon, state, generator=generator)
    return plan, torch.tensor([1, 4, 9])[:batch], torch.tensor([0.1, 0.5, 2.0])[:batch]


def unet(multipliers=(1, 2), state=5, seed=0):
    torch.manual_seed(seed)
    return TemporalUNet(state, 8, list(multipliers)).eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("multipliers", "horizon"), [([1], 3), ([2], 1), ([1, 2], 2), ([1, 2, 4], 12), ([3, 1, 2], 8)]
)
def test_the_prediction_has_the_shape_of_the_plan(multipliers, horizon):
    plan, step, returns = inputs(horizon)
    everyone = torch.ones(3, dtype=torch.bool)
    assert unet(multipliers)(plan, step, returns, everyone).shape == plan.shape


def test_the_return_is_hidden_where_conditional_is_false():
    network = unet()
    plan, step, returns = inputs()
    conditional = torch.tensor([True, False, True])
    before = network(plan, step, returns, conditional)
    after = network(plan, step, returns + 1, conditional)
    changed = (before - after).abs().amax(dim=(1, 2)) > 1e-6
    assert changed.tolist() == [True, False, True]
    assert torch.equal(before[1], after[1])


def test_hidden_is_not_the_same_as_a_return_of_zero():
    plan, step, returns = inputs()
    network = unet()
    shown = network(plan, step, 0 * returns, torch.ones(3, dtype=torch.bool))
    hidden = network(plan, step, 0 * returns, torch.zeros(3, dtype=torch.bool))
    assert (shown - hidden).abs().max() > 1e-6


def test_the_diffusion_step_matters_and_plans_do_not_see_each_other():
    plan, step, returns = inputs()
    network = unet()
    everyone = torch.ones(3, dtype=torch.bool)
    before = network(plan, step, returns, everyone)
    after = network(plan, step + torch.tensor([0, 1, 0]), returns, everyone)
    torch.testing.assert_close(before[[0, 2]], after[[0, 2]])
    assert (before[1] - after[1]).abs().max() > 1e-6


def test_information_travels_both_ways_in_time():
    plan, step, returns = inputs(horizon=8)
    network = unet()
    everyone = torch.ones(3, dtype=torch.bool)
    before = network(plan, step, returns, everyone)
    for place, elsewhere in ((0, 7), (7, 0)):
        moved = plan.clone()
        moved[:, place] += 1
        assert (network(moved, step, returns, everyone) - before)[:, elsewhere].abs().max() > 1e-7


@pytest.mark.parametrize("horizon", [1, 2, 3, 6])
def test_a_convolution_reads_two_steps_to_each_side_and_nothing_past_the_ends(horizon):
    torch.manual_seed(0)
    layer = OverTime(nn.Conv1d(3, 4, kernel_size=5, padding=2)).requires_grad_(False)
    x = torch.randn(2, horizon, 3)
    weight, bias = layer.convolution.weight, layer.convolution.bias  # [out, in, kernel], [out]
    rows = []
    for time in range(horizon):
        row = bias.expand(2, -1)
        for tap in range(5):
            if 0 <= time + tap - 2 < horizon:
                row = row + x[:, time + tap - 2] @ weight[:, :, tap].T
        rows.append(row)
    expected = torch.stack(rows, dim=1)  # [B, H, out]
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
