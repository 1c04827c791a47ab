"""The graph through Slurm, whatever befalls its jobs, the node, the controller and Snakemake itself."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
from cluster import Cluster, call, until
from project import Project

from trajectory_diffuser.common.params import load_params

TASK = "maze-umaze-smoke"
SEED = f"results/runs/{TASK}/seed0"
CHECKPOINT = f"results/checkpoints/{TASK}/seed0/diffusion/checkpoint.safetensors"
STEPS = 600  # of the training that is interrupted
SOON = ["--slurm-init-seconds-before-status-checks", "5", "--seconds-between-status-checks", "5"]


class Run:
    """Snakemake in a project, through Slurm, in the background."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, project: Project, *arguments: str) -> None:
        self.output = project.folder / ".git" / "printed.txt"
        command = ["snakemake", "--profile", "profiles/slurm", *SOON, *arguments]
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                command, cwd=project.folder, env=project.environment(), stdout=file, stderr=file
            )
        self.started.append(self.process)

    @property
    def printed(self) -> str:
        return self.output.read_text()

    @property
    def submitted(self) -> list[str]:
        """The numbers of the jobs that were submitted, as Snakemake prints them."""
        return re.findall(r"^Job \S+ has been submitted with SLURM jobid (\d+) ", self.printed, re.MULTILINE)

    def first_job(self) -> str:
        """The number of the first job, once it is submitted."""
        return until(lambda: not self.ended() and self.submitted, 120, "no job submitted")[0]

    def ended(self) -> bool:
        """False as long as it runs; fails if that ended badly."""
        code = self.process.poll()
        assert not code, self.printed
        return code == 0

    def kill(self) -> str:
        """Kill Snakemake; the run ID that it printed."""
        self.process.kill()
        self.process.wait()
        (name,) = re.findall(r"^SLURM run ID: (\S+)", self.printed, re.MULTILINE)
        return name

    def finish(self, seconds: float = 900) -> str:
        """What it printed to its end, which must be a good one."""
        until(self.ended, seconds, f"no end:\n{self.printed}\n")
        return self.printed


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C, leaves nothing running
    cluster = Cluster(tmp_path_factory.mktemp("cluster") / "slurm")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def nothing_left(cluster: Cluster, tmp_path: Path) -> Iterator[None]:
    """After a test that failed, too, neither Snakemake nor a job runs on, nor what a job has left."""
    yield
    for process in Run.started:
        process.kill()
        process.wait()
    Run.started.clear()
    cluster.cancel_jobs()
    for process in psutil.process_iter(["cwd"]):
        if (process.info["cwd"] or "").startswith(f"{tmp_path}/"):
            process.kill()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The smoke preset on CPUs, with one training long enough to be interrupted, and its data."""
    project = Project(tmp_path_factory.mktemp("prepared") / "copy", preset="smoke")
    project.replace("device: auto", "device: cpu")
    params = project.folder / "params.yaml"
    longer = re.sub(r"(\ntrain_diffusion:\n(?:  .*\n)*?  steps: )\d+", rf"\g<1>{STEPS}", params.read_text())
    params.write_text(longer)
    project.commit()
    done = project.run("snakemake", "--cores", "2", f"data/processed/{TASK}")
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture(scope="module")
def local(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same with the interrupted training's result, made without Slurm."""
    project = prepared.duplicate(tmp_path_factory.mktemp("local") / "copy")
    done = project.run("snakemake", "--cores", "2", f"{SEED}/diffusion")
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def project(prepared: Project, tmp_path: Path) -> Project:
    """A project of the test's own with its data."""
    return prepared.duplicate(tmp_path / "copy")


def weights(project: Project) -> dict[str, bytes]:
    """Every file of weights."""
    files = sorted((project.folder / "results" / "runs").rglob("*.safetensors"))
    return {str(file.relative_to(project.folder)): file.read_bytes() for file in files}


def train(project: Project) -> Run:
    """Begin the training that is interrupted."""
    return Run(project, f"{SEED}/diffusion")


def wait_for_checkpoint(run: Run, project: Project) -> None:
    checkpoint = project.folder / CHECKPOINT
    until(lambda: not run.ended() and checkpoint.exists(), 300, "no checkpoint")


def tidy_up(cluster: Cluster, project: Project, name: str) -> None:
    """What docs/clusters.md says to do after Snakemake was killed."""
    call("scancel", f"--name={name}")
    until(lambda: not cluster.queue(), 60, "the job goes on")
    assert project.run("snakemake", "--unlock").returncode == 0


def assert_as_local(project: Project, local: Project) -> None:
    """The weights and scores of a whole run are those of a run without Slurm."""
    done = local.run("snakemake", "--cores", "2")
    assert done.returncode == 0, done.stderr
    assert weights(project) == weights(local)
    scores = "results/report/scores.csv"
    assert (project.folder / scores).read_text() == (local.folder / scores).read_text()


