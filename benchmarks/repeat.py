"""How far times repeat: `python benchmarks/repeat.py --task hopper-medium-expert`, after `make results`.

Runs `measure_latency` several times, each in a process of its own, with nothing else at work. Prints the
milliseconds of a decision at batch 1 for every planner and run, and what of a refined draft its parts do not
explain: its time less that of a draft and of as many calls from noise, which are the same calls.
results/repeat/repeat.md has the table. The last run's times stay in results/runs/.
"""

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import pandas as pd
from tables import ROOT, show

from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.reporting.markdown import markdown_table

SUBJECT, RIVAL, PARTS = "trajectory_diffuser", "full_diffusion", ["draft", "ddim"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="hopper-medium-expert")
    parser.add_argument("--seed", type=int, default=load_params(ROOT / "params.yaml")["run"]["seeds"][0])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    folder, runs = ROOT / f"results/runs/{arguments.task}/seed{arguments.seed}/latency", []
    for _ in range(arguments.runs):
        command = [sys.executable, "src/measure_latency.py"]
        command += ["--task", arguments.task, "--seed", str(arguments.seed)]
        subprocess.run(command, cwd=ROOT, check=True)
        table = pd.read_csv(folder / "latency.csv").query("batch == 1").set_index("planner")
        runs.append(1e3 / table["decisions_per_second"])
    times = pd.DataFrame(runs)  # [runs, planners]
    rows = [[f"`{name}`", *(f"{time:.3g} ms" for time in times[name])] for name in times]
    faster = times[RIVAL] / times[SUBJECT]
    rows.append([f"`{SUBJECT}`, of `{RIVAL}`", *(f"{each:.1f}x" for each in faster)])
    beyond = times[SUBJECT] - times[PARTS].sum(axis=1)
    rows.append([f"`{SUBJECT}`, less `draft` and `ddim`", *(f"{each:.1f} ms" for each in beyond)])
    headers = ["planner", *(f"run {number}" for number in range(1, arguments.runs + 1))]
    machine = read_json(folder / "latency.json")["device_name"]
    about = f"{arguments.task}, networks of seed {arguments.seed}; {machine}; commit {code_commit()}."
    show("repeat", markdown_table(headers, rows), about)


if __name__ == "__main__":
    main()
