"""What a benchmark has found: printed, and kept in results/."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]


def show(name: str, *parts: str) -> Path:
    """Print tables and sentences; write them, and params.yaml, to results/NAME/, which is returned."""
    folder, text = ROOT / "results" / name, "\n\n".join(parts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(f"{text}\n")
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    print(text)
    return folder
