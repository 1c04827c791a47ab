"""A made-up run on disk, as the stages write it: two tasks, two seeds, five planners, three policies."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image
from seals import seal_all

from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.files import write_json
from trajectory_diffuser.computing.manifest import write_manifest
from trajectory_diffuser.computing.times import write_times
from trajectory_diffuser.planning.choice import tried

PLANNERS = {"draft": 90, "trajectory_diffuser": 95, "full_diffusion": 60, "ddim": 50, "warm_start": 20}
POLICIES = {"behaviour_cloning": 40, "best_tenth_cloning": 80, "return_conditioned_cloning": 85}
CALLS = {"draft": 0, "trajectory_diffuser": 5, "full_diffusion": 100, "ddim": 5, "warm_start": 5}
MODELS = ("transformer", "diffusion", "inverse_dynamics", "value")
SECONDS = {"transformer": 120, "diffusion": 480, "inverse_dynamics": 60, "value": 30}
SECONDS |= dict.fromkeys(POLICIES, 20)
GAINS = {"all": 20.0, "only_diffusion": 16.0}  # of a planner that is fine-tuned; the other variants', 2
SHARES = (0.125, 0.25, 0.5)
MACHINE = {"device_name": "a processor", "threads": 1, "versions": {}, "commit": "0123456789ab"}
MACHINE |= {"runtime": "openvino", "precision": "float32"}
MAZE = [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 1, 1, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]
CORNERS = np.array([[-1.0, 1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])


def made_up_params() -> dict:
    """The shipped params.yaml, with what the made-up run needs fixed."""
    shipped = load_params(Path(__file__).parents[3] / "params.yaml")
    shipped["run"].update(
        tasks=["hopper-medium-expert", "maze-umaze"], seeds=[0, 1], planners=list(PLANNERS), device="cpu"
    )
    shipped["run"]["policies"] = list(POLICIES)
    shipped["evaluate_training"].update(planners=["draft", "trajectory_diffuser", "ddim"], episodes=4)
    targets = [0.7, 1.0, 1.2]
    shipped["tune"].update(episodes=24, finalists=4)
    shipped["tune"]["grid"] = {"guidance": [1.0, 2.0], "temperature": [0.0, 0.5], "target_return": targets}
    shipped["run"]["experiments"] = ["refinement", "warmth"]
    shipped["run"]["experiment_tasks"] = list(shipped["run"]["tasks"])
    shipped["experiments"] = {
        "refinement": {
            "question": "How much <refinement>?",
            "planners": ["trajectory_diffuser", "ddim"],
            "vary": {"refine_steps": [0, 1, 5], "guidance": [1.0, 2.0]},
            "episodes": 2,
        },
        "warmth": {
            "question": "How warm?",
            "planners": ["ddim"],
            "vary": {"temperature": [0.0, 0.5]},
            "episodes": 2,
        },
    }
    return shipped


def write_run(params: dict, root: Path) -> None:
    """Write params.yaml and every artefact that `run` names below `root`."""
    generator = np.random.default_rng(0)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for task in params["run"]["tasks"]:
        write_data(params, root / "data" / "processed" / task, task, generator)
        runs = root / "results" / "runs" / task
        if task in params["measure_scaling"]["tasks"]:
            write_scaling(runs / "scaling")
        asked = task in params["run"]["experiment_tasks"]
        for experiment in params["run"]["experiments"] if asked else ():
            write_point_times(params["experiments"][experiment], runs / "experiment_latency" / experiment)
        write_film(params["film"], runs / "film", task)
        for seed in params["run"]["seeds"]:
            write_latency(runs / f"seed{seed}" / "latency", task, seed, generator)
            for model in MODELS:
                write_training(runs / f"seed{seed}" / model, model, seed, generator)
            for policy in params["run"]["policies"]:
                write_training(runs / f"seed{seed}" / "policies" / policy, policy, seed, generator)
            for planner in [*params["run"]["planners"], *params["run"]["policies"]]:
                folder = runs / f"seed{seed}" / "evaluation" / planner
                write_evaluation(params, folder, task, seed, planner, generator)
                kind = "tuning" if planner in params["planners"] else "policy_tuning"
                write_tuning(params, runs / f"seed{seed}" / kind / planner, seed, planner)
            write_diagnosis(params, runs / f"seed{seed}" / "diagnosis", seed, is_maze(task))
            for experiment in params["run"]["experiments"] if asked else ():
                folder = runs / f"seed{seed}" / "experiments" / experiment
                write_experiment(params["experiments"][experiment], folder, seed)
            for planner in params["evaluate_training"]["planners"]:
                folder = runs / f"seed{seed}" / "training_scores" / planner
                write_training_scores(params, folder, task, seed, planner)
            for planner in params["finetune"]["planners"] if task in params["finetune"]["tasks"] else ():
                folder = runs / f"seed{seed}" / "finetuning" / planner
                write_finetuning(params["finetune"]["variants"], folder, task, seed, planner)
    seal_all(root)


def is_maze(task: str) -> bool:
    return task.startswith("maze")


def write_data(params: dict, folder: Path, task: str, generator: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    lengths = generator.integers(5, 20, size=60)
    rewards = [generator.uniform(0, 300, size=length) for length in lengths]
    returns_to_go = [np.append(np.cumsum(reward[::-1])[::-1], 0.0) for reward in rewards]
    np.save(folder / "episode_offsets.npy", np.append(0, np.cumsum(lengths)))
    np.save(folder / "returns_to_go.npy", np.concatenate(returns_to_go).astype(np.float32))
    states = generator.normal(size=(lengths.sum() + len(lengths), 6 if is_maze(task) else 11))
    np.save(folder / "observations.npy", states.astype(np.float32))
    returns = np.array([reward.sum() for reward in rewards])
    provenance = {
        "task": task,
        "environment": params["tasks"][task]["environment"]["id"],
        "observation_keys": params["tasks"][task]["environment"]["observation_keys"],
        "source": params["tasks"][task]["source"],
        "seeds": {"fetch_dataset": 0},
        "versions": {"mujoco": "3.3.0"},
        "steps": int(lengths.sum()),
        "episodes": len(lengths),
        "episode_length": {"mean": lengths.mean(), "min": int(lengths.min()), "max": int(lengths.max())},
        "return": {"mean": returns.mean(), "std": returns.std(), "min": returns.min(), "max": returns.max()},
        "content_hash": "0123456789abcdef" * 4,
        "reference_scores": {"minimum": 3.5, "maximum": 3234.3, "origin": "made up <for the test>"},
        "maze": {"map": MAZE, "cell_size": 1.0} if is_maze(task) else None,
        "algorithm": "somebody",
        "licence": "made up",
        "origin": {},
        "final_observations": True,
        "action_bounds": [[-1.0, -1.0], [1.0, 1.0]],
    }
    write_json(folder / "provenance.json", provenance)


def write_latency(folder: Path, task: str, seed: int, generator: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    rows = []
    for planner in [*PLANNERS, *POLICIES, "left_over"]:
        for batch in (1, 10):
            calls = CALLS.get(planner, 1)
            p50 = (0.002 * calls + 0.008) * batch**0.3 * generator.uniform(0.95, 1.05)
            row = {"task": task, "seed": seed, "planner": planner, "batch": batch}
            row |= {"device": "cpu", "threads": 1}
            row |= {"runtime": "openvino"}
            row |= {"p50_seconds": p50, "p95_seconds": 1.3 * p50, "seconds_per_plan": p50}
            row |= {"plans_per_second": batch / p50}
            row |= {"decisions_per_second": 1 / p50, "network_calls": calls, "flops": 2e7 * calls}
            row |= {"network_seconds": 0.9 * p50, "overhead": 1.1, "repetitions": 20}
            rows.append(row)
    pd.DataFrame(rows).to_csv(folder / "latency.csv", index=False)
    write_json(folder / "latency.json", MACHINE)


def write_scaling(folder: Path) -> None:
    folder.mkdir(parents=True)
    points = [(quantity, value) for quantity in ("horizon", "batch") for value in (1, 4, 16)]
    scaling = pd.DataFrame(points, columns=["varied", "value"]).merge(
        pd.DataFrame({"planner": ["draft", "full_diffusion"], "scale": [1, 9]}), how="cross"
    )
    scaling["seconds_per_plan"] = 0.01 * scaling["scale"] * scaling["value"]
    scaling["network_seconds"] = 0.9 * scaling["seconds_per_plan"]
    scaling.to_csv(folder / "scaling.csv", index=False)
    write_json(folder / "scaling.json", MACHINE)


def film_again(film: dict, folder: Path, task: str) -> None:
    """Another film in the place of one."""
    shutil.rmtree(folder)
    write_film(film, folder, task)
    write_manifest(folder)


def write_film(film: dict, folder: Path, task: str) -> None:
    """Three frames and a strip, of one colour each; of a maze, or nobody, none."""
    folder.mkdir(parents=True)
    if is_maze(task) or not film["planners"]:
        return write_json(folder / "film.json", {"left_out": "made up <to be> left out"})
    frames = [Image.new("RGB", (690, 252), (shade, 80, 30)) for shade in (40, 120, 200)]
    frames[0].save(folder / "film.gif", save_all=True, append_images=frames[1:], duration=80, loop=0)
    Image.new("RGB", (1100, 700), (40, 80, 200)).save(folder / "filmstrip.png")
    write_json(folder / "film.json", {"planners": film["planners"], "seconds": film["seconds"]})


def write_training(folder: Path, model: str, seed: int, generator: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    steps = np.arange(100, 5001, 100)
    train = 0.5 * np.exp(-steps / 1500) + 0.02 + 0.01 * generator.random(len(steps))
    validation = np.where(steps % 500 == 0, train * 1.2, np.nan)
    curve = {"step": steps, "train_loss": train, "validation_loss": validation}
    curves = pd.DataFrame({**curve, "learning_rate": 6e-4, "gradient_norm": 0.5})
    curves.to_csv(folder / "curves.csv", index=False)
    overfitted = model == "value" and seed == 1
    record = {
        "parameters": 612345,
        "steps": 5000,
        "kept": [{"fraction": share, "step": int(5000 * share)} for share in SHARES],
        "device": "cpu",
        "threads": 1,
        "final_loss": float(train[-1]),
        "validation_loss": float(validation[-1]),
        "best_validation_step": 4500,
        "overfitting_warning": "validation loss rose by 30 % since step 4500" if overfitted else None,
        "undertraining_warning": "validation loss still fell" if model == "diffusion" else None,
        "torch": "2.13.0",
        "commit": "0123456789ab",
    }
    write_json(folder / "training.json", record)
    kept = [{"fraction": share, "seconds": share * SECONDS[model] + 1} for share in SHARES]
    write_times(folder, seconds=SECONDS[model], kept=kept)


def write_tuning(params: dict, folder: Path, seed: int, planner: str) -> None:
    generator = np.random.default_rng([seed, len(planner)])
    folder.mkdir(parents=True)
    row = (params["planners"] | params["policies"]).get(planner, params["planners"]["draft"])
    grid = tried(row, params["tune"]["grid"])
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    scores = [
        {"values": point, "score": generator.uniform(20, 110), "episodes": 4 if index < 4 else 1}
        for index, point in enumerate(points if grid else [])
    ]
    best = max(scores, key=lambda scored: scored["score"], default={"values": {}, "score": None})
    record = {
        "values": {"guidance": 1.2, "temperature": 0.5, "target_return": 1.0} | best["values"],
        "target_return": 3450.0,
        "row": row,
        "grid": grid,
        "scores": scores,
        "score": best["score"],
        "episodes": 24 if grid else 0,
        "first_environment_seed": 20000,
        "seed": seed,
        "commit": "0123456789ab",
    }
    write_json(folder / "choice.json", record)
    write_times(folder, seconds=90.0 if grid else 0.0)


def experiment_points(experiment: dict) -> list[dict]:
    rows = [
        {"planner": planner} | dict(zip(experiment["vary"], values, strict=True))
        for planner in experiment["planners"]
        for values in itertools.product(*experiment["vary"].values())
    ]
    return [row for row in rows if row["planner"] != "ddim" or row.get("refine_steps") != 0]


def write_point_times(experiment: dict, folder: Path) -> None:
    """A point takes 1 ms and one more for each before it."""
    folder.mkdir(parents=True)
    points = pd.DataFrame(experiment_points(experiment))
    points.assign(milliseconds=1.0 + points.index).to_csv(folder / "points.csv", index=False)


def write_experiment(experiment: dict, folder: Path, seed: int) -> None:
    """Scores rise with the first value that is varied, by 10, and with the seed, by 1; distances alike."""
    folder.mkdir(parents=True)
    first, rows = next(iter(experiment["vary"])), experiment_points(experiment)
    points = pd.DataFrame(rows).assign(action_deviation=0.1, action_entropy=1.5, state_coverage=7.0)
    points["plan_distance"] = 0.2 * points[first] + 0.01 * seed
    points.to_csv(folder / "points.csv", index=False)
    scores = pd.DataFrame([row for row in rows for _ in range(experiment["episodes"])])
    scores["environment_seed"] = 10000
    scores["normalised_score"] = 10 * scores[first] + seed
    scores.to_csv(folder / "episodes.csv", index=False)


def write_finetuning(variants: dict, folder: Path, task: str, seed: int, planner: str) -> None:
    """Two rounds of about 1000 steps each, from 50 + seed on; in the first half of what is gained in both."""
    folder.mkdir(parents=True)
    rows = [
        {"task": task, "seed": seed, "planner": planner, "variant": variant, "trained": " ".join(trained)}
        | {"round": number, "episode": episode}
        | {"environment_steps": 0 if variant == "nothing_collected" else number * (1000 + 10 * seed)}
        | {"environment_seed": 10000 + episode, "return": 1.0}
        | {"normalised_score": 50 + seed + episode - 1 + GAINS.get(variant, 2.0) * number / 2}
        for variant, trained in (variants | {"nothing_collected": next(iter(variants.values()))}).items()
        for number in range(3)
        for episode in range(3)
    ]
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)


def write_diagnosis(params: dict, folder: Path, seed: int, maze: bool) -> None:
    """Drafts end at 0.3 of the spread, 0.6 with seed 1; ddim's plans are copies, and too much alike."""
    folder.mkdir(parents=True)
    generator, steps = np.random.default_rng(seed), np.arange(1, 16)
    drafts = pd.DataFrame(
        {"step": steps, "drafts": 256, "error": (0.02 + 0.02 * seed) * steps, "spread": 1.0}
    )
    drafts.to_csv(folder / "drafts.csv", index=False)
    plans = pd.DataFrame({"planner": params["run"]["planners"]}).assign(guidance=2.0, nearness=0.9)
    plans = plans.assign(plan_distance=0.4, distance_at_1=0.5).set_index("planner")
    plans.loc["ddim", ["nearness", "plan_distance"]] = 0.01, 0.1
    plans.loc["full_diffusion", "guidance"] = 1.0
    plans.loc["draft", ["guidance", "plan_distance", "distance_at_1"]] = np.nan, 0.0, np.nan
    plans.reset_index().to_csv(folder / "plans.csv", index=False)
    if maze:
        fans = np.linspace(1.0, 0.0, 6)[:, None, None, None] * generator.normal(size=(6, 16, 8, 2))
        np.savez(folder / "fans.npz", ddim=fans, trajectory_diffuser=fans[[0, 2, 5]])
    write_json(folder / "diagnosis.json", {"split": "validation", "commit": "0123456789ab"})


