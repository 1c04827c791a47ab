"""What all training stages share: from prepared data, through the training loop, to an output directory."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from dvclive import Live
from safetensors.torch import save_file
from torch import Tensor, nn

from trajectory_diffuser.common.stage_code import code_hash
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import check_compiler, computing_device, device_type
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.computing.hashing import content_hash
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.computing.times import write_times
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import TransitionSampler, WindowSampler
from trajectory_diffuser.models.building import weights_file
from trajectory_diffuser.training.checkpoint import ROOT, Checkpoint
from trajectory_diffuser.training.loop import Diverged, train
from trajectory_diffuser.training.result import CurveRow, TrainingResult


@contextmanager
def training_run(
    params: dict[str, Any],
    stage: str,
    task: str,
    seed: int,
    task_keys: list[str],
    policy: str | None = None,
) -> Iterator["TrainingRun"]:
    """Load a task's data, hold a device and seed torch, so that networks made in the block are reproducible.

    Args:
        params: all parameters.
        stage: `train_` and the model's name; names the section of the parameters.
        task: name of the task.
        seed: training seed.
        task_keys: the task's settings that this model depends on.
        policy: the row of the policies that is trained, by the stage that trains them all.

    Raises:
        UserError: the data is missing, or a compiler.
    """
    settings, name = params[stage], stage.removeprefix("train_")
    if policy is not None:
        settings, name = settings | params["policies"][policy], f"policies/{policy}"
    check_compiler(f"params.yaml: {stage}.compile", settings["compile"], device_type(params["run"]["device"]))
    dataset = PreparedDataset.load(Path("data/processed") / task)
    task_settings = {key: params["tasks"][task][key] for key in task_keys}
    with computing_device(params["run"], settings["threads"]) as device:
        run = TrainingRun(stage, name, task, seed, settings, task_settings, dataset, device)
        torch.manual_seed(run.random_seed)
        yield run


@dataclass(frozen=True)
class Objective:
    """What a model is trained on, and what for.

    Attributes:
        samplers: of the splits `train` and `validation`.
        loss: scalar loss of the model (in training, or the averaged copy in validation) and a batch, all that
            the sampler returns.
    """

    samplers: Mapping[str, WindowSampler | TransitionSampler]
    loss: Callable[..., Tensor]

    def train(
        self,
        model: nn.Module,
        settings: dict[str, Any],
        seed: int,
        title: str,
        device: torch.device,
        checkpoint: Checkpoint | None = None,
        log: Callable[[CurveRow], None] = lambda row: None,
    ) -> TrainingResult:
        """Train a model on it with a stage's settings; the arguments are those of `training.loop.train`."""
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=settings["precision"] == "bfloat16")

        def loss(model: nn.Module, split: str) -> Tensor:
            with autocast:
                return self.loss(model, *self.samplers[split].sample(settings["batch_size"]))

        validates = not self.samplers["validation"].empty  # whether anything is held out
        return train(model, loss, settings, seed, checkpoint, log, validates, title)


@dataclass(frozen=True)
class TrainingRun:
    """One model of one task and seed in training.

    Attributes:
        stage: the module that trains it.
        name: the model's; its folder below the task's and seed's.
        task: name of the task.
        seed: training seed.
        settings: the stage's section of the parameters, and a policy's row.
        task_settings: the task's settings that the model depends on.
        dataset: the task's prepared data.
        device: where to train.
    """

    stage: str
    name: str
    task: str
    seed: int
    settings: dict[str, Any]
    task_settings: dict[str, Any]
    dataset: PreparedDataset
    device: torch.device

    @property
    def random_seed(self) -> int:
        """What everything random in this run derives from."""
        return derive_seed(f"train_{self.name}", self.seed)

    def train(
        self,
        model: nn.Module,
        objective: "Objective",
        config: dict[str, Any],
        part: str = "",
    ) -> None:
        """Train a model and write `results/runs/{task}/seed{seed}/{name}/`, atomically.

        Args:
            model: initialised, on the device.
            objective: what it is trained on, and its loss.
            config: keyword arguments from which the network that is saved can be built again.
            part: the module of the model that is this network, by its name there; by default the whole model.

        Raises:
            UserError: training diverges, or the data are to blame for it.
        """
        if self.settings["compile"]:
            # In place, and not copied with the model; dropout draws what it draws without compiling.
            model.get_submodule(part).compile(options={"fallback_random": True})
        checkpoint = Checkpoint(ROOT / self.task / f"seed{self.seed}" / self.name, self._identity())
        live = checkpoint.directory / "dvclive"  # to be watched while training goes on
        with _dvclive(live) as log:
            try:
                title = f"{self.name} {self.task} seed {self.seed}"
                result = objective.train(
                    model, self.settings, self.random_seed, title, self.device, checkpoint, log
                )
            except Diverged:
                self.dataset.require_finite()
                raise
        with atomic_directory(Path("results/runs") / self.task / f"seed{self.seed}" / self.name) as directory:
            self._write(directory, result, part, config)
            shutil.copytree(live, directory / "dvclive")
        checkpoint.remove()

    def _identity(self) -> dict[str, Any]:
        """Everything that the outcome depends on, the data as they were read."""
        identity = {"model": self.name, "task": self.task, "seed": self.seed}
        identity |= made_with(self.stage, self.dataset, self.device)
        return self.task_settings | self.settings | identity

    def _write(self, directory: Path, result: TrainingResult, part: str, config: dict[str, Any]) -> None:
        models = {1.0: result.model} | {kept.fraction: kept.model for kept in result.kept}
        for fraction, model in models.items():
            weights = model.get_submodule(part).state_dict()
            contiguous = {key: value.contiguous() for key, value in weights.items()}
            save_file(contiguous, directory / weights_file(fraction))
        record = {"model": config, "task": self.task, "task_settings": self.task_settings}
        record |= {key: self.dataset.provenance[key] for key in ("environment", "action_bounds")}
        record["best_return"] = self.dataset.best_return
        record |= {"normaliser": self.dataset.normaliser.to_json()}
        write_json(directory / "config.json", record)
        pd.DataFrame(result.curves).to_csv(directory / "curves.csv", index=False)
        validated = result.validated
        best = min(validated, key=lambda row: row["validation_loss"], default=None)
        summary = {
            "parameters": sum(weight.numel() for weight in result.model.get_submodule(part).parameters()),
            "steps": self.settings["steps"],
            "kept": [{"fraction": kept.fraction, "step": kept.step} for kept in result.kept],
            "device": self.device.type,
            "threads": torch.get_num_threads(),
            "compile": self.settings["compile"],
            "precision": self.settings["precision"],
            "final_loss": result.curves[-1]["train_loss"],
            "validation_loss": validated[-1]["validation_loss"] if validated else None,
            "best_validation_step": best["step"] if best else None,
            "overfitting_warning": result.overfitting_warning(),
            "undertraining_warning": result.undertraining_warning(),
            "torch": library_versions("torch")["torch"],
            "commit": code_commit(),
        }
        write_json(directory / "training.json", summary)
        moments = [{"fraction": kept.fraction, "seconds": round(kept.seconds, 3)} for kept in result.kept]
        write_times(directory, seconds=round(result.seconds, 3), kept=moments)


def made_with(stage: str, dataset: PreparedDataset, device: torch.device) -> dict[str, str]:
    """What any training depends on beside its settings: a stage's code, the data as read, torch, device."""
    return {
        "code": code_hash(stage),
        "data": content_hash(dataset.arrays | vars(dataset.normaliser)),
        "final_observations": dataset.provenance["final_observations"],
        "torch": torch.__version__,
        "device": device.type,
    }


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
