"""How fast planning is, against what it could be and what others do: `python benchmarks/planning.py`.

Untrained networks; every comparison is interleaved within one run, times are medians. Parts (all but compile,
if none is named):
  planners  the rows of params.yaml on Hopper's sizes: times, rates, operations, bare networks
  compile   the same with compiled networks (a few minutes of compiling)
  cache     drafting with the key/value cache against reading the whole sequence again for each state
  authors   the paper's network sizes and 32 candidates, one action, in float32 and bfloat16
  dit       a Decision Diffuser with a diffusion transformer, 20 DDIM steps, against rows of params.yaml
"""

import argparse
import copy
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch
from diffusion_transformer import DiffusionTransformer
from torch import Tensor

from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import device_name
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.evaluation.latency import SteadyState, measure, timed
from trajectory_diffuser.evaluation.untrained import untrained_models
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.planning.acceleration import accelerate
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner

STATE, ACTION = 11, 3  # Hopper's
GUIDANCE = 1.2
NORMALISER = Normaliser.fit(np.random.default_rng(0).normal(size=(1000, STATE)).astype(np.float32))
OBSERVATIONS = np.random.default_rng(0).normal(size=(64, STATE))


def main() -> None:
    """Run the parts that are asked for, all but the compiled one by default."""
    parts = {"planners": planners, "compile": compiled, "cache": cache, "authors": authors, "dit": dit}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[[], *parts], metavar="part")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repetitions", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    versions = ", ".join(f"{name} {version}" for name, version in library_versions("torch", "numpy").items())
    print(f"{device_name(device)}, {arguments.threads} thread(s), {versions}, commit {code_commit()}")
    for name in arguments.parts or [part for part in parts if part != "compile"]:
        print(f"\n{name}")
        parts[name](load_params(), device, arguments.repetitions)


def models(
    params: dict[str, Any], device: torch.device, horizon: int = 16, history: int = 8
) -> PlanningModels:
    """Untrained networks of the sizes in `params`."""
    return untrained_models(params, NORMALISER, ACTION, device, horizon=horizon, history=history)


def steady(networks: PlanningModels, row: dict[str, Any], device: torch.device) -> SteadyState:
    """One environment in mid-episode, planned for by a row of the parameters."""
    planner = TrajectoryPlanner.from_row(networks, row, GUIDANCE, device, seed=0)
    return SteadyState(Planner(planner, 1.0, device), OBSERVATIONS, 1)


