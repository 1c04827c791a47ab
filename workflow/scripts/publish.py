"""Keep the report of this folder's results in git, and show its tables in README.md, docs/ and models/.

python workflow/scripts/publish.py NAME

Copies numbers, tables and figures of results/report/, and params.yaml, to results/reference/NAME/, with a
README.md that says what made the run, the commands that make it again, and what it took. Writes its pages in
Markdown (experiments.md where there is one) where two lines of README.md, docs/ or models/ name them.
Pictures that docs/figures/NAME/ has are replaced by the report's. Not kept are the report's page, which git
is no place for, and pictures of each task's data, tuning, trainings, first plans and scaling.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from run_page import run_page  # noqa: E402

from trajectory_diffuser.computing.files import atomic_directory, atomic_file  # noqa: E402

BLOCK = "<!-- {name}: begin -->\n{text}<!-- {name}: end -->\n"
PICTURES = ("data_*", "tuning_*", "training_curves_*", "plans_*", "scaling_*")
LEFT_OUT = ("index.html", ".snakemake_timestamp", *PICTURES)
TABLES = ["verdict.md", "scores.md", "recommendation.md"]
EXPERIMENTS = "experiments.md"


def main() -> None:
    """Publish under the name that the command line has."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("name", metavar="NAME", help="of the folder below results/reference/")
    name = parser.parse_args().name
    report = ROOT / "results" / "report"
    for table in TABLES:
        if not (report / table).exists():
            sys.exit(f"error: results/report/{table}: missing; run: snakemake --cores 8")
    with atomic_directory(ROOT / "results" / "reference" / name) as folder:
        shutil.copytree(report, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
        shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
        (folder / "README.md").write_text(run_page(folder, name, ROOT))
    tables = [*TABLES, EXPERIMENTS] if (report / EXPERIMENTS).exists() else TABLES
    for page in pages():
        text = page.read_text()
        for table in tables:
            text = with_tables(text, f"results/reference/{name}/{table}", ROOT)
        with atomic_file(page) as work:
            work.write_text(text)
    for picture in (ROOT / "docs" / "figures" / name).glob("*"):  # docs/ must have its own, for the site
        with atomic_file(picture) as work:
            shutil.copyfile(report / "figures" / picture.name, work)
    print(f"results/reference/{name}/, README.md and docs/ have the tables of results/report/ now")


def pages() -> list[Path]:
    """Those that may show tables."""
    return [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("models/*/README.md"))]


def with_tables(page: str, name: str, root: Path) -> str:
    """A page with the file `name` below `root` between the lines that name it, if it has them."""
    block = re.compile(BLOCK.format(name=re.escape(name), text="(.*\n)*?"))
    text = BLOCK.format(name=name, text="\n" + (root / name).read_text() + "\n")
    return block.sub(lambda _: text, page)


if __name__ == "__main__":
    main()
