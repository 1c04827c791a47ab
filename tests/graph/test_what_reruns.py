"""A change re-runs what it concerns and nothing else, and one engine can adopt the other's results.

The results here are placeholders: empty but for one file each.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch

import pytest
from dvc.repo import Repo
from graphs import DVC_ALONE, snakemake_graph
from project import Project

from trajectory_diffuser.common.stage_code import code_hash, stages
from trajectory_diffuser.computing.files import atomic_directory

LIBRARY = "src/trajectory_diffuser"
CODE = None  # an edit of a module that adds a comment
BY_ALL_TUNINGS = ["evaluate_plans@*", "evaluate_experiment@*"]
MEASURED = ["measure_latency@*", "measure_experiment@*"]
HOPPER, REPLAY = "hopper-medium-expert", "hopper-medium-replay"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose results Snakemake has made and DVC has adopted: two of everything, but one seed."""
    project = Project(tmp_path_factory.mktemp("finished") / "copy")
    file = project.folder / "params.yaml"
    text = file.read_text().replace("seeds: [0, 1, 2]", "seeds: [0]")
    text = text.replace(f"\n  tasks: [{HOPPER}]", f"\n  tasks: [{HOPPER}, {REPLAY}]")
    text = re.sub(r"\n  planners: .*", "\n  planners: [trajectory_diffuser, ddim]", text, count=1)
    text = re.sub(r"\n  policies: .*", "\n  policies: [behaviour_cloning, best_tenth_cloning]", text, count=1)
    text = text.replace("\n  experiments: []", "\n  experiments: [refinement]")
    text = text.replace("\n  experiment_tasks: []", f"\n  experiment_tasks: [{HOPPER}, {REPLAY}]")
    text = re.sub(r"(evaluate_training:\n  planners:) .*", r"\1 [ddim]", text)
    finetuned = rf"\1\n  tasks: [{HOPPER}, {REPLAY}]\n  planners: [ddim]"
    text = re.sub(r"(\nfilm: .*\n  planners:) .*", r"\1 [ddim]", text)
    file.write_text(re.sub(r"(\nfinetune: .*)\n  tasks: .*\n  planners: .*", finetuned, text))
    for job in snakemake_graph(project):
        for output in job["outputs"]:
            with atomic_directory(project.folder / output) as folder:  # with its manifest
                (folder / "placeholder.txt").write_text(output)
                if output == "results/report":  # declared as DVC's metrics
                    for metrics in ("metrics.json", "answers.json"):
                        (folder / metrics).write_text("{}")
    touched = project.run("snakemake", "--touch", "--forceall", "--cores", "1")
    assert touched.returncode == 0, touched.stderr
    agreed = project.run("python", "workflow/scripts/agree.py", "--from", "snakemake")
    assert agreed.returncode == 0, agreed.stderr
    project.commit()  # with dvc.lock
    return project


@contextmanager
def edited(project: Project, *edits: tuple[str, str | None, str | None]) -> Iterator[None]:
    """The project with a text of each file replaced (or, with CODE, a comment added), and then as it was."""
    paths = {project.folder / file for file, _, _ in edits}
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    for file, old, new in edits:
        if old is CODE:
            path = project.folder / file
            path.write_text(path.read_text() + "# changed\n")
        else:
            project.replace(old, new, file)
    try:
        yield
    finally:
        for path, (content, time) in before.items():
            path.write_bytes(content)
            os.utime(path, ns=(time, time))
        write_hashes(project)


def jobs_of(project: Project) -> dict[str, bool]:
    """Snakemake's jobs, by DVC's names for them, and whether it would run them."""
    return {
        "@".join(filter(None, [job["rule"], "-".join(job["wildcards"].values())])): job["needed"]
        for job in snakemake_graph(project)
    }


def changed_for_dvc(project: Project) -> set[str]:
    """Stages whose own dependencies differ for DVC; those that merely follow are not among them."""
    if "hash_code" in differing(project):
        write_hashes(project)
    return differing(project) - set(DVC_ALONE)