def planners(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """Every planner of the run against full diffusion."""
    networks = models(params, device)
    agents = {name: steady(networks, params["planners"][name], device) for name in params["run"]["planners"]}
    rows = measure(agents, 2, repetitions, device)
    full = rows["full_diffusion"]
    print(f"{'planner':23} {'plan ms':>8} {'p95 ms':>8} {'per s':>6} {'GFLOP':>7} {'calls':>6} "
          f"{'bare ms':>8} {'over bare':>9} {'faster':>7} {'fewer FLOP':>10}")  # fmt: skip
    for name, row in rows.items():
        print(f"{name:23} {1e3 * row['p50_seconds']:8.2f} {1e3 * row['p95_seconds']:8.2f} "
              f"{row['decisions_per_second']:6.0f} {row['flops'] / 1e9:7.3f} {row['network_calls']:6g} "
              f"{1e3 * row['network_seconds']:8.2f} {row['overhead']:9.3f} "
              f"{full['seconds_per_plan'] / row['seconds_per_plan']:6.1f}x "
              f"{full['flops'] / row['flops']:9.1f}x")  # fmt: skip


def compiled(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """The same with compiled networks."""
    params = copy.deepcopy(params)
    params["planning"]["compile"] = True
    started = time.perf_counter()
    planners(params, device, repetitions)
    print(f"with compiling: {time.perf_counter() - started:.0f} s")


def cache(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """Horizon 32, history 32."""
    transformer = models(params, device, horizon=32, history=32).transformer
    for batch in (1, 32):
        states = torch.randn(batch, 32, STATE, device=device)
        returns = torch.rand(batch, 32, device=device)
        with torch.inference_mode():
            reference = uncached_draft(transformer, states, returns, 32)
            difference = (transformer.draft(states, returns, 32)[0] - reference).abs().max()
            times = interleaved(
                {
                    "cached": lambda s=states, r=returns: transformer.draft(s, r, 32),
                    "uncached": lambda s=states, r=returns: uncached_draft(transformer, s, r, 32),
                },
                repetitions,
                device,
            )
        cached, uncached = times["cached"], times["uncached"]
        print(f"batch {batch:2}: cached {1e3 * cached:.1f} ms, uncached {1e3 * uncached:.1f} ms, "
              f"{uncached / cached:.1f}x; largest difference {float(difference):.1e} "
              f"in states up to {float(reference.abs().max()):.1f}")  # fmt: skip


def uncached_draft(transformer: CausalTransformer, states: Tensor, returns: Tensor, length: int) -> Tensor:
    """Drafted states [B, length, state], the whole sequence read again for each of them."""
    tokens = torch.cat([states, returns[..., None]], dim=-1)  # [B, T, state + 1]
    for _ in range(length):
        tokens = torch.cat([tokens, transformer(tokens)[:, -1:]], dim=1)
    return tokens[:, -length:, :-1]


def authors(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """One action with the authors' sizes: 32 candidates, five steps, both branches, horizon 16."""
    params = copy.deepcopy(params)
    # Three layers of ours, whose feed-forward networks are twice as wide, are four of theirs.
    params["train_transformer"] |= {"width": 512, "layers": 3, "heads": 4}
    params["train_diffusion"] |= {"base_width": 64, "channel_multipliers": [1, 2, 4, 8]}
    row = params["planners"]["trajectory_diffuser"] | {"candidates": 32}
    agents = {}
    for precision in ("float32", "bfloat16"):
        params["planning"]["precision"] = precision
        agents[precision] = steady(models(params, device), row, device)
    sizes(agents["float32"].agent.planner.models)
    for name, measured in measure(agents, 1, max(repetitions // 2, 2), device).items():
        print(f"{name}: {measured['seconds_per_plan']:.3f} s per action, {measured['flops'] / 1e9:.1f} GFLOP")


def dit(params: dict[str, Any], device: torch.device, repetitions: int) -> None:
    """Horizon 32, about 4 M parameters each way, transformer and denoiser together."""
    params = copy.deepcopy(params)
    params["train_transformer"] |= {"width": 128, "layers": 3, "heads": 4}
    params["train_diffusion"] |= {"base_width": 64}
    ours = models(params, device, horizon=32)
    torch.manual_seed(0)
    network = DiffusionTransformer(STATE, 32, width=320, heads=10, depth=2)
    diffusion = TrajectoryDiffusion(network, NORMALISER, "cosine", 100, "epsilon")
    theirs = models(params, device, horizon=32)
    theirs.diffusion = diffusion.to(device).eval().requires_grad_(False)
    accelerate(theirs, params["planning"], device)
    rows = params["planners"]
    agents = {
        "DiT, 20 DDIM steps": steady(theirs, rows["ddim"] | {"refine_steps": 20}, device),
        "trajectory_diffuser": steady(ours, rows["trajectory_diffuser"], device),
        **{name: steady(ours, rows[name], device) for name in ("one_call", "carried_draft")},
    }
    sizes(ours)
    print(f"DiT: {sum(weights.numel() for weights in network.parameters()) / 1e6:.1f} M parameters")
    measured = measure(agents, 2, repetitions, device)
    seconds = {name: row["seconds_per_plan"] for name, row in measured.items()}
    for name, each in seconds.items():
        print(f"{name:20} {1e3 * each:7.2f} ms, {seconds['DiT, 20 DDIM steps'] / each:.1f}x faster")


def sizes(networks: PlanningModels) -> None:
    """Print the parameters of the two large networks."""
    for name, network in (("transformer", networks.transformer), ("denoiser", networks.diffusion.network)):
        print(f"{name}: {sum(weights.numel() for weights in network.parameters()) / 1e6:.1f} M parameters")


def interleaved(functions: dict[str, Any], repetitions: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each function, called in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for round_ in range(repetitions + 1):
        for name, function in functions.items():
            taken, _ = timed(function, device)
            if round_:
                seconds[name].append(taken)
    return {name: float(np.median(values)) for name, values in seconds.items()}


if __name__ == "__main__":
    main()
