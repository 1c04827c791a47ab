"""Make one engine's ledger agree with the results that the other engine has just computed.

python workflow/scripts/agree.py --from snakemake    afterwards `dvc repro` has nothing to do
python workflow/scripts/agree.py --from dvc          afterwards `snakemake` has nothing to do

Nothing is recorded unless the engine that computed the results finds them up to date: otherwise, after an
edit of params.yaml without a run, the other engine would take old results for new ones. Nor is it when a file
is not what a stage wrote: Snakemake sees times, not contents.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.stage import ending_with_one_line
from trajectory_diffuser.computing.manifest import MANIFEST, require_intact, unlisted

OUTPUTS = ("data/raw", "data/processed", "results/runs", "results/report")
# Without the profile: its logger words things differently.
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--workflow-profile", "none", "--cores", "1"]
# Snakemake waits a tenth of a second before it touches an output, and for cores, as if it ran anything.
TOUCH = """
from snakemake.executors.touch import Executor
Executor.SLEEPING_TIME = 0
from snakemake.cli import main
main("--workflow-profile none --cores 100000 --touch --forceall --quiet".split())
"""


def main() -> None:
    """Check that the named engine is done, then record its results with the other one."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--from", dest="engine", choices=["snakemake", "dvc"], required=True)
    engine = parser.parse_args().engine
    with ending_with_one_line():
        check_room()
        check_contents()
        if engine == "snakemake":
            snakemake_to_dvc()
        else:
            dvc_to_snakemake()


def snakemake_to_dvc() -> None:
    """Record with DVC what is up to date for Snakemake."""
    from ledger import commit  # here: DVC takes a second to import

    if "Nothing to be done" not in run(*SNAKEMAKE, "--dry-run"):
        raise UserError("results are not up to date for Snakemake; run snakemake --cores 8 first")
    for stage in ("check_parameters", "hash_code"):  # which only DVC has
        run(sys.executable, f"src/{stage}.py")
    commit()


def dvc_to_snakemake() -> None:
    """Record with Snakemake what is up to date for DVC."""
    from ledger import changed

    if stages := changed():
        raise UserError(f"results are not up to date for DVC, {stages[0]} among them; run dvc repro first")
    run(sys.executable, "-c", TOUCH)


def check_room() -> None:
    """Raise `OSError` where nothing can be written: Snakemake would end with a traceback."""
    with tempfile.TemporaryFile(dir=".") as file:
        file.write(bytes(2**20))
        file.flush()


def check_contents() -> None:
    """Raise `UserError` for a file that isn't what was written, or is where no stage has written it."""
    for outputs in map(Path, OUTPUTS):
        complete = {manifest.parent for manifest in outputs.rglob(MANIFEST)}
        around = {parent for folder in complete for parent in folder.parents}
        files = (path for path in outputs.rglob("[!.]*") if path.is_file())
        others = {path.parent for path in files if not complete & set(path.parents)} - around
        for folder in sorted(complete | others):
            require_intact(folder, f"rm -r {folder}, and the engine that made it")
            if strays := unlisted(folder):
                raise UserError(f"{strays[0]}: no stage has written it; move it out of {folder}")


def run(*command: str) -> str:
    """What a command prints; ends the program, showing that, when it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{done.stderr}{done.stdout}error: {' '.join(command)} failed")
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
