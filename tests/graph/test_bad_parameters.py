"""A mistake in params.yaml ends either engine with one clear line before anything is written."""

import json

import pytest
from project import Project

MISTAKES = {
    "misspelt key": ("label_dropout:", "label_dropuot:", "train_diffusion: unknown key 'label_dropuot'"),
    "unknown planner": ("planners: [draft", "planners: [drafts", "run.planners: 'drafts' has no entry"),
}


def check(project: Project, command: list[str], problem: str) -> None:
    """The command fails, one line of what it prints names the problem, and the project holds nothing new."""
    done = project.run(*command)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: params.yaml: ") and problem in lines[0]
    assert "Traceback" not in done.stderr
    assert not (project.folder / "results").exists()
    assert {path.name for path in (project.folder / "data").iterdir()} == {"behaviour", "external"}


# What the check says of every other mistake: tests/unit/params.
CASES = [(command, mistake) for command in ("snakemake --cores 1", "dvc repro") for mistake in MISTAKES]


@pytest.mark.parametrize(("command", "mistake"), CASES)
def test_a_mistake_ends_the_engine_with_one_line(project: Project, command: str, mistake: str) -> None:
    project.reset()
    old, new, problem = MISTAKES[mistake]
    project.replace(old, new)
    check(project, command.split(), problem)


# What a shell, a command's arguments or a reader of lines would take for something else than a name.
@pytest.mark.parametrize("command", ["snakemake --cores 1", "dvc repro"])
def test_a_hostile_name_runs_nothing(project: Project, command: str) -> None:
    name = "$(touch canary)"
    project.reset()
    params = project.folder / "params.yaml"
    params.write_text(params.read_text().replace("hopper-medium-expert", json.dumps(name)))
    check(project, command.split(), f"tasks: {name!r} is not valid")
    assert not list(project.folder.rglob("canary*"))


def test_a_missing_key_ends_snakemake_with_one_line(project: Project) -> None:
    project.reset()
    project.replace("  seeds: [0, 1, 2]\n", "")
    check(project, ["snakemake", "--cores", "1"], "run: key 'seeds' is missing")
    # DVC needs the seeds to read dvc.yaml at all, and says so itself.
    done = project.run("dvc", "repro")
    assert done.returncode != 0
    assert "Could not find 'run.seeds'" in done.stderr


def test_snakemake_refuses_parameters_from_elsewhere(project: Project) -> None:
    project.reset()
    done = project.run("snakemake", "--cores", "1", "--config", "run=1")
    assert done.returncode == 1
    assert "error: --config and --configfile have no effect on the stages" in done.stderr


@pytest.mark.parametrize("how", ["", " --dry-run"])
def test_a_cluster_is_told_whether_its_jobs_compute_on_gpus(project: Project, how: str) -> None:
    project.reset()
    command = f"snakemake --profile profiles/slurm{how}"
    check(project, command.split(), "run.device: auto looks for a GPU on this machine")
