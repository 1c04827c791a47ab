import shutil

import pytest
import torch
from small_models import history, make_models, make_planner
from torch._dynamo.utils import counters

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.device import check_compiler
from trajectory_diffuser.planning.acceleration import accelerate

CPU = torch.device("cpu")
PLAIN = {"compile": False, "precision": "float32"}


def plans(**settings):
    """Two plans, the second with the draft of the first carried over, by networks that run as asked for."""
    models = make_models()
    accelerate(models, PLAIN | settings, CPU)
    planner = make_planner(models, guidance=1.5, redraft_every=2)
    first = planner.plan(*history())
    return first, planner.plan(*history(seed=1), first)


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiles")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compiled_networks_plan_the_same_but_for_rounding(precision):
    tolerance = {"float32": 1e-5, "bfloat16": 0.1}[precision]
    frames = counters["frames"]["ok"]
    compiled = plans(compile=True, precision=precision)
    assert counters["frames"]["ok"] > frames
    for ours, theirs in zip(compiled, plans(), strict=True):
        torch.testing.assert_close(ours.states, theirs.states, atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(ours.action, theirs.action, atol=tolerance, rtol=tolerance)


def test_bfloat16_plans_nearly_the_same_in_single_precision():
    for ours, theirs in zip(plans(precision="bfloat16"), plans(), strict=True):
        assert ours.states.dtype == torch.float32
        assert not torch.equal(ours.states, theirs.states)
        torch.testing.assert_close(ours.states, theirs.states, atol=0.1, rtol=0.1)


def test_float32_without_compiling_plans_the_same_but_for_rounding():
    planner = make_planner(make_models(), guidance=1.5, redraft_every=2)
    first = planner.plan(*history())
    for ours, theirs in zip(plans(), (first, planner.plan(*history(seed=1), first)), strict=True):
        torch.testing.assert_close(ours.states, theirs.states, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.action, theirs.action, atol=1e-5, rtol=1e-5)


def test_weights_are_turned_around_in_memory_only():
    models, plain = make_models(), make_models()
    accelerate(models, PLAIN, CPU)
    for name in ("transformer", "diffusion", "inverse_dynamics", "value"):
        ours, theirs = getattr(models, name).state_dict(), getattr(plain, name).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs | ours)
        layers = [layer for layer in getattr(models, name).modules() if isinstance(layer, torch.nn.Linear)]
        assert layers and all(layer.weight.t().is_contiguous() for layer in layers)


def test_a_missing_compiler_is_named_with_the_key_that_asks_for_it(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    check_compiler("planning.compile", False, "cpu")
    check_compiler("planning.compile", True, "cuda")
    with pytest.raises(UserError, match=r"planning.compile: true needs .* there is no no-such-compiler"):
        check_compiler("planning.compile", True, "cpu")
