"""The page of a published run: what made it, the commands that make it again, what it took, its pictures."""

import json
from pathlib import Path

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import load_params

PAGE = """# {name}

{made_with}

{again}

{took}{tables}

{pictures}
"""
AGAIN = """The same parameters again; on other processors, devices and commits the numbers are others.

```sh
cp results/reference/{name}/params.yaml params.yaml
.venv/bin/snakemake --cores 2
.venv/bin/python workflow/scripts/publish.py {name}
```"""
OLD = "Its `params.yaml` is of then: today's code does not read it."


def run_page(folder: Path, name: str, root: Path) -> str:
    """The page of the report in `folder`, published as `name`; jobs are those of the project `root`."""
    made_with = (folder / "scores.md").read_text().rstrip().splitlines()[-1]
    tables = [f"[{file.stem}]({file.name})" for file in sorted(folder.glob("*.md")) if file.stem != "README"]
    pictures = [f"![{file.stem}](figures/{file.name})" for file in sorted(folder.glob("figures/*.*"))]
    return PAGE.format(
        name=name,
        made_with=made_with,
        again=AGAIN.format(name=name) if can_be_run(folder / "params.yaml") else OLD,
        took=what_it_took(root),
        tables=f"Tables: {', '.join(tables)}; numbers as CSV and JSON beside them.",
        pictures="\n".join(pictures),
    )


def can_be_run(params: Path) -> bool:
    """Whether today's code reads the parameters."""
    try:
        load_params(params)
    except UserError:
        return False
    return True


def what_it_took(root: Path) -> str:
    """Number and time of the jobs, by Snakemake's records; nothing where these are not of a run's own.

    Snakemake that only touched results has noted no beginnings. Records of other runs in this project count,
    too: a clone of its own has none.
    """
    files = (file for file in (root / ".snakemake" / "metadata").rglob("*") if file.is_file())
    records = [json.loads(file.read_text()) for file in files]
    spans = [(record.get("starttime"), record.get("endtime")) for record in records]
    if not any(record.get("rule") == "make_report" for record in records) or None in sum(spans, ()):
        return ""
    at_work, until = 0.0, 0.0
    for begun, ended in sorted(spans):  # jobs beside each other count once
        at_work += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    together = sum(ended - begun for begun, ended in spans)
    return f"{len(spans)} jobs of {together / 60:.0f} minutes together, in {at_work / 60:.0f} minutes.\n\n"