def write_evaluation(
    params: dict, folder: Path, task: str, seed: int, planner: str, generator: np.random.Generator
) -> None:
    folder.mkdir(parents=True)
    row = params["planners"].get(planner, params["planners"]["draft"])
    episodes = 10
    score = (PLANNERS | POLICIES).get(planner, 0) + 3 * seed + generator.normal(0, 8, size=episodes)
    maze = is_maze(task)
    table = {
        "task": task,
        "seed": seed,
        "planner": planner,
        "episode": np.arange(episodes),
        "environment_seed": 10000 + np.arange(episodes),
        "return": 32 * score,
        "normalised_score": score,
        "length": 200 if maze else generator.integers(300, 1001, size=episodes),
        "success": (score > 40).astype(int) if maze else "",
        "wall_crossing_fraction": generator.uniform(0, 0.03, size=episodes) if maze else "",
        "shortest_way": (score > 30).astype(int) if maze else "",
    }
    pd.DataFrame(table).to_csv(folder / "episodes.csv", index=False)
    evaluation = {
        "task": task,
        "seed": seed,
        "planner": planner,
        "values": {"guidance": 1.2, "temperature": 0.5, "target_return": 1.0},
        "target_return": 3450.0,
        "episodes": episodes,
        "runtime": "openvino",
        "precision": "float32",
        "device": "cpu",
        "threads": 1,
        "versions": {"torch": "2.13.0", "mujoco": "3.3.0", "gymnasium": "1.4.0", "numpy": "2.4.6"},
        "commit": "0123456789ab",
    }
    if planner in POLICIES:
        record = {"policy_row": params["policies"][planner]}
        return write_json(folder / "evaluation.json", evaluation | record)
    write_json(folder / "evaluation.json", evaluation | {"planner_row": row})
    horizon = params["tasks"][task]["horizon"]
    executed = maze_path() if maze else hopper_path()
    steps = np.linspace(0, len(executed) - horizon - 1, 6).astype(int)
    plan = np.stack([executed[step : step + horizon] for step in steps])  # [n, horizon, observation]
    noise = generator.normal(0, 0.03, size=plan.shape)
    noise[:, 0] = 0
    draft = plan + 2 * noise if row["start"] == "draft" else np.full_like(plan, np.nan)
    np.savez(folder / "plans.npz", steps=steps, draft=draft, plan=plan + noise, executed=executed)


