"""DVC's record of the results, in a fraction of DVC's time where thousands of stages share files and keys.

`dvc commit` and `dvc status` go stage by stage: they hash a folder again for each stage that reads it, and
search all of params.yaml for each key. Here a folder that a stage wrote is hashed once for all of its
readers, and the parameters are looked up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import reduce
from pathlib import Path

from dvc.dependency.base import Dependency
from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.output import OutputDoesNotExistError
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import dump_yaml, load_yaml
from dvc_data.hashfile.tree import Tree

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import PARAMS_FILE
from trajectory_diffuser.computing.files import atomic_file

LOCK = Path("dvc.lock")


def commit() -> None:
    """Record what `dvc commit --force` records: outputs in the cache, stages in dvc.lock and the run cache.

    Raises:
        UserError: an output is missing or does not get into the cache, or another DVC is at work.
    """
    with _described() as repo:
        stages = repo.index.stages
        linked = bool({"hardlink", "symlink"} & set(repo.cache.local.cache_types))  # in place of copies
        for stage in stages:
            stage.commit(relink=linked)
            if not _in_cache(stage):  # DVC only logs what it could not copy
                raise UserError(f"the outputs of {stage.name} do not get into .dvc/cache; is the disk full?")
            repo.stage_cache.save(stage)
        recorded = _recorded()
        own = {stage.name: to_single_stage_lockfile(stage) for stage in stages}
        lock = recorded | {"schema": "2.0", "stages": recorded.get("stages", {}) | own}
        if lock != recorded:
            with atomic_file(LOCK) as work:
                dump_yaml(work, lock)


def changed() -> list[str]:
    """Names of the stages that dvc.lock and the cache do not have as they are now.

    Raises:
        UserError: an output is missing, dvc.lock is damaged, or another DVC is at work.
    """
    with _described() as repo:
        recorded = _recorded().get("stages", {})
        return [
            stage.name
            for stage in repo.index.stages
            if recorded.get(stage.name) != to_single_stage_lockfile(stage) or not _in_cache(stage)
        ]


def _recorded() -> dict:
    """What dvc.lock has; nothing where it is not there."""
    return load_yaml(LOCK) if LOCK.is_file() else {}


@contextmanager
def _described() -> Iterator[Repo]:
    """The project, locked, with its stages' commands, parameters and files as they are now."""
    try:
        # All outputs are in .gitignore already: DVC would read Git's index for each of them.
        with Repo(config={"core": {"no_scm": True}}) as repo, repo.lock:
            _describe(repo.index.stages, load_yaml(PARAMS_FILE))
            yield repo
    except OutputDoesNotExistError as error:
        raise UserError(f"results are not up to date: {error}") from None
    except DvcException as error:
        raise UserError(str(error)) from None


def _describe(stages: list[PipelineStage], params: dict) -> None:
    """Fill in what the files and parameters of all stages are."""
    for stage in stages:
        stage.save_outs()
    outputs = {output.fs_path: output for stage in stages for output in stage.outs}
    for stage in stages:
        for dependency in stage.deps:
            if isinstance(dependency, ParamsDependency):
                dependency.fill_values({key: _value(params, key) for key in dependency.params})
            elif output := outputs.get(dependency.fs_path):
                dependency.hash_info, dependency.meta = output.hash_info, output.meta
            else:
                dependency.save()
            _remember_hash(dependency)
        stage.md5 = stage.compute_md5()


def _remember_hash(dependency: Dependency) -> None:
    """Let the run cache, which asks for it again, have the hash that is known."""
    dependency.get_hash = lambda: dependency.hash_info


def _in_cache(stage: PipelineStage) -> bool:
    """Whether the cache has all files of a stage's outputs that are to be there."""
    for output in stage.outs:
        files = output.obj if isinstance(output.obj, Tree) else []
        hashes = [output.hash_info, *(hash_info for _, _, hash_info in files)]
        if output.use_cache and not all(output.cache.exists(each.value) for each in hashes):
            return False
    return True


def _value(params: dict, key: str) -> object:
    """A copy of what stands under a key such as `tasks.a.horizon` (for shared values YAML has anchors)."""
    try:
        return deepcopy(reduce(lambda values, name: values[name], key.split("."), params))
    except (KeyError, TypeError):
        raise UserError(f"{PARAMS_FILE}: {key} is missing, which a stage depends on") from None
