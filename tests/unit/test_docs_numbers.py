"""Numbers in the text of README and docs are those of results/reference, of the run that is spoken of.

A number counts if it has a decimal point or is of seconds, minutes or milliseconds. It is to be one that a
table of a run prints (its pages in Markdown) or that a CSV file has, rounded as the text has it. A section
speaks of the runs and files that it names after results/reference/, and of those below. What stands in code
is a setting.
"""

import re
from pathlib import Path

import pandas as pd
import pytest
from project import ROOT
from test_pages import CHANGELOG, PAGES

REFERENCE = ROOT / "results/reference"
CHECKED = [
    name for name in PAGES if not name.startswith("models/") and name not in (CHANGELOG, "docs/parameters.md")
]

# Runs and files that a section speaks of without their names.
SPOKEN_OF = {
    ("README.md", "What came of it"): ["five-seeds", "maze", "pause", "repeat", "replay"],
    ("docs/experiments.md", "Experiments"): [
        "authors-chain",
        "ablation/signs.csv",
        "ablation/experiments.csv",
        "ablation/finetuning.csv",
        "ablation/latency.csv",
        "ablation-earlier/experiments.csv",
        "ablation-earlier/finetuning.csv",
    ],
    ("docs/method.md", "What the denoiser's settings are worth"): ["networks/denoiser.csv"],
    ("docs/method.md", "What the draft model's settings are worth"): ["networks/draft.csv"],
    ("docs/results.md", "Results"): [
        "five-seeds",
        "main",
        "replay",
        "pause",
        "repeat",
        "maze",
        "five-seeds-intel",
        "without-past-states",
        "authors-chain",
    ],
    ("docs/tasks.md", "Tasks and data"): ["sources/scores.csv", "sources/ogbench/scores.csv"],
}
# Numbers that are none of that: the words round each, and what it is.
NO_RESULTS = {
    "README.md": {
        "Python 3.11 to 3.13": "a requirement",
        "take more than 8 ms to decide": "a step of the environment",
        "Results take 0.2 GB": "the size of a measured whole run of `make results`",
        "(58 minutes with half the trials": "a measured whole run of `make results`",
    },
    "docs/clusters.md": {
        "| 1.5 h |": "a setting of workflow/rules",
        "| 0.5 h |": "a setting of workflow/rules",
        "wait for it for 10 seconds": "Slurm's",
        "at 0.95 of them": "a setting of profiles/kubernetes",
    },
    "docs/experiments.md": {
        "and 0.91 of the data's spread": "of a run that these tables have replaced",
    },
    "docs/method.md": {"as in Decision Diffuser (there 0.5": "a setting of Decision Diffuser's"},
    "docs/reliability.md": {
        "within 50 ms of the first file": "a setting of tests/faults",
        "0.09 of 294 seconds, 0.03 %": "printed by `make test-faults`, whose table this is",
        "237 tests passed, in 61 minutes": "printed by `make test-faults`",
    },
    "docs/results.md": {
        "temperature: 0.5 or": "chosen by tuning",
        "58 min 18 s": "printed by `time`, as it says",
        "full diffusion 55.3, a refined draft 42.3": "of a run that this one has replaced",
        "torch 2.11": "a version",
    },
    "docs/speed.md": {
        "decides untimed for 50 ms before": "a setting",
        "torch 2.11": "a version",
    },
}
EPISODES = ["episode", "environment_seed", "return", "normalised_score", "length", "success"]


def sections(page: str) -> dict[str, str]:
    """The text below each heading, by the heading."""
    parts = re.split(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page, flags=re.M | re.S), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def prose(text: str) -> str:
    """Text without published tables, code and the targets of links."""
    text = re.sub(r"<!-- (.*): begin -->\n(.*\n)*?<!-- \1: end -->", "", text)
    return re.sub(r"`[^`]*`|\]\([^)]*\)|arXiv [\d.]+", "", text)


def results(text: str) -> list[str]:
    """The numbers of a text that count, those of a speed-up with an x."""
    number = r"(?<![\w.,])(\d+\.\d+)(?![\d.]*\d)"
    speedups = [f"{found}x" for found in re.findall(rf"{number} times(?! as far)", text)]
    others = re.findall(rf"{number}(?! times(?! as far))", text)
    return speedups + others + re.findall(r"(?<![\w.,])(\d+) (?:ms|s|seconds|min|minutes)\b", text)


def has(name: str, number: str) -> bool:
    """Whether a run's tables print a number, alone or as so many times, or a CSV file has it."""
    path = REFERENCE / name
    if path.suffix == ".csv":
        return any(f"{abs(value):.{len(number.partition('.')[2])}f}" == number for value in cells(path))
    tables = set(path.glob("*.md")) - {path / "README.md"}  # which has commands and names of pictures
    printed = [re.findall(r"(?<![\d.])\d+(?:\.\d+)?x?", table.read_text()) for table in tables]
    return any({number, f"{number}x"} & set(numbers) for numbers in printed)


def cells(file: Path) -> list[float]:
    """The numbers in a CSV file and, where its rows are episodes, the mean scores of what they are of."""
    table = pd.read_csv(file)
    if "episode" in table:
        of = [name for name in table if name not in (*EPISODES, "seed", "wall_crossing_fraction")]
        table = table.groupby(of, dropna=False, as_index=False)["normalised_score"].mean()
    return table.select_dtypes("number").stack().tolist()


@pytest.mark.parametrize("page", CHECKED)
def test_a_number_in_the_text_is_a_result_of_the_run_that_is_spoken_of(page: str):
    known, strangers = NO_RESULTS.get(page, {}), []
    for heading, text in sections(PAGES[page]).items():
        named = re.findall(r"results/reference/([\w/-]+\.csv|[\w-]+)", text)
        spoken_of = {*named, *SPOKEN_OF.get((page, heading), [])}
        own = prose(text)
        for words in known:
            own = own.replace(words, "")
        strangers += [
            (heading, number) for number in results(own) if not any(has(name, number) for name in spoken_of)
        ]
    assert strangers == []


def test_what_is_said_to_be_no_result_is_there():
    for page, known in NO_RESULTS.items():
        assert [words for words in known if words not in prose(PAGES[page])] == []
    for page, heading in SPOKEN_OF:
        assert heading in sections(PAGES[page])


def test_numbers_are_found_and_traced():
    text = "**4.4 to 6.1 times as fast**, 98.7 %, in 12 ms; 1.5 times as far; [7.7](a/8.8) `9.9` arXiv 24.1"
    assert results(prose(text)) == ["6.1x", "4.4", "98.7", "1.5", "7.7", "12"]
    assert has("main", "5.6x") and not has("main", "5.65x")
    assert has("gpu/h100.csv", "19.3") and not has("gpu/h100.csv", "19.4")