def write_training_scores(params: dict, folder: Path, task: str, seed: int, planner: str) -> None:
    """Scores of 80 times the share of the training, one more with each seed, and -1, 0, 1, ... about that."""
    folder.mkdir(parents=True)
    rows = [
        {"task": task, "seed": seed, "planner": planner, "fraction": fraction, "episode": episode}
        | {"normalised_score": 80 * fraction + seed + episode - 1}
        for fraction in params["base_training"]["keep_at"]
        for episode in range(params["evaluate_training"]["episodes"])
    ]
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)
    start = ["transformer"] if params["planners"][planner]["start"] == "draft" else []
    refiner = ["diffusion"] if planner != "draft" else []
    record = {"networks": [*start, *refiner, "inverse_dynamics"], "commit": "0123456789ab"}
    write_json(folder / "training_scores.json", record)


def maze_path() -> np.ndarray:
    """States [201, 6] of a walk round the U: position, velocity, goal."""
    along = np.minimum(np.linspace(0, 4.5, 201), 3)
    position = np.stack([np.interp(along, range(4), CORNERS[:, axis]) for axis in range(2)], axis=-1)
    return np.concatenate([position, np.zeros_like(position), np.tile(CORNERS[-1], (201, 1))], axis=-1)


def hopper_path() -> np.ndarray:
    """States [401, 11]: a bouncing height and a swinging torso."""
    time = np.arange(401)
    rest = np.zeros((401, 9))
    return np.column_stack([1.3 + 0.15 * np.sin(time / 8), 0.1 * np.sin(time / 12), rest])