def differing(project: Project) -> set[str]:
    """The stages that `dvc status` names."""
    with Repo(str(project.folder)) as repo:
        return {name.rpartition(":")[2] for name in repo.status()}


def write_hashes(project: Project) -> None:
    """What the stage hash_code does."""
    for stage in stages(project.folder):
        text = f"{code_hash(stage, project.folder)}\n"
        (project.folder / "results" / "code" / f"{stage}.txt").write_text(text)


def code(*modules: str) -> list[tuple[str, None, None]]:
    """Edits of the library's modules."""
    return [(f"{LIBRARY}/{module}", CODE, CODE) for module in modules]


def by_planners(cells: str = "*") -> list[str]:
    """The tunings, evaluations and fine-tunings of planners, with kept weights and in experiments too."""
    return [
        f"*tune@{cells}",
        *(f"evaluate{what}@{cells}" for what in ("", "_training", "_plans", "_experiment")),
    ]


def measured(task: str) -> list[str]:
    """What is timed on a task with trained networks."""
    return [f"measure_latency@{task}-*", f"measure_experiment@{task}-*"]


def params(old: str, new: str) -> list[tuple[str, str, str]]:
    """An edit of params.yaml: the first `old` becomes `new`."""
    return [("params.yaml", old, new)]


# What is edited; the jobs that it concerns itself (all that DVC names); the jobs that then follow.
EDITS = {
    "error text and schema": (
        [
            *code("common/errors.py", "common/params.py"),
            (f"{LIBRARY}/common/params.schema.yaml", CODE, CODE),
            ("workflow/code.yaml", CODE, CODE),
        ],
        [],
        [],
    ),
    "completion of the parameters": (code("common/completion.py"), ["*"], []),
    "code that a stage uses too": (
        [("workflow/code.yaml", "train_value: [datasets", "train_value: [diffusion, datasets")],
        ["train_value@*"],
        [*by_planners(), "finetune@*", *MEASURED, "film@*", "make_report"],
    ),
    "source module": (
        code("collecting/sources/d4rl.py"),
        ["fetch_dataset@*", "prepare_dataset@*", "finetune@*"],
        ["*"],
    ),
    "environments code": (
        code("environments/environment.py"),
        [
            "fetch_dataset@*",
            "prepare_dataset@*",
            "*tune*@*",
            "evaluate*@*",
            "measure_experiment@*",
            "film@*",
            "make_report",
        ],
        ["*"],
    ),
    "windows code": (
        code("datasets/windows.py"),
        ["prepare_dataset@*", "train_*", "*tune*@*", "evaluate*@*", "measure_*@*", "film@*"],
        ["make_report"],
    ),
    "networks' code": (
        code("models/temporal_unet.py"),
        ["train_*", "*tune*@*", "evaluate*@*", "measure_*@*", "film@*"],
        ["make_report"],
    ),
    "training code": (
        code("training/loop.py"),
        ["train_*", "finetune@*"],
        ["tune*@*", "evaluate*@*", *MEASURED, "film@*", "make_report"],
    ),
    "planning code": (
        code("planning/planner.py"),
        ["*tune*@*", "evaluate*@*", "measure_*@*", "film@*"],
        ["make_report"],
    ),
    "report code": (code("reporting/page.py"), ["make_report"], []),
    "evaluation with kept weights": (
        [("src/evaluate_training.py", CODE, CODE)],
        ["evaluate_training@*"],
        ["make_report"],
    ),
    "stage module": (
        [("src/train_value.py", CODE, CODE)],
        ["train_value@*", "finetune@*"],
        [*by_planners(), *MEASURED, "film@*", "make_report"],
    ),
    "data of a task": (
        params("[replay], noise: 0.5", "[replay], noise: 0.4"),
        [f"fetch_dataset@{REPLAY}", "make_report"],
        [f"*@{REPLAY}*"],
    ),
    "history of a task": (
        params("history: 8", "history: 6"),
        [f"train_transformer@{HOPPER}-*", f"finetune@{HOPPER}-*", f"measure_scaling@{HOPPER}", "make_report"],
        [*by_planners(f"{HOPPER}-*"), *measured(HOPPER), f"film@{HOPPER}"],
    ),
    "horizon of a task": (
        params("horizon: 16", "horizon: 32"),
        [
            f"train_transformer@{HOPPER}-*",
            f"train_diffusion@{HOPPER}-*",
            f"finetune@{HOPPER}-*",
            f"measure_scaling@{HOPPER}",
            "make_report",
        ],
        [*by_planners(f"{HOPPER}-*"), *measured(HOPPER), f"film@{HOPPER}"],
    ),
    "trials": (
        params("episodes: 32", "episodes: 64"),
        ["tune*@*"],
        ["evaluate*@*", "finetune@*", *MEASURED, "film@*", "make_report"],
    ),
    "grid of tuning": (
        params("target_return: [1.0, 1.2]", "target_return: [1.0, 1.1]"),
        ["tune*@*", "measure_scaling@*"],
        ["evaluate*@*", "finetune@*", *MEASURED, "film@*", "make_report"],
    ),
    "tuning's module": (
        [("src/tune.py", CODE, CODE)],
        ["tune@*"],
        [
            *("evaluate@*", "evaluate_training@*", "finetune@*", *BY_ALL_TUNINGS),
            *(*MEASURED, "film@*", "make_report"),
        ],
    ),
    "base of the planners": (
        params("temperature: tuned", "temperature: 0.4"),
        [*by_planners(), "measure_*@*", "film@*"],
        ["make_report"],
    ),
    "planner": (
        params("sampler: ddim}", "sampler: ddim, refine_steps: 6}"),
        ["*tune@*-ddim", "evaluate*@*-ddim", *BY_ALL_TUNINGS, "measure_*@*", "film@*", "make_report"],
        [],
    ),
    "planner that is its base": (
        params("trajectory_diffuser: {}", "trajectory_diffuser: {candidates: 2}"),
        [
            *("tune@*-trajectory_diffuser", "evaluate*@*-trajectory_diffuser"),
            *(*BY_ALL_TUNINGS, "measure_*@*", "film@*", "make_report"),
        ],
        [],
    ),
    "policy": (
        params("best_tenth_cloning: {best_fraction: 0.1}", "best_tenth_cloning: {best_fraction: 0.2}"),
        [
            *(
                f"{stage}@*-best_tenth_cloning"
                for stage in ("train_policy", "tune_policy", "evaluate_policy")
            ),
            "measure_latency@*",
            "make_report",
        ],
        ["film@*"],
    ),
    "base of the policies": (
        params("return_conditioned: false", "return_conditioned: true"),
        ["train_policy@*", "tune_policy@*", "evaluate_policy@*", "measure_latency@*"],
        ["film@*", "make_report"],
    ),
    "training of the policies": (
        params("train_policy:\n  width: 256", "train_policy:\n  width: 128"),
        ["train_policy@*"],
        ["tune_policy@*", "evaluate_policy@*", "measure_latency@*", "film@*", "make_report"],
    ),
    "rival": (params("iql: {steps: 500000}", "iql: {steps: 400000}"), ["make_report"], []),
    "claim": (params("times: 3.0", "times: 4.0"), ["make_report"], []),
    "base of the trainings": (
        params("ema_decay: 0.995", "ema_decay: 0.99"),
        ["train_*", "finetune@*"],
        ["tune*@*", "evaluate*@*", *MEASURED, "film@*", "make_report"],
    ),
    "moments at which weights are kept": (
        params("keep_at: [0.125", "keep_at: [0.2"),
        ["train_*", "evaluate_training@*", "finetune@*"],
        [
            *("tune*@*", "evaluate@*", "evaluate_policy@*", *BY_ALL_TUNINGS),
            *(*MEASURED, "film@*", "make_report"),
        ],
    ),
    "episodes with kept weights": (
        params("ddim]\n  episodes: 5", "ddim]\n  episodes: 6"),
        ["evaluate_training@*", "make_report"],
        [],
    ),
    "episodes": (
        params("episodes: 10\n", "episodes: 11\n"),
        ["evaluate@*", "evaluate_policy@*"],
        ["make_report"],
    ),
    "fine-tuning": (params("rounds: 4", "rounds: 3"), ["finetune@*", "make_report"], []),
    "fine-tuning's code": (code("finetuning/rounds.py"), ["finetune@*"], ["make_report"]),
    "experiment": (
        params("refine_steps: [0, 1, 2, 5", "refine_steps: [0, 1, 2, 6"),
        ["evaluate_experiment@*", "measure_experiment@*", "make_report"],
        [],
    ),
    "a task's own training": (
        params("    training: {}\n", "    training: {train_value: {steps: 7}}\n"),  # of the first task
        [f"train_*@{HOPPER}-*", f"finetune@{HOPPER}-*", f"measure_scaling@{HOPPER}", "make_report"],
        [*by_planners(f"{HOPPER}-*"), f"*_policy@{HOPPER}-*", *measured(HOPPER), f"film@{HOPPER}"],
    ),
    "one training": (
        params("label_dropout: 0.25", "label_dropout: 0.2"),
        ["train_diffusion@*", "finetune@*", "measure_scaling@*"],
        [*by_planners(), *MEASURED, "film@*", "make_report"],
    ),
    "timing": (
        params("repetitions: 20", "repetitions: 10"),
        [*MEASURED],
        ["film@*", "make_report"],
    ),
    "scaling": (params("horizons: [8", "horizons: [16"), ["measure_scaling@*"], ["make_report"]),
    "film": (params("seconds: 4.0", "seconds: 3.0"), ["film@*"], ["make_report"]),
    "film's code": (code("filming/picture.py"), ["film@*"], ["make_report"]),
    "tasks of the scaling": (
        params(f"networks\n  tasks: [{HOPPER}, {REPLAY}]", f"networks\n  tasks: [{HOPPER}]"),
        ["make_report"],
        [],
    ),
}


