"""What the engines take to look at a large graph: `python benchmarks/engines.py`.

The preset `paper` with few and with many tasks and seeds, each in a clone of its own in which nothing has
been computed: the processor time of `snakemake --dry-run` and of `dvc status`. Prints a table, which
results/engines/engines.md has too, with a picture, engines.svg.
"""

import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import yaml
from matplotlib.figure import Figure

from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.reporting.markdown import markdown_table
from trajectory_diffuser.reporting.style import plain_ticks, save_svg, theme

ROOT = Path(__file__).parents[1]
SIZES = ((3, 1), (24, 1), (24, 5))
COMMANDS = {
    "snakemake --dry-run": ["snakemake", "--dry-run", "--cores", "1", "--quiet", "rules"],
    "dvc status": ["dvc", "status"],
}


def main() -> None:
    """Measure, print and draw."""
    folder = ROOT / "results" / "engines"
    folder.mkdir(parents=True, exist_ok=True)
    points = [measured(tasks, seeds) for tasks, seeds in SIZES]
    rows = [[f"{jobs:,}", *(f"{seconds[name]:.1f} s" for name in COMMANDS)] for jobs, seconds in points]
    table = markdown_table(["jobs", *(f"`{name}`" for name in COMMANDS)], rows)
    (folder / "engines.md").write_text(f"{table}\n\nProcessor time; commit {code_commit()}.\n")
    print(table)
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
        save_svg(
            figure, folder / "engines.svg", "Processor time of both engines against the jobs of the graph."
        )


def measured(tasks: int, seeds: int) -> tuple[int, dict[str, float]]:
    """How many jobs the graph has, and the seconds of each command."""
    with tempfile.TemporaryDirectory() as clone:
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        subprocess.run(
            [sys.executable, "workflow/scripts/use_preset.py", "paper"],
            cwd=clone,
            check=True,
            capture_output=True,
        )
        params = Path(clone) / "params.yaml"
        made = yaml.safe_load(params.read_text())
        made["run"] |= {
            "tasks": made["run"]["tasks"][:tasks],
            "seeds": list(range(seeds)),
            "planners": list(made["planners"]),
        }
        params.write_text(yaml.safe_dump(made, sort_keys=False))
        seconds, jobs = {}, 0
        for name, command in COMMANDS.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            said = subprocess.run(command, cwd=clone, check=True, capture_output=True, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds[name] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            if counted := re.search(r"^total\s+(\d+)", said.stdout + said.stderr, re.MULTILINE):
                jobs = int(counted.group(1))
    return jobs, seconds


if __name__ == "__main__":
    main()
