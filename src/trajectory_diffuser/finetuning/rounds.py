"""The rounds of online fine-tuning: collect with the planner, train its networks on, evaluate.

Every variant trains some of the planner's networks and leaves the others as they are; the control collects
nothing. All begin with the same offline data and weights, and their environments and noise are the same.
Normaliser, return scale and held-out episodes stay those of the offline data; the return that is asked for
follows the best one in the grown data.
"""

import copy
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import torch

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.hashing import content_hash
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import make_planner, planner_of, run_directory, tuned_row
from trajectory_diffuser.evaluation.episodes import evaluate_episodes
from trajectory_diffuser.evaluation.rollout import run_episodes
from trajectory_diffuser.finetuning.growing import Collector, with_episodes
from trajectory_diffuser.finetuning.variants import CONTROL, trained_networks
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.training.checkpoint import ROOT, Checkpoint
from trajectory_diffuser.training.result import TrainingResult
from trajectory_diffuser.training.run import made_with


@dataclass
class Finetuning:
    """The online fine-tuning of one planner on one task with the models of one seed.

    Args:
        params: all parameters; `finetune` is the protocol.
        task: name of the task.
        seed: training seed of the models.
        planner: name of the planner.
        stages: the module of the stage that trains each network, by the network's name; see its `objective`.
        device: to plan and train on.

    Every training has a checkpoint until `forget`: a run that was killed takes the networks from there, and
    collects and evaluates anew.

    Attributes:
        scores: a table for each evaluation, a row per episode: what `evaluate_episodes` says of it, variant,
            trained (its networks), round, environment_steps (that were collected until then).
        collected: likewise for each rollout, of which the control has none: variant, round, episode,
            environment_seed, return, length.
        curves: likewise for each training, a row per logged step: variant, round, network, and its losses.
        runtime: what the networks run on.
    """

    params: dict[str, Any]
    task: str
    seed: int
    planner: str
    stages: Mapping[str, ModuleType]
    device: torch.device
    scores: list[pd.DataFrame] = field(default_factory=list)
    collected: list[pd.DataFrame] = field(default_factory=list)
    curves: list[pd.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = self.params["finetune"]
        self.row = tuned_row(self.params, self.task, self.seed, self.planner)
        self.exploring = self.row | self.settings["exploration"]
        self.runtime = Runtime.from_params(self.params, self.device)
        self.checkpoints = ROOT / self.task / f"seed{self.seed}" / "finetuning" / self.planner

    def run(self) -> None:
        """Go through all rounds of all variants.

        Raises:
            UserError: data or models are missing or damaged, no variant trains what the planner calls, or a
                training diverges.
        """
        models = PlanningModels.load(run_directory(self.task, self.seed), self.device)
        offline = PreparedDataset.load(f"data/processed/{self.task}")
        called = PlannerSettings.from_row(self.exploring, models.diffusion.diffusion_steps).networks
        variants = trained_networks(self.settings["variants"], called)
        if not variants:
            known = ", ".join(called)
            raise UserError(f"finetune.variants: none trains what {self.planner} calls; name one of: {known}")
        # What no training has touched yet is the same in every variant.
        start = self._evaluate(models, self.runtime, "offline")
        first = self._collect(models, self.runtime, 1, "offline")
        for variant, trained in variants.items():
            networks, runtime, data, steps = models, self.runtime.copy(), offline, 0
            self._note(start, variant, trained, 0, steps)
            for number in range(1, self.settings["rounds"] + 1):
                title = f"{variant}, round {number} of {self.settings['rounds']}"
                if variant != CONTROL:
                    episodes = first if number == 1 else self._collect(networks, runtime, number, title)
                    data, steps = with_episodes(data, episodes), steps + sum(map(len, episodes))
                    self.collected.append(_returns(episodes).assign(variant=variant, round=number))
                about = made_with("finetune", data, self.device) | {"threads": self.settings["threads"]}
                place = self.checkpoints / variant / f"round{number}"
                new = {}
                for name in trained:
                    result = self._train(name, networks, data, number, about, place / name, title)
                    curves = pd.DataFrame(result.curves)
                    self.curves.append(curves.assign(variant=variant, round=number, network=name))
                    new[name] = result.model.eval().requires_grad_(False)
                networks = replace(networks, best_return=data.best_return, **new)
                self._note(self._evaluate(networks, runtime, title), variant, trained, number, steps)

    def forget(self) -> None:
        """Delete the checkpoints, once what they were for is written."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _collect(self, models: PlanningModels, runtime: Runtime, number: int, title: str) -> list[Episode]:
        """The episodes of a round, in environments of its own."""
        count = self.settings["episodes"]
        first = self.settings["first_environment_seed"] + (number - 1) * count
        collector = Collector(range(first, first + count))
        noise_seed = derive_seed("finetune", self.seed, self.planner, number)
        agent = planner_of([self.exploring], models, runtime, noise_seed)
        environment, seeds = self.params["tasks"][self.task]["environment"], list(collector.seeds)
        run_episodes(agent, environment, seeds, None, f"{self._title(title)}, collecting", collector.record)
        return collector.episodes()

    def _train(
        self,
        name: str,
        models: PlanningModels,
        data: PreparedDataset,
        number: int,
        about: dict[str, Any],
        place: Path,
        title: str,
    ) -> TrainingResult:
        """A network trained on with the grown data, as its stage trains it but for the number of steps.

        `about` is what all networks of the round depend on, `place` where this one's checkpoint lies.
        """
        settings = self.params[f"train_{name}"] | {"steps": self.settings["steps"][name], "keep_at": []}
        objective = self.stages[name].objective(self.params, self.task, data, self.device)
        model = copy.deepcopy(getattr(models, name)).requires_grad_(True)
        weights = model.state_dict().items()
        seed = derive_seed("finetune", name, self.seed, number)
        task = {key: value for key, value in self.params["tasks"][self.task].items() if key != "note"}
        identity = about | {"task": task, "settings": settings, "seed": seed}
        identity |= {"weights": content_hash({key: each.numpy(force=True) for key, each in weights})}
        title = f"{self._title(title)}, {name}"
        return objective.train(model, settings, seed, title, self.device, Checkpoint(place, identity))

    def _evaluate(self, models: PlanningModels, runtime: Runtime, title: str) -> pd.DataFrame:
        cell = (self.params, self.task, self.seed, self.planner)
        make_agent = partial(make_planner, *cell, models, runtime)
        episodes, name = self.settings["evaluation_episodes"], f"{self.planner}, {title}, evaluating:"
        table, _ = evaluate_episodes(self.params, self.task, self.seed, name, make_agent, episodes)
        return table.assign(planner=self.planner)

    def _note(self, table: pd.DataFrame, variant: str, trained: list[str], number: int, steps: int) -> None:
        where = {"variant": variant, "trained": " ".join(trained), "round": number}
        self.scores.append(table.assign(**where, environment_steps=steps))

    def _title(self, title: str) -> str:
        return f"{self.planner} {self.task} seed {self.seed}, {title}"


def _returns(episodes: list[Episode]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "episode": range(len(episodes)),
            "environment_seed": [episode.seed for episode in episodes],
            "return": [float(episode.rewards.sum()) for episode in episodes],
            "length": [len(episode) for episode in episodes],
        }
    )
