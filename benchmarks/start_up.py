"""How long stages take to start: `python benchmarks/start_up.py`.

`python src/STAGE.py --help` of every stage, in a process of its own each time: the interpreter, all imports
and the parsing of arguments, which is what comes before a stage's own work. Prints the shortest of so many
times for each stage, the slowest stage first, which results/start_up/start_up.md has too.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import torch
from tables import ROOT, show

from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.device import device_name
from trajectory_diffuser.reporting.markdown import markdown_table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=3)
    repetitions = parser.parse_args().repetitions
    stages = sorted((ROOT / "src").glob("*.py"))
    seconds = {stage.stem: min(start_up(stage) for _ in range(repetitions)) for stage in stages}
    slowest_first = sorted(seconds, key=lambda stage: seconds[stage], reverse=True)
    rows = [[f"`{stage}`", f"{seconds[stage]:.2f} s"] for stage in slowest_first]
    about = f"{device_name(torch.device('cpu'))}; commit {code_commit()}."
    show("start_up", markdown_table(["stage", "start"], rows), about)


def start_up(stage: Path) -> float:
    """The seconds of one start."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, stage, "--help"], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
