"""The planner that programs use, with what the Hugging Face hub's models have.

Apart from `planning.planner`, on which it stands: stages do without the hub, and importing it takes time.
"""

import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelHubMixin, snapshot_download
from huggingface_hub.errors import HFValidationError, HTTPError, RepositoryNotFoundError

from trajectory_diffuser.common.errors import UserError, explained, reason
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.computing.manifest import MANIFEST, require_intact, write_manifest
from trajectory_diffuser.models.building import NETWORKS
from trajectory_diffuser.planning.agent import SAVED, find_row
from trajectory_diffuser.planning.planner import Planner as LoadedPlanner
from trajectory_diffuser.sharing.run_folder import copy_run

CARD, PROVENANCE = "README.md", "provenance.json"
DEPTH = 3  # of a run below the folder of the project: results/runs/{task}/seed{seed}
ARGUMENTS = ("target_return", "guidance")  # of `load` that stand in the row's place
AGAIN = "snakemake --cores 8, or copy the folder again"
TEMPLATE = """---
{{ card_data }}
---

# {{ task }}

The four networks of Trajectory Diffuser ([arXiv 2407.16142](https://arxiv.org/abs/2407.16142)), trained for
`{{ environment }}`, and the planner `{{ planner }}`. Evaluated with these networks: {{ evaluated }}.

```python
from trajectory_diffuser import Planner

planner = Planner.from_pretrained("{{ repository }}")
action = planner.act(observation, reward)  # the reward of the previous action, None at first
```
"""


