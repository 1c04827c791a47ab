"""The page of a published run: what made it, the commands that make it again, what it took, its pictures."""

import json
from pathlib import Path

PAGE = """# {name}

{made_with}

To make it again, in a clone of this repository (results differ a little between kinds of processors):

```sh
cp results/reference/{name}/params.yaml params.yaml
.venv/bin/snakemake --cores 2
.venv/bin/python workflow/scripts/publish.py {name}
```

{took}{tables}

{pictures}
"""


def run_page(folder: Path, name: str, root: Path) -> str:
    """The page of the report in `folder`, published as `name`; jobs are those of the project `root`."""
    made_with = (folder / "scores.md").read_text().rstrip().splitlines()[-1]
    tables = [f"[{file.stem}]({file.name})" for file in sorted(folder.glob("*.md")) if file.stem != "README"]
    pictures = [f"![{file.stem}](figures/{file.name})" for file in sorted(folder.glob("figures/*.svg"))]
    return PAGE.format(
        name=name,
        made_with=made_with,
        took=what_it_took(root),
        tables=f"Tables: {', '.join(tables)}; numbers as CSV and JSON beside them.",
        pictures="\n".join(pictures),
    )


def what_it_took(root: Path) -> str:
    """Number and time of the jobs, by Snakemake's records; nothing where Snakemake made no report here."""
    records = [json.loads(file.read_text()) for file in (root / ".snakemake" / "metadata").glob("*")]
    if not any(record["rule"] == "make_report" for record in records):
        return ""
    spans = sorted((record["starttime"], record["endtime"]) for record in records)
    at_work, until = 0.0, 0.0
    for begun, ended in spans:  # jobs beside each other count once
        at_work += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    together = sum(ended - begun for begun, ended in spans)
    return f"{len(spans)} jobs of {together / 60:.0f} minutes together, in {at_work / 60:.0f} minutes.\n\n"
