"""What a benchmark has found: printed, and kept in results/."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def show(name: str, *parts: str) -> Path:
    """Print tables and sentences, and write them to results/NAME/NAME.md, whose folder is returned."""
    folder, text = ROOT / "results" / name, "\n\n".join(parts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(f"{text}\n")
    print(text)
    return folder
