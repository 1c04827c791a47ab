"""How fast planning is, against what it could be and what others do: `python benchmarks/planning.py`.

Untrained networks; every comparison is interleaved within one run, times are medians. Parts (all, if none is
named), in the runtime and precision of params.yaml where nothing else is said:
  planners  the rows of params.yaml on Hopper's sizes: times, rates, operations, bare networks
  runtimes  some rows in each runtime and precision, one environment and ten: the first plan's time (with all
            compiling), others' times, largest difference of plans from torch's in float32 with equal noise
  cache     in torch, drafting with the key/value cache against reading everything again for each state
  authors   the paper's network sizes and 32 candidates, one action, in float32 and bfloat16
  dit       a Decision Diffuser with a diffusion transformer, 20 DDIM steps, against rows of params.yaml
"""

import argparse
import copy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch
from diffusion_transformer import DiffusionTransformer
from torch import Tensor, nn

from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import device_name
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.evaluation.latency import SteadyState, measure, timed
from trajectory_diffuser.evaluation.untrained import untrained_models
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.planning.choice import settled
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner

STATE, ACTION = 11, 3  # Hopper's
VALUES = {"guidance": 1.2, "temperature": 0.5, "target_return": 1.0}  # for what rows leave to tuning
NORMALISER = Normaliser.fit(np.random.default_rng(0).normal(size=(1000, STATE)).astype(np.float32))
OBSERVATIONS = np.random.default_rng(0).normal(size=(64, STATE))


def main() -> None:
    """Run the parts that are asked for."""
    parts = {"planners": planners, "runtimes": runtimes, "cache": cache, "authors": authors, "dit": dit}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[[], *parts], metavar="part")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repetitions", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    params, device = load_params(), torch.device(arguments.device)
    usual, versions = Runtime.from_params(params, device), library_versions("torch", "openvino", "numpy")
    print(f"{device_name(device)}, {arguments.threads} thread(s), commit {code_commit()}")
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"runtime {usual.name}, {usual.precision}")
    for name in arguments.parts or parts:
        print(f"\n{name}", flush=True)
        parts[name](params, device, arguments.repetitions)


def models(
    params: dict[str, Any], device: torch.device, horizon: int = 16, history: int = 8
) -> PlanningModels:
    """Untrained networks of the sizes in `params`."""
    return untrained_models(params, NORMALISER, ACTION, device, horizon=horizon, history=history)


def planner_of(networks: PlanningModels, row: dict[str, Any], runtime: Runtime) -> TrajectoryPlanner:
    """What plans by a row of the parameters."""
    settings = PlannerSettings.from_row(settled(row, VALUES), networks.diffusion.diffusion_steps)
    return TrajectoryPlanner(networks, settings, runtime)


def steady(planner: TrajectoryPlanner, batch: int = 1) -> SteadyState:
    """Environments in mid-episode, planned for."""
    return SteadyState(Planner(planner, 1.0, seed=0), OBSERVATIONS, batch)


