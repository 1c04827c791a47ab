"""What networks run on: OpenVINO's plans are torch's, and what is compiled when."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import (
    CPU,
    ROW,
    STATE,
    as_module,
    history,
    make_models,
    make_planner,
    plan_from,
    shipped_rows,
)

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.models.mlp import InverseDynamics
from trajectory_diffuser.planning import runtime as runtime_module
from trajectory_diffuser.planning import trajectory_planner
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.runtime import Runtime

ROWS = shipped_rows() | {
    "candidates": ROW | {"candidates": 3, "guidance": 1.5},
    "noise_and_no_return": ROW | {"forward_noise": True, "guidance": 0, "redraft_every": 3},
}
LONG, IN_A_CALL = 16, 4  # states of a plan; of them, and of denoising steps, in one call: several calls


@pytest.fixture(scope="module")
def models():
    return make_models(horizon=LONG)


@pytest.fixture(scope="module")
def runtimes():
    """One of each for all rows, as in a stage, so that each function is compiled once."""
    return {name: Runtime(name, "float32", CPU) for name in ("torch", "openvino")}


@pytest.mark.parametrize("row", ROWS)
def test_openvino_plans_as_torch_does_through_whole_episodes(models, runtimes, row, monkeypatch):
    monkeypatch.setattr(trajectory_planner, "LONGEST_DRAFT", IN_A_CALL)
    monkeypatch.setattr(trajectory_planner, "LONGEST_CHAIN", IN_A_CALL)
    planners = {
        name: Planner(make_planner(models, runtime, **ROWS[row]), 50.0, seed=3)
        for name, runtime in runtimes.items()
    }
    random = np.random.default_rng(0)
    running = 5  # episodes; some end earlier than others
    for step in range(10):
        observations = random.normal(size=(running, STATE))
        rewards = random.normal(size=running) if step else None
        actions = {name: planner.act(observations, rewards) for name, planner in planners.items()}
        np.testing.assert_allclose(actions["openvino"], actions["torch"], atol=1e-4, rtol=0)
        ours, theirs = (planners[name].memory.last_plan for name in ("openvino", "torch"))
        torch.testing.assert_close(ours.states, theirs.states, atol=1e-4, rtol=0)
        assert (ours.draft is None) == (theirs.draft is None)
        if ours.draft is not None:
            torch.testing.assert_close(ours.draft, theirs.draft, atol=1e-4, rtol=0)
        goes_on = {3: 4, 5: 2, 7: 1}.get(step, running)
        for planner in planners.values():
            planner.memory.keep(np.arange(running) >= running - goes_on)
        running = goes_on
    assert planners["torch"].memory.padding == 0
    assert len(ours.states) == 1


def test_torch_in_float32_computes_what_the_networks_do():
    models, runtime = make_models(), Runtime("torch", "float32", CPU)
    state, action = torch.randn(4, STATE), torch.randn(4, 2)
    assert torch.equal(runtime.compile(models.value)(state, action), models.value(state, action))


def plans(name, precision):
    """Two plans, the second with the draft of the first carried over."""
    models = make_models()
    planner = make_planner(models, Runtime(name, precision, CPU), guidance=1.5, redraft_every=2)
    first = plan_from(planner, *history())
    return first, plan_from(planner, *history(seed=1), first)


def openvino_has_bfloat16():
    return "BF16" in runtime_module._core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_bfloat16_plans_nearly_the_same_in_single_precision(name):
    if name == "openvino" and not openvino_has_bfloat16():
        pytest.skip("OpenVINO computes in float32 where the processor has no bfloat16")
    for ours, theirs in zip(plans(name, "bfloat16"), plans("torch", "float32"), strict=True):
        for part in ("states", "action", "draft"):
            assert getattr(ours, part).dtype == torch.float32
            torch.testing.assert_close(getattr(ours, part), getattr(theirs, part), atol=0.1, rtol=0.1)
        assert not torch.equal(ours.states, theirs.states)
        assert not torch.allclose(ours.states, theirs.states, atol=1e-5)


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_a_planner_in_bfloat16_acts(name):
    planner = Planner(make_planner(runtime=Runtime(name, "bfloat16", CPU), actions_per_plan=2), 50.0, 0)
    for _ in range(3):
        assert planner.act(np.ones((2, STATE))).dtype == np.float32


def compiled_batches(function):
    """The batches for which OpenVINO has compiled it."""
    (sizes,) = function.backend.requests.values()
    return list(sizes)


def test_a_smaller_batch_is_padded_and_compiled_anew_only_from_half_on():
    network = InverseDynamics(STATE, 2, 8, 1).eval().requires_grad_(False)
    function = Runtime("openvino", "float32", CPU).compile(network)
    compiled = []
    for batch in (6, 5, 4, 3, 2, 1, 6, 7, 4):
        state, following = torch.randn(2, batch, STATE)
        torch.testing.assert_close(function(state, following), network(state, following))
        compiled.append(compiled_batches(function))
    half, one, more = [6, 3], [6, 3, 1], [6, 3, 1, 7]
    assert compiled == [[6], [6], [6], half, half, one, one, more, more]


def test_results_are_not_overwritten_by_the_next_call():
    network = InverseDynamics(STATE, 2, 8, 1).eval().requires_grad_(False)
    function = Runtime("openvino", "float32", CPU).compile(network)
    inputs = torch.randn(2, 2, 3, STATE)
    results = [function(*each) for each in inputs]
    for result, each in zip(results, inputs, strict=True):
        torch.testing.assert_close(result, network(*each))


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
def test_results_on_a_gpu_are_not_the_memory_that_the_next_run_writes_over(monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **_: None)  # there may be no GPU here
    memory = torch.zeros(2)

    def write(value):
        memory.copy_(value)
        return memory

    runtime, values = Runtime("auto", "float32", torch.device("cuda")), torch.eye(2)
    results = [runtime.compile(as_module(write))(value) for value in values]
    assert torch.equal(torch.stack(results), values)


def test_a_function_is_made_once_for_each_network_method_and_setting():
    models, runtime = make_models(), Runtime("torch", "float32", CPU)
    chain = {"guidance": 1.0, "eta": 1.0}
    first = runtime.compile(models.diffusion, "denoise", **chain)
    assert runtime.compile(models.diffusion, "denoise", **chain) is first
    assert runtime.compile(models.diffusion, "denoise", **chain | {"guidance": 1.5}) is not first
    assert runtime.compile(make_models().diffusion, "denoise", **chain) is not first
    assert len(runtime.functions) == 3


def test_a_copy_has_what_was_compiled_and_keeps_more_to_itself():
    models, runtime = make_models(), Runtime("torch", "float32", CPU)
    first = runtime.compile(models.value)
    other = runtime.copy()
    assert other.compile(models.value) is first
    other.compile(models.inverse_dynamics)
    assert len(other.functions) == 2 and len(runtime.functions) == 1
    assert (other.name, other.precision, other.device) == ("torch", "float32", CPU)


def test_planners_of_a_runtime_share_what_is_compiled():
    models, runtime = make_models(), Runtime("openvino", "float32", CPU)
    for candidates in (1, 2):
        plan_from(make_planner(models, runtime, candidates=candidates), *history())
    batches = {function.module.method: compiled_batches(function) for function in runtime.functions.values()
               if function.backend.requests and function.module.network is not models.value}  # fmt: skip
    assert batches == {"draft": [2], "denoise": [2, 4], "forward": [2, 4]}


def test_auto_is_openvino_on_a_cpu_and_torch_on_a_gpu():
    gpu = torch.device("cuda")
    assert Runtime("auto", "float32", CPU).name == "openvino"
    assert Runtime("auto", "float32", gpu).name == "torch"
    assert Runtime("torch", "float32", gpu).name == "torch"


def test_openvino_on_a_gpu_is_refused():
    with pytest.raises(UserError, match=r"planning\.runtime: openvino computes on a CPU.*use torch or auto"):
        Runtime("openvino", "float32", torch.device("cuda"))


def test_openvino_does_not_report_to_its_makers():
    runtime_module._core()
    from openvino.tools.ovc import telemetry_stub, telemetry_utils

    assert telemetry_utils.tm is telemetry_stub


def test_signals_are_handled_after_planners_on_openvino_are_gone():
    # In a process of its own, which the signal would end.
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(runtime_module.__file__).parents[2])])
    code = "import test_planning_runtime as t; t.check_signal()"
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def check_signal():
    plan_from(make_planner(runtime=Runtime("openvino", "float32", CPU)), *history())
    gc.collect()
    signal.signal(signal.SIGTERM, lambda *_: print("handled"))
    signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("name", "precision", "key"), [("OpenVINO", "float32", "runtime"), ("torch", "half", "precision")]
)
def test_an_unknown_runtime_or_precision_is_refused(name, precision, key):
    with pytest.raises(UserError, match=rf"planning.{key}: '\w+' is unknown; one of: "):
        Runtime(name, precision, CPU)
