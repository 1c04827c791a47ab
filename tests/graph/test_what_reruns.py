"""A change re-runs what it concerns and nothing else, and one engine can adopt the other's results.

The results here are placeholders: empty but for one file each.
"""

import json

import pytest
from graphs import snakemake_graph
from project import Project

from trajectory_diffuser.common.params import load_params


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose results Snakemake takes for its own and DVC has adopted."""
    project = Project(tmp_path_factory.mktemp("finished") / "copy")
    for job in snakemake_graph(project):
        for output in job["outputs"]:
            (project.folder / output).mkdir(parents=True)
            (project.folder / output / "placeholder.txt").write_text(output)
    # Declared as DVC's metrics and plots.
    (project.folder / "results" / "report" / "metrics.json").write_text("{}")
    touched = project.run("snakemake", "--touch", "--forceall", "--cores", "1")
    assert touched.returncode == 0, touched.stderr
    agreed = project.run("python", "workflow/scripts/agree.py", "--from", "snakemake")
    assert agreed.returncode == 0, agreed.stderr
    project.commit()  # with dvc.lock
    return project


def needed_by_snakemake(project: Project) -> set[str]:
    """Jobs that Snakemake would run, by DVC's names for them."""
    return {
        "@".join(filter(None, [job["rule"], "-".join(job["wildcards"].values())]))
        for job in snakemake_graph(project)
        if job["needed"]
    }


def changed_for_dvc(project: Project) -> set[str]:
    """Stages whose own dependencies differ for DVC; those that merely follow are not among them."""
    done = project.run("dvc", "status", "--json")
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout)) - {"check_parameters"}


def test_after_one_engine_the_other_has_nothing_to_do(finished: Project) -> None:
    finished.reset()
    assert needed_by_snakemake(finished) == set()
    assert changed_for_dvc(finished) == set()


def test_a_task_setting_concerns_that_task_only(finished: Project) -> None:
    finished.reset()
    finished.replace("target_return: ", "target_return: 1")  # of hopper-medium-expert, the first task
    needed = needed_by_snakemake(finished)
    evaluations = {name for name in needed if name.startswith("evaluate@hopper-medium-expert-")}
    planners = load_params(finished.folder / "params.yaml")["run"]["planners"]
    assert len(evaluations) == 2 * len(planners)
    assert needed == evaluations | {"measure_latency@hopper-medium-expert", "make_report"}
    assert changed_for_dvc(finished) == needed


def test_the_report_code_retrains_nothing(finished: Project) -> None:
    finished.reset()
    module = finished.folder / "src" / "trajectory_diffuser" / "reporting" / "page.py"
    module.write_text(module.read_text() + "# changed\n")
    assert needed_by_snakemake(finished) == {"make_report"}
    assert changed_for_dvc(finished) == {"make_report"}
    finished.reset()
    finished.run(
        "snakemake", "--touch", "--forceall", "--cores", "1"
    )  # the file is the old one, its time is not


def test_a_planner_row_concerns_that_planner_only(finished: Project) -> None:
    finished.reset()
    finished.replace("sampler: ddim}", "sampler: ddim, refine_steps: 6}")
    needed = needed_by_snakemake(finished)
    assert {name.partition("@")[0] for name in needed} == {"evaluate", "measure_latency", "make_report"}
    assert all(name.endswith("-ddim") for name in needed if name.startswith("evaluate"))
    assert changed_for_dvc(finished) == needed


def test_agreement_is_refused_after_an_edit_without_a_run(finished: Project) -> None:
    finished.reset()
    finished.replace("confidence: 0.95", "confidence: 0.9")
    for engine in ("snakemake", "dvc"):
        done = finished.run("python", "workflow/scripts/agree.py", "--from", engine)
        assert done.returncode == 1
        assert done.stderr.startswith("error: results are not up to date")
    assert needed_by_snakemake(finished) == {"make_report"}
