"""One training stage from prepared data to its output directory."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from dvclive import Live
from safetensors.torch import save_file
from torch import nn

from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import check_compiler, device_type
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.training.acceleration import accelerated_loss
from trajectory_diffuser.training.checkpoint import ROOT, Checkpoint
from trajectory_diffuser.training.loop import CurveRow, Loss, TrainingResult, train
from trajectory_diffuser.training.parallel import rank, sharing, training_devices


@dataclass
class Objective:
    """What a stage trains.

    Attributes:
        model: the network in training.
        loss: see `training.loop.train`.
        validate: whether there are held-out episodes.
        config: keyword arguments from which the network that is saved can be built again.
        network: the network in the model, which is what is compiled and saved; by default all of it.
    """

    model: nn.Module
    loss: Loss
    validate: bool
    config: dict[str, Any]
    network: Callable[[nn.Module], nn.Module] = lambda model: model


def run_training(
    params: dict[str, Any],
    stage: str,
    task: str,
    seed: int,
    task_keys: list[str],
    build: Callable[[PreparedDataset, torch.device], Objective],
) -> None:
    """Train one model and write `results/runs/{task}/seed{seed}/{model}/`, atomically.

    Args:
        params: all parameters.
        stage: `train_` and the model's name; names the section of the parameters.
        task: name of the task.
        seed: training seed.
        task_keys: the task's settings that this model depends on.
        build: makes the objective from the prepared data, on the device.

    Raises:
        UserError: the data is missing, a compiler is asked for but missing, or training diverges.
    """
    settings, name = params[stage], stage.removeprefix("train_")
    check_compiler(f"params.yaml: {stage}.compile", settings["compile"], device_type(params["run"]["device"]))
    dataset = PreparedDataset.load(Path("data/processed") / task)
    task_settings = {key: params["tasks"][task][key] for key in task_keys}
    run_seed = derive_seed(stage, seed)
    with training_devices(params["run"], settings["threads"]) as devices, sharing(devices):
        device = devices[0]
        identity = [
            stage,
            task,
            seed,
            task_settings,
            settings,
            dataset.provenance["content_hash"],
            str(device.type),
            params["run"]["processes_per_training"],
        ]
        fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        checkpoint = Checkpoint(ROOT / task / f"seed{seed}" / name, fingerprint)
        torch.manual_seed(run_seed)
        objective = build(dataset, device)
        started = time.perf_counter()
        title = f"{name} {task} seed {seed}"
        curves = checkpoint.directory / "dvclive"  # to be watched while training goes on
        with _dvclive(curves) if rank() == 0 else nullcontext(lambda row: None) as log:
            result = train(
                objective.model,
                accelerated_loss(objective.loss, objective.network(objective.model), settings, device),
                settings,
                run_seed,
                checkpoint,
                log,
                objective.validate,
                title,
            )
        if rank() > 0:
            return
        summary = {
            "parameters": sum(parameter.numel() for parameter in objective.model.parameters()),
            "steps": settings["steps"],
            "seconds": round(time.perf_counter() - started, 1),
            "device": device.type,
            "threads": torch.get_num_threads(),
            "processes": params["run"]["processes_per_training"],
            "compile": settings["compile"],
            "precision": settings["precision"],
        }
    with atomic_directory(Path("results/runs") / task / f"seed{seed}" / name) as directory:
        network = objective.network(result.model)
        save_file(
            {key: value.contiguous() for key, value in network.state_dict().items()},
            directory / "model.safetensors",
        )
        write_json(
            directory / "config.json",
            {
                "model": objective.config,
                "task": task,
                "task_settings": task_settings,
                "normaliser": dataset.normaliser.to_json(),
            },
        )
        write_json(directory / "training.json", summary | _validation_summary(result) | _origin())
        pd.DataFrame(result.curves).to_csv(directory / "curves.csv", index=False)
        shutil.copytree(curves, directory / "dvclive")
    checkpoint.remove()


def _validation_summary(result: TrainingResult) -> dict[str, Any]:
    measured = [row for row in result.curves if row["validation_loss"] is not None]
    best = min(measured, key=lambda row: row["validation_loss"], default=None)
    return {
        "final_loss": result.curves[-1]["train_loss"],
        "validation_loss": measured[-1]["validation_loss"] if measured else None,
        "best_validation_step": best["step"] if best else None,
        "overfitting_warning": result.overfitting_warning(),
    }


def _origin() -> dict[str, str]:
    return {"torch": library_versions("torch")["torch"], "commit": code_commit()}


@contextmanager
def _dvclive(directory: Path) -> Iterator[Callable[[CurveRow], None]]:
    """Yield a function that logs a row of the curves; a resumed run writes the directory anew."""
    # Several jobs run side by side, so DVCLive must touch neither dvc.yaml nor the experiment.
    with Live(str(directory), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False) as live:

        def log(row: CurveRow) -> None:
            live.step = int(row["step"] or 0)
            for metric, value in row.items():
                if metric != "step" and value is not None:
                    live.log_metric(metric, value)
            live.make_summary()

        yield log
