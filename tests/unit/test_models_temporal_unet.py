import pytest
import torch
import torch.nn.functional as F

from trajectory_diffuser.models.temporal_unet import TemporalConvolution, TemporalUNet


def inputs(horizon=8, batch=3, state=5):
    generator = torch.Generator().manual_seed(0)
    plan = torch.randn(batch, horizon, state, generator=generator)
    return plan, torch.tensor([0, 4, 9])[:batch], torch.tensor([0.1, 0.5, 2.0])[:batch]


def unet(multipliers=(1, 2), state=5, seed=0):
    torch.manual_seed(seed)
    return TemporalUNet(state, 8, list(multipliers)).eval().requires_grad_(False)


def predict(network, plan, step, returns, conditional):
    return network(plan, network.condition(step, returns, conditional))


@pytest.mark.parametrize(
    ("multipliers", "horizon"), [([1], 3), ([2], 1), ([1, 2], 2), ([1, 2, 4], 12), ([3, 1, 2], 8)]
)
def test_the_prediction_has_the_shape_of_the_plan(multipliers, horizon):
    plan, step, returns = inputs(horizon)
    assert (
        predict(unet(multipliers), plan, step, returns, torch.ones(3, dtype=torch.bool)).shape == plan.shape
    )


def test_the_return_is_hidden_where_conditional_is_false():
    network = unet()
    plan, step, returns = inputs()
    conditional = torch.tensor([True, False, True])
    before = predict(network, plan, step, returns, conditional)
    after = predict(network, plan, step, returns + 1, conditional)
    changed = (before - after).abs().amax(dim=(1, 2)) > 1e-6
    assert changed.tolist() == [True, False, True]
    assert torch.equal(before[1], after[1])


def test_hidden_is_not_the_same_as_a_return_of_zero():
    plan, step, returns = inputs()
    network = unet()
    shown = predict(network, plan, step, 0 * returns, torch.ones(3, dtype=torch.bool))
    hidden = predict(network, plan, step, 0 * returns, torch.zeros(3, dtype=torch.bool))
    assert (shown - hidden).abs().max() > 1e-6


def test_the_diffusion_step_matters_and_plans_do_not_see_each_other():
    plan, step, returns = inputs()
    network = unet()
    everyone = torch.ones(3, dtype=torch.bool)
    before = predict(network, plan, step, returns, everyone)
    after = predict(network, plan, step + torch.tensor([0, 1, 0]), returns, everyone)
    torch.testing.assert_close(before[[0, 2]], after[[0, 2]])
    assert (before[1] - after[1]).abs().max() > 1e-6


def test_information_travels_both_ways_in_time():
    plan, step, returns = inputs(horizon=8)
    network = unet()
    everyone = torch.ones(3, dtype=torch.bool)
    before = predict(network, plan, step, returns, everyone)
    for place, elsewhere in ((0, 7), (7, 0)):
        moved = plan.clone()
        moved[:, place] += 1
        assert (predict(network, moved, step, returns, everyone) - before)[:, elsewhere].abs().max() > 1e-7


@pytest.mark.parametrize("horizon", [1, 2, 3, 6])
def test_the_matrix_product_is_a_convolution_along_time(horizon):
    torch.manual_seed(0)
    layer = TemporalConvolution(3, 4)
    x = torch.randn(2, horizon, 3)
    weight = layer.weight.unflatten(1, (5, 3)).permute(0, 2, 1)  # [out, in, kernel]
    expected = F.conv1d(x.transpose(1, 2), weight, layer.bias, padding=2).transpose(1, 2)
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=1e-5)
