"""Keep the report of this folder's results in git, and show its tables in README.md.

python workflow/scripts/publish.py NAME

Copies numbers, tables and figures of results/report/, and params.yaml, to results/reference/NAME/, and writes
tables.md between the two lines of README.md that name it. The page, index.html, is left out: git is no place
for it.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from trajectory_diffuser.computing.files import atomic_directory, atomic_file  # noqa: E402

BLOCK = "<!-- {name}: begin -->\n{text}<!-- {name}: end -->\n"
PAGE = "index.html"


def main() -> None:
    """Publish under the name that the command line has."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("name", metavar="NAME", help="of the folder below results/reference/")
    name = parser.parse_args().name
    report = ROOT / "results" / "report"
    if not (report / "tables.md").exists():
        sys.exit("error: results/report/tables.md: missing; run: snakemake --cores 8")
    with atomic_directory(ROOT / "results" / "reference" / name) as folder:
        shutil.copytree(report, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(PAGE))
        shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    readme = ROOT / "README.md"
    text = with_tables(readme.read_text(), f"results/reference/{name}/tables.md", ROOT)
    with atomic_file(readme) as work:
        work.write_text(text)
    print(f"results/reference/{name}/ and README.md have the tables of results/report/ now")


def with_tables(readme: str, name: str, root: Path) -> str:
    """The README with the file `name` below `root` between the lines that name it, if it has them."""
    block = re.compile(BLOCK.format(name=re.escape(name), text="(.*\n)*?"))
    text = BLOCK.format(name=name, text="\n" + (root / name).read_text() + "\n")
    return block.sub(lambda _: text, readme)


if __name__ == "__main__":
    main()