# Each takes some seconds: every third one, or all with `make test-reruns`.
TRIED = list(EDITS)[:: 1 if "EVERY_EDIT" in os.environ else 3]


@pytest.mark.parametrize(("edits", "concerned", "following"), [EDITS[name] for name in TRIED], ids=TRIED)
def test_an_edit_reruns_what_it_concerns(
    finished: Project, edits: list, concerned: list[str], following: list[str]
) -> None:
    with edited(finished, *edits):
        jobs, changed = jobs_of(finished), changed_for_dvc(finished)

    def named(patterns: list[str]) -> set[str]:
        return {name for name in jobs if any(fnmatch(name, pattern) for pattern in patterns)}

    assert all(named([pattern]) for pattern in [*concerned, *following])
    assert changed == named(concerned)
    assert {name for name, needed in jobs.items() if needed} == named(concerned + following)


def test_after_one_engine_the_other_has_nothing_to_do(finished: Project) -> None:
    assert not any(jobs_of(finished).values())
    assert changed_for_dvc(finished) == set()


def test_agreement_is_refused_after_an_edit_without_a_run(finished: Project) -> None:
    with edited(finished, *params("confidence: 0.95", "confidence: 0.9")):
        for engine in ("snakemake", "dvc"):
            done = finished.run("python", "workflow/scripts/agree.py", "--from", engine)
            assert done.returncode == 1
            assert done.stderr.startswith("error: results are not up to date")
        assert [name for name, needed in jobs_of(finished).items() if needed] == ["make_report"]