def resumed(project: Project) -> bool:
    """Whether the training's last job began where another one had left, by its log."""
    log = (project.folder / f"results/logs/train_diffusion/{TASK}-seed0.log").read_text()
    return int(re.search(rf" (\d+)/{STEPS} \[", log)[1]) > 0


def test_a_cancelled_training_goes_on_in_a_new_job_with_more_time(
    cluster: Cluster, local: Project, project: Project
) -> None:
    run = train(project)
    wait_for_checkpoint(run, project)
    call("scancel", run.first_job())
    assert "status is: 'CANCELLED'" in run.finish()
    jobs = [cluster.job(number) for number in run.submitted]
    assert [job["TimeLimit"] for job in jobs] == ["04:00:00", "08:00:00"]
    assert [job["MinMemoryNode"] for job in jobs] == ["4000M", "8000M"]
    assert resumed(project) and weights(project) == weights(local)


def test_a_drained_node_delays_a_run(cluster: Cluster, local: Project, project: Project) -> None:
    cluster.update_node("drain")
    try:
        run = train(project)
        job = run.first_job()
        time.sleep(20)  # some of Snakemake's looks at the job
        assert not run.ended() and cluster.job(job)["JobState"] == "PENDING"
    finally:
        cluster.update_node("resume")
    run.finish()
    assert run.submitted == [job] and weights(project) == weights(local)


def test_a_restarted_controller_loses_no_job(cluster: Cluster, local: Project, project: Project) -> None:
    run = train(project)
    wait_for_checkpoint(run, project)
    cluster.stop_controller()
    time.sleep(3)  # Slurm's commands wait 10 s for it; after longer, without accounting, Snakemake hangs
    cluster.start_controller()
    run.finish()
    assert len(run.submitted) == 1 and weights(project) == weights(local)


def test_a_killed_snakemake_says_how_to_go_on_and_does(
    cluster: Cluster, local: Project, project: Project
) -> None:
    killed = train(project)
    wait_for_checkpoint(killed, project)
    name = killed.kill()

    locked = train(project)
    assert locked.process.wait(120) != 0
    assert "--unlock" in locked.printed

    tidy_up(cluster, project, name)
    train(project).finish()
    assert resumed(project) and weights(project) == weights(local)


def test_a_group_asks_for_the_gpu_of_one_of_its_jobs(cluster: Cluster, project: Project) -> None:
    project.replace("device: cpu", "device: cuda")
    run = Run(project, "--retries", "0", f"{SEED}/value", f"{SEED}/inverse_dynamics")
    job = cluster.job(run.first_job())
    assert [job[key] for key in ("TresPerJob", "NumTasks", "CPUs/Task")] == ["gres:gpu:1", "1", "1"]
    assert (job["TimeLimit"], job["MinMemoryNode"]) == ("02:00:00", "4000M")  # one after the other
    assert run.process.wait(300) != 0  # /dev/null, which stands for the GPU, is none
    assert "error: params.yaml: run.device: cuda, but " in run.printed
    assert len(run.submitted) == 1


def test_a_run_through_slurm_has_the_scores_and_weights_of_a_local_run(
    cluster: Cluster, local: Project, project: Project
) -> None:
    run = Run(project, "--forceall")  # the data too
    run.finish(3600)
    assert_as_local(project, local)

    # A job each for the data, two long trainings, the short ones, the look at plans, the experiment, its
    # times, latency, scaling, the fine-tuning, the film and the report; one for four planners or policies.
    params = load_params(project.folder / "params.yaml")["run"]
    planners = len(params["planners"]) + len(params["policies"])
    jobs = {job["Comment"].strip(): job for job in map(cluster.job, run.submitted)}
    assert len(run.submitted) == 12 + -(-planners // 4)
    # Nothing else on the node that times are measured on.
    for stage in ("measure_latency", "measure_experiment", "measure_scaling"):
        (timing,) = (job for comment, job in jobs.items() if comment.startswith(f"rule_{stage}_"))
        assert (timing["OverSubscribe"], timing["CPUs/Task"]) == ("NO", "1")
        assert timing["NumCPUs"] == str(cluster.cpus)


def test_a_run_that_everything_befalls_has_the_scores_and_weights_of_a_local_run(
    cluster: Cluster, local: Project, project: Project
) -> None:
    run = Run(project)

    def submitted(jobs: int) -> None:
        until(lambda: not run.ended() and len(run.submitted) >= jobs, 600, f"fewer than {jobs} jobs")

    call("scancel", run.first_job())
    submitted(3)
    cluster.update_node("drain")
    time.sleep(20)
    cluster.update_node("resume")
    submitted(5)
    cluster.stop_controller()
    time.sleep(3)  # see above
    cluster.start_controller()
    submitted(8)
    assert "status is: 'CANCELLED'" in run.printed
    tidy_up(cluster, project, run.kill())
    Run(project).finish(3600)
    assert_as_local(project, local)