def planners(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """Every planner of the run against full diffusion."""
    networks, runtime, rows = models(params, device), Runtime.from_params(params, device), params["planners"]
    states = {name: steady(planner_of(networks, rows[name], runtime)) for name in params["run"]["planners"]}
    measured = measure(states, 2, repetitions, device)
    full = measured["full_diffusion"]
    print(f"{'planner':23} {'plan ms':>8} {'p95 ms':>8} {'per s':>6} {'GFLOP':>7} {'calls':>6} "
          f"{'bare ms':>8} {'over bare':>9} {'faster':>7} {'fewer FLOP':>10}")  # fmt: skip
    for name, row in measured.items():
        print(f"{name:23} {1e3 * row['p50_seconds']:8.2f} {1e3 * row['p95_seconds']:8.2f} "
              f"{row['decisions_per_second']:6.0f} {row['flops'] / 1e9:7.3f} {row['network_calls']:6g} "
              f"{1e3 * row['network_seconds']:8.2f} {row['overhead']:9.3f} "
              f"{full['seconds_per_plan'] / row['seconds_per_plan']:6.1f}x "
              f"{full['flops'] / row['flops']:9.1f}x")  # fmt: skip


def runtimes(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """All planners, runtimes and precisions in turn; each compiles what it needs for itself."""
    networks = models(params, device)
    names = ("torch", "openvino") if device.type == "cpu" else ("torch",)
    kinds = [(name, precision) for name in names for precision in ("float32", "bfloat16")]
    print(f"{'batch':>5} {'planner':20} {'runtime':8} {'precision':9} {'first s':>8} {'plan ms':>8} "
          f"{'p95 ms':>8} {'over bare':>9} {'faster':>7} {'difference':>10}")  # fmt: skip
    for batch in (1, 10):
        states, firsts, differences = {}, {}, {}
        for row in ("trajectory_diffuser", "full_diffusion", "one_call", "draft"):
            for kind in kinds:
                planner = planner_of(networks, params["planners"][row], Runtime(*kind, device))
                firsts[row, kind], plan = timed(lambda p=planner, b=batch: some_plan(p, b), device)
                if kind == kinds[0]:
                    reference = plan
                differences[row, kind] = float((plan - reference).abs().max())
                states[row, kind] = steady(planner, batch)
        measured = measure(states, 2, repetitions, device)
        for (row, kind), each in measured.items():
            faster = measured[row, kinds[0]]["seconds_per_plan"] / each["seconds_per_plan"]
            print(f"{batch:5} {row:20} {kind[0]:8} {kind[1]:9} {firsts[row, kind]:8.2f} "
                  f"{1e3 * each['p50_seconds']:8.2f} {1e3 * each['p95_seconds']:8.2f} "
                  f"{each['overhead']:9.3f} {faster:6.1f}x {differences[row, kind]:10.1e}",
                  flush=True)  # fmt: skip


def some_plan(planner: TrajectoryPlanner, batch: int) -> Tensor:
    """Planned states [B, H, state], with history and noise always the same."""
    generator = torch.Generator().manual_seed(0)
    history = torch.randn(batch, planner.models.history, STATE + 1, generator=generator)
    noise = planner.settings.temperature * torch.randn(planner.noise_shape(batch, None), generator=generator)
    device = planner.runtime.device
    return planner.plan(history.to(device), torch.tensor(0, device=device), noise.to(device)).states


def cache(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """Horizon 32, history 32."""
    networks = models(params, device, horizon=32, history=32)
    planner = planner_of(networks, params["planners"]["draft"], Runtime("torch", "float32", device))
    padding = torch.tensor(0, device=device)
    for batch in (1, 32):
        history = torch.randn(batch, 32, STATE + 1, device=device)
        noise = torch.zeros(planner.noise_shape(batch, None), device=device)
        ways = (
            lambda h=history, n=noise: planner.plan(h, padding, n).states,
            lambda h=history: uncached_draft(networks.transformer, h, 32),
        )
        plan, reference = (way() for way in ways)
        difference = (plan - reference).abs().max()
        seconds = [[timed(way, device)[0] for way in ways] for _ in range(repetitions)]
        cached, uncached = np.median(seconds, axis=0)
        print(f"batch {batch:2}: cached {1e3 * cached:.1f} ms, uncached {1e3 * uncached:.1f} ms, "
              f"{uncached / cached:.1f}x; largest difference {float(difference):.1e} "
              f"in states up to {float(reference.abs().max()):.1f}")  # fmt: skip


@torch.inference_mode()
def uncached_draft(transformer: CausalTransformer, tokens: Tensor, horizon: int) -> Tensor:
    """The present and drafted states [B, horizon, state], everything read again for each of them."""
    for _ in range(horizon - 1):
        tokens = torch.cat([tokens, transformer(tokens)[:, -1:]], dim=1)
    return tokens[:, -horizon:, :-1]


def authors(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """One action with the authors' sizes: 32 candidates, five steps, both branches, horizon 16."""
    params = copy.deepcopy(params)
    # Three layers of ours, whose feed-forward networks are twice as wide, are four of theirs.
    params["train_transformer"] |= {"width": 512, "layers": 3, "heads": 4}
    params["train_diffusion"] |= {"base_width": 64, "channel_multipliers": [1, 2, 4, 8]}
    row = params["planners"]["trajectory_diffuser"] | {"candidates": 32}
    networks, name = models(params, device), params["planning"]["runtime"]
    states = {
        precision: steady(planner_of(networks, row, Runtime(name, precision, device)))
        for precision in ("float32", "bfloat16")
    }
    print_sizes({"transformer": networks.transformer, "denoiser": networks.diffusion})
    for precision, measured in measure(states, 1, max(repetitions // 2, 2), device).items():
        seconds, operations = measured["seconds_per_plan"], measured["flops"] / 1e9
        print(f"{precision}: {seconds:.3f} s per action, {operations:.1f} GFLOP")


def dit(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """Horizon 32, about 4 M parameters each way, transformer and denoiser together."""
    params = copy.deepcopy(params)
    params["train_transformer"] |= {"width": 128, "layers": 3, "heads": 4}
    params["train_diffusion"] |= {"base_width": 64}
    ours = models(params, device, horizon=32)
    network = DiffusionTransformer(STATE, 32, width=320, heads=10, depth=2)
    diffusion = TrajectoryDiffusion(network, NORMALISER, "cosine", 100, "epsilon")
    theirs = replace(ours, diffusion=diffusion.to(device).eval().requires_grad_(False))
    rows, runtime, rival = params["planners"], Runtime.from_params(params, device), "DiT, 20 DDIM steps"
    states = {rival: steady(planner_of(theirs, rows["ddim"] | {"refine_steps": 20}, runtime))}
    for name in ("trajectory_diffuser", "one_call", "carried_draft"):
        states[name] = steady(planner_of(ours, rows[name], runtime))
    print_sizes({"transformer": ours.transformer, "denoiser": ours.diffusion, "DiT": diffusion})
    measured = measure(states, 2, repetitions, device)
    seconds = {name: row["seconds_per_plan"] for name, row in measured.items()}
    for name, each in seconds.items():
        print(f"{name:20} {1e3 * each:7.2f} ms, {seconds[rival] / each:.1f}x faster")


def print_sizes(networks: dict[str, nn.Module]) -> None:
    """Print how many parameters each network has."""
    for name, network in networks.items():
        print(f"{name}: {sum(weights.numel() for weights in network.parameters()) / 1e6:.1f} M parameters")


if __name__ == "__main__":
    main()
