"""Start an engine in the project of the current folder, time after time, with parts of params.yaml replaced.

In one process, since most of an engine's start is imports.

python enter.py ENGINE STARTS ENDS    STARTS: JSON, for each start what replaces what in params.yaml;
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


engine, starts, ends = sys.argv[1:]
shipped, codes = Path("params.yaml").read_text(), []
for replacements in json.loads(Path(starts).read_text()):
    text = shipped
    for old, new in replacements.items():
        text = text.replace(old, new)
    Path("params.yaml").write_text(text)
    codes.append(enter(engine))
Path("params.yaml").write_text(shipped)
Path(ends).write_text(json.dumps(codes))
