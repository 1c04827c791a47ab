"""What the engines take to look at a large graph: `python benchmarks/engines.py`.

The preset `paper` with few and with many tasks and seeds, each in a clone of its own in which nothing has
been computed: the processor time of `snakemake --dry-run` and of `dvc status`; and theirs and that of
`agree.py`, both ways, in a clone in which every output is there (with a file of one line, in place of
results). Prints two tables, which results/engines/engines.md has too, with a picture of the first,
figures/engines.svg.
"""

import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import yaml
from dvc.repo import Repo
from matplotlib.figure import Figure
from tables import ROOT, show

from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.files import atomic_directory
from trajectory_diffuser.reporting.markdown import markdown_table
from trajectory_diffuser.reporting.style import plain_ticks, save_svg, theme

SIZES = ((3, 1), (24, 1), (24, 5))
COMMANDS = {
    "snakemake --dry-run": ["snakemake", "--dry-run", "--cores", "1", "--quiet", "rules"],
    "dvc status": ["dvc", "status"],
}
AGREED = (14, 3)  # 2,000 jobs
AGREE = {
    f"agree.py --from {engine}": [sys.executable, "workflow/scripts/agree.py", "--from", engine]
    for engine in ("snakemake", "dvc")
}


def main() -> None:
    """Measure, print and draw."""
    points = [measured(tasks, seeds) for tasks, seeds in SIZES]
    tables = [table("jobs", points), table("jobs, with outputs", [with_outputs(*AGREED)])]
    folder = show("engines", *tables, f"Processor time; commit {code_commit()}.")
    with theme():
        figure = Figure(figsize=(4.2, 3.2))
        axis = figure.subplots()
        for name, marker in zip(COMMANDS, "os", strict=True):
            axis.plot(
                [jobs for jobs, _ in points],
                [seconds[name] for _, seconds in points],
                marker=marker,
                label=name,
            )
        axis.set(xscale="log", yscale="log", xlabel="jobs in the graph", ylabel="seconds of processor time")
        plain_ticks(axis.xaxis)
        plain_ticks(axis.yaxis)
        axis.legend()
        (folder / "figures").mkdir(exist_ok=True)
        save_svg(
            figure,
            folder / "figures/engines.svg",
            "Processor time of both engines against the jobs of the graph.",
        )


def measured(tasks: int, seeds: int) -> tuple[int, dict[str, float]]:
    """How many jobs the graph has, and the seconds of each command."""
    with clone(tasks, seeds) as folder:
        done = {name: timed(command, folder) for name, command in COMMANDS.items()}
    jobs = number_of_jobs(done["snakemake --dry-run"][1])
    return jobs, {name: seconds for name, (seconds, _) in done.items()}


def with_outputs(tasks: int, seeds: int) -> tuple[int, dict[str, float]]:
    """The same where every output is there, and the seconds of agree.py by the engine that has run."""
    with clone(tasks, seeds) as folder:
        jobs = number_of_jobs(timed(COMMANDS["snakemake --dry-run"], folder)[1])
        fill(folder)
        timed(["snakemake", "--touch", "--forceall", "--cores", "1", "--quiet", "all"], folder)
        return jobs, {name: timed(command, folder)[0] for name, command in (AGREE | COMMANDS).items()}


def table(first: str, points: list[tuple[int, dict[str, float]]]) -> str:
    """A table with a row for each graph, and a column for each command."""
    rows = [[f"{jobs:,}", *(f"{each:.1f} s" for each in seconds.values())] for jobs, seconds in points]
    return markdown_table([first, *(f"`{name}`" for name in points[0][1])], rows)


@contextmanager
def clone(tasks: int, seeds: int) -> Iterator[Path]:
    """A clone of this commit with the first so many tasks of the preset `paper`, and so many seeds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        timed([sys.executable, "workflow/scripts/use_preset.py", "paper"], folder)
        params = folder / "params.yaml"
        made = yaml.safe_load(params.read_text())
        made["run"] |= {
            "tasks": made["run"]["tasks"][:tasks],
            "seeds": list(range(seeds)),
            "planners": list(made["planners"]),
        }
        params.write_text(yaml.safe_dump(made, sort_keys=False))
        yield folder


def fill(folder: Path) -> None:
    """Write every output of the graph, as a folder with a file of one line, and DVC's metrics and plots."""
    with Repo(str(folder)) as repo:
        outputs = [out.def_path for out in repo.index.outs]
    described = yaml.safe_load((folder / "dvc.yaml").read_text())
    shown = [*described["metrics"], *described["plots"]]
    for output in outputs:
        if Path(output).parts[:2] in (("results", "code"), ("results", "parameters_checked.txt")):
            continue  # agree.py makes these
        with atomic_directory(folder / output) as work:
            (work / "output.txt").write_text(f"{output}\n")
            for path in (Path(each) for each in shown if Path(each).is_relative_to(output)):
                file = work / path.relative_to(output)
                file.parent.mkdir(exist_ok=True)
                file.write_text("{}\n")


def number_of_jobs(said: str) -> int:
    """How many jobs Snakemake says there are to do."""
    *_, counted = re.findall(r"^total\s+(\d+)", said, re.MULTILINE)
    return int(counted)


def timed(command: list[str], folder: Path) -> tuple[float, str]:
    """The seconds of processor time that a command takes, and what it says."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, said.stdout + said.stderr


if __name__ == "__main__":
    main()
