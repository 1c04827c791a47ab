"""Start an engine in the project of the current folder with each of some hostile names in params.yaml.

In one process, since most of an engine's start is imports.

python enter.py ENGINE NAMES ENDS    NAMES: JSON, for each start what replaces names of params.yaml;
                                     ENDS: written, JSON, the exit status of each start
"""

import json
import sys
from pathlib import Path

import dvc.cli
import snakemake.cli


def enter(engine: str) -> int | str:
    """The exit status of an engine that is started with nothing made yet, or what it gives as that."""
    try:
        if engine == "dvc":
            return dvc.cli.main(["repro"])
        snakemake.cli.main(["--cores", "1"])
    except SystemExit as ended:
        return ended.code
    return 0


engine, names, ends = sys.argv[1:]
shipped, codes = Path("params.yaml").read_text(), []
for replaced in json.loads(Path(names).read_text()):
    text = shipped
    for shipped_name, name in replaced.items():
        text = text.replace(shipped_name, json.dumps(name))
    Path("params.yaml").write_text(text)
    codes.append(enter(engine))
Path("params.yaml").write_text(shipped)
Path(ends).write_text(json.dumps(codes))