class Planner(
    ModelHubMixin,
    LoadedPlanner,
    model_card_template=TEMPLATE,
    library_name="trajectory-diffuser",
    pipeline_tag="reinforcement-learning",
    tags=["offline-rl", "planning", "diffusion"],
):
    """See `planning.planner.Planner`; it can also be saved, pushed to the hub and loaded from there.

    What is saved is the folder that it was loaded from: networks, evaluated planners, the data's provenance,
    the card where there is one. `config.json` says which planner it was, and what `load` was told.
    """

    _run: Path | None = None  # where it was loaded from
    _saved: dict[str, Any]  # what `SAVED` says
    _networks: dict[str, Any]  # their manifests, as they were then

    @classmethod
    def load(
        cls, run_directory: Path | str, planner: str = "trajectory_diffuser", **arguments: Any
    ) -> "Planner":
        """See `planning.planner.Planner.load`."""
        made, run = super().load(run_directory, planner, **arguments), Path(run_directory).resolve()
        row, precision = find_row(run, made.units.task, "planner", planner)
        given = {key: arguments[key] for key in ARGUMENTS if arguments.get(key) is not None}
        made._run = run
        # `values` are in the place of what the row leaves to tuning: none, as it is settled.
        made._saved = {"planner": planner, "planner_row": row, "values": {}, "precision": precision}
        made._saved["arguments"] = given
        made._networks = _manifests(run)
        return made

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, *, planner: str | None = None, **arguments: Any
    ) -> "Planner":
        """A planner from the hub, or from a folder.

        Args:
            pretrained_model_name_or_path: "user/name", or a folder that `save_pretrained` wrote or that
                `load` takes.
            planner: as for `load`; by default the one that was saved.
            **arguments: the others of `load`, and the mixin's: `revision`, `token`, `cache_dir`,
                `force_download`, `local_files_only`.

        Raises:
            UserError: there is no such folder or model, the hub cannot be reached, or a file is damaged.
        """
        name = pretrained_model_name_or_path
        try:
            return super().from_pretrained(name, planner=planner, **arguments)
        except RepositoryNotFoundError:
            message = (
                "no folder here and no model on the hub, or a private one: check the name, or give a token"
            )
        except HFValidationError:
            message = "no folder here, and on the hub a name is user/name"
        except (OSError, ValueError, HTTPError) as error:
            message = f"cannot be loaded ({reason(error)[:300]}); try again with force_download=True"
        raise UserError(f"{name}: {message}")

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        planner: str | None,
        config: dict[str, Any] | None = None,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **arguments: Any,
    ) -> "Planner":
        """Load from a folder, or from what is downloaded once all of it is as it was written."""
        if config is not None and "planner_row" not in config:  # seen before the rest is downloaded
            raise UserError(f"{model_id}: another project's model, {SAVED} names no planner; check the name")
        folder = Path(model_id)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    model_id,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                )
            )
            for manifest in sorted(folder.rglob(MANIFEST)):
                require_intact(manifest.parent, f"from_pretrained({model_id!r}, force_download=True)")
        chosen = {"planner": planner} if planner else {}
        if config is not None and planner in (None, config["planner"]):
            chosen = {"planner": config["planner"]} | config["arguments"]
        return cls.load(folder, **chosen | arguments)

    def save_pretrained(self, save_directory: str | Path, **arguments: Any) -> str | None:
        """Write a folder that `load` and `from_pretrained` read.

        Args:
            save_directory: does not exist yet, or is empty.
            **arguments: the mixin's: `push_to_hub`, `repo_id` and those of `push_to_hub`.

        Raises:
            UserError: the folder holds something, or what the planner was loaded from is not there any more.
        """
        if Path(save_directory).exists() and any(Path(save_directory).iterdir()):
            raise UserError(f"{save_directory}: holds something already; name a new folder")
        if self._run is None:
            raise UserError("save_pretrained: only a planner from `load` or `from_pretrained` can be saved")
        with explained(lambda why: f"{self._run}: not there as it was loaded ({why}); load it again"):
            manifests = _manifests(self._run)
        for name, manifest in manifests.items():
            if manifest != self._networks[name]:
                raise UserError(
                    f"{self._run / name}: written anew since this planner was loaded; load it again"
                )
        return super().save_pretrained(save_directory, **arguments)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Everything but a card for what has none, which the mixin writes; or nothing, where it fails."""
        folder, run = save_directory, self._run
        try:
            write_json(folder / SAVED, self._saved)
            project = [*run.parents][DEPTH : DEPTH + 1]
            for origin in (run, *(each / "data/processed" / self.units.task for each in project)):
                if (origin / PROVENANCE).exists():
                    shutil.copyfile(origin / PROVENANCE, folder / PROVENANCE)
                    break
            write_manifest(folder)  # of these two: what else is in folders has its own, a card may be edited
            copy_run(run, folder, AGAIN)
            if (run / CARD).exists():
                shutil.copyfile(run / CARD, folder / CARD)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def push_to_hub(self, repo_id: str, **arguments: Any) -> str:
        """Upload what `save_pretrained` writes, and return the address of the commit.

        Args:
            repo_id: "user/name"; made where it is not there yet.
            **arguments: the mixin's: `private`, `token`, `branch`, `commit_message` and others.

        Raises:
            UserError: as for `save_pretrained`, or the hub refuses it or cannot be reached.
        """
        card = {"repository": repo_id} | (arguments.pop("model_card_kwargs", None) or {})
        try:
            return super().push_to_hub(repo_id, model_card_kwargs=card, **arguments)
        except (OSError, ValueError, RuntimeError, HTTPError) as error:
            raise UserError(
                f"{repo_id}: cannot be pushed ({reason(error)[:300]}); `hf auth login` stores a token"
            ) from None

    def generate_model_card(self, **facts: Any) -> ModelCard:
        """The card of a planner that was loaded from a folder without one."""
        records = sorted(self._run.glob("evaluation/*/evaluation.json"))
        evaluated = [f"`{path.parent.name}`" for path in records if "planner_row" in read_json(path)]
        ours = {
            "task": self.units.task,
            "environment": self.environment["id"],
            "planner": self._saved["planner"],
            "evaluated": ", ".join(evaluated) or "none",
            "repository": "user/name",
        }
        return super().generate_model_card(**ours | facts)


def _manifests(run: Path) -> dict[str, Any]:
    """Each network's list of files with their digests."""
    return {name: read_json(run / name / MANIFEST) for name in NETWORKS}
