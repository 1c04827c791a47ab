"""The smoke preset, run to its end, which faults are injected into."""

import json
import random
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dvc.repo import Repo
from graph.graphs import snakemake_graph
from project import NO_RESULT, Project

from trajectory_diffuser.computing.manifest import MANIFEST, require_intact

FOLDERS = ("data/raw", "data/processed", "results")
UNREADABLE = {  # what DVC says of a file of its own
    "dvc.lock' is invalid": "dvc.lock",
    "dvc.lock' validation failed": "dvc.lock",
    "Unable to read RWLock-file": ".dvc/tmp/rwlock",
}
BESIDE = ("results/logs/", "results/checkpoints/")  # what stages write beside their outputs


@dataclass(frozen=True)
class Job:
    """A job of the graph: `reads` are the outputs that it depends on, `address` is its name in DVC."""

    rule: str
    command: str
    output: str
    reads: list[str]
    address: str
    seconds: float

    @property
    def arguments(self) -> list[str]:
        """The words of the command."""
        return shlex.split(self.command)

    def made_by(self, engine: str) -> list[str]:
        """The command with which an engine makes the job's output."""
        words = {"snakemake": f"snakemake --cores 2 {self.output}", "dvc": f"dvc repro {self.address}"}
        return words[engine].split()


@dataclass
class Finished:
    """A project in which everything has been run, for both engines."""

    project: Project
    jobs: list[Job]
    digests: dict[str, str] = field(repr=False)
    files: set[str] = field(repr=False)

    @classmethod
    def at(cls, folder: Path) -> "Finished":
        """The one in a folder; makes it unless it is there."""
        project, record = Project.at(folder), folder / ".git" / "jobs.json"
        if not record.exists():
            shutil.rmtree(folder, ignore_errors=True)
            project = Project(folder, preset="smoke")
            for command in ("snakemake --cores 2", "python workflow/scripts/agree.py --from snakemake"):
                done = project.run(*command.split())
                assert done.returncode == 0, done.stdout + done.stderr
            shutil.rmtree(folder / ".dvc" / "cache")  # or DVC would fetch results from it, not make them
            record.write_text(json.dumps([asdict(job) for job in jobs_of(project)]))
        jobs = [Job(**job) for job in json.loads(record.read_text())]
        return cls(project, jobs, project.digests(), files_of(project))

    def copy(self, folder: Path) -> "Finished":
        """The same in another folder, to be damaged."""
        return Finished(self.project.duplicate(folder), self.jobs, self.digests, self.files)

    @property
    def folder(self) -> Path:
        return self.project.folder

    def delete(self, *outputs: str) -> None:
        for output in outputs:
            shutil.rmtree(self.folder / output)

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """A command in the project, in a process group of its own, like one that a shell starts."""
        with (self.folder / ".git" / "printed.txt").open("wb") as file:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.project.environment(),
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def assert_as_before(self) -> None:
        """Every result is there, to the bit, times and latencies aside, and nothing else is."""
        assert files_of(self.project) == self.files
        digests = self.project.digests()
        assert [file for file, digest in self.digests.items() if digests.get(file) != digest] == []
        for manifest in (path for name in FOLDERS for path in (self.folder / name).rglob(MANIFEST)):
            require_intact(manifest.parent, "nothing")

    def half_written(self) -> list[Path]:
        """What is left half-written beside outputs; every output that is there is complete."""
        for job in self.jobs:
            require_intact(self.folder / job.output, "nothing")  # whose folder is there
        paths = (path for name in FOLDERS for path in (self.folder / name).rglob(".*"))
        return sorted(path for path in paths if path.name not in NO_RESULT)


def files_of(project: Project) -> set[str]:
    """Every file below the folders of results but logs, checkpoints and notes of Snakemake's."""
    paths = (path for name in FOLDERS for path in (project.folder / name).rglob("*") if not path.is_dir())
    names = {path.relative_to(project.folder).as_posix() for path in paths if path.name not in NO_RESULT}
    beside = {name for name in names if name.startswith(BESIDE)}
    return names - beside | {name for name in beside if name.endswith(".safetensors") or "/." in name}


def jobs_of(project: Project) -> list[Job]:
    """The jobs of the graph; how long each took by Snakemake's own notes."""
    notes = [json.loads(path.read_text()) for path in (project.folder / ".snakemake/metadata").iterdir()]
    seconds = {note["log"][0]: note["endtime"] - note["starttime"] for note in notes}
    with Repo(str(project.folder)) as repo:
        addresses = {stage.outs[0].def_path: stage.name for stage in repo.index.stages}
    graph = snakemake_graph(project)
    made = {output for job in graph for output in job["outputs"]}
    return [
        Job(
            rule=job["rule"],
            command=job["command"].split(" > ")[0],
            output=job["outputs"][0],
            reads=sorted(made & set(job["inputs"])),
            address=addresses[job["outputs"][0]],
            seconds=seconds[job["log"][0]],
        )
        for job in sorted(graph, key=lambda job: job["outputs"])
    ]


def one_of_each_rule(jobs: list[Job], chance: random.Random) -> list[Job]:
    """A job of every rule, by chance."""
    rules = sorted({job.rule for job in jobs})
    return [chance.choice([job for job in jobs if job.rule == rule]) for rule in rules]


def until(condition: Callable[[], object], seconds: float, pause: float = 0.001) -> bool:
    """Whether a condition came true in so many seconds."""
    end = time.monotonic() + seconds
    while not (true := bool(condition())) and time.monotonic() < end:
        time.sleep(pause)
    return true


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line with which a stage has ended; fails on anything else."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]
