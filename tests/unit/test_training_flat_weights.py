import copy

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from trajectory_diffuser.training.flat_weights import flatten_weights


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.SiLU(), nn.LayerNorm(5), nn.Linear(5, 2))


def loss(model):
    return model(torch.linspace(-1, 1, 12).view(4, 3)).square().sum()


def test_weights_keep_names_shapes_and_values():
    expected, model = make_model().state_dict(), make_model()
    flatten_weights(model, gradients=True)
    found = model.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert load(save(found)).keys() == expected.keys()


def test_the_vector_and_the_weights_are_the_same_memory():
    model = make_model()
    vector = flatten_weights(model, gradients=True)
    with torch.no_grad():
        vector.fill_(0.25)
    assert all((weight == 0.25).all() for weight in model.parameters())


def test_a_backward_pass_writes_the_vectors_gradient():
    expected, model = make_model(), make_model()
    vector = flatten_weights(model, gradients=True)
    loss(expected).backward()
    loss(model).backward()
    for one, other in zip(expected.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=0)
    total = torch.stack([weight.grad.square().sum() for weight in expected.parameters()]).sum()
    assert float(vector.grad.square().sum()) == pytest.approx(float(total))


def test_every_weight_begins_at_a_multiple_of_64_bytes():
    model = make_model()
    vector = flatten_weights(model, gradients=True)
    assert all((weight.data_ptr() - vector.data_ptr()) % 64 == 0 for weight in model.parameters())


def test_a_copy_of_the_model_has_memory_of_its_own():
    model = make_model()
    vector = flatten_weights(model, gradients=True)
    kept = copy.deepcopy(model)
    with torch.no_grad():
        vector.zero_()
    assert all(torch.equal(a, b) for a, b in zip(kept.parameters(), make_model().parameters(), strict=True))


def test_weights_of_several_types_are_refused():
    model = make_model()
    model[3].to(torch.bfloat16)
    with pytest.raises(ValueError, match="2 types and devices"):
        flatten_weights(model, gradients=True)


def test_without_gradients_the_vector_has_none():
    assert flatten_weights(make_model(), gradients=False).grad is None
