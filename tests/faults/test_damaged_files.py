"""Every file of every output, damaged: who reads it names it, with the command that makes it again."""

import json
import random
import runpy
import shlex
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finished import Finished, Job, one_of_each_rule
from project import NO_RESULT

from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.manifest import MANIFEST

PARTS = 8
NAMED = "named by agree.py and every stage that reads it, each with the command that makes it again"
AGREE = ["workflow/scripts/agree.py", "--from", "snakemake"]


def flip(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


def overwrite(content: bytes, chance: random.Random, new: bytes) -> bytes:
    place = chance.randrange(max(1, len(content) - len(new)))
    return (content[:place] + new + content[place + len(new) :])[: len(content)]


NOT_A_NUMBER = struct.pack("<d", float("nan"))
DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "with a flipped bit": flip,
    "cut short": lambda content, chance: content[: chance.randrange(len(content))],
    "with a NaN written into it": lambda content, chance: overwrite(content, chance, NOT_A_NUMBER),
    "garbled": lambda content, chance: overwrite(content, chance, chance.randbytes(64)),
    "deleted": lambda content, chance: None,
}


def refusal(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The one line with which a stage or a script ends, run in this process; it must not end well."""
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", words)
        runpy.run_path(words[0], run_name="__main__")
    assert isinstance(ended.value.code, str) and "\n" not in ended.value.code, ended.value.code
    return ended.value.code


def names(line: str, file: str) -> bool:
    """Whether a line is about a file or, where that is a manifest, about one that it lists."""
    whose = f"{Path(file).parent}/" if Path(file).name == MANIFEST else f"{file}: "
    return line.startswith(f"error: {whose}")


def remedy(line: str) -> list[str]:
    """The command that an error ends with."""
    return shlex.split(line.partition("; run: ")[2])


def reads(reader: Job, job: Job, params: dict[str, Any]) -> bool:
    """Whether a job reads another's output.

    A job of an experiment depends on all tunings, but reads its planners'. A film of bodies that cannot be
    drawn reads nothing.
    """
    if reader.rule == "film" and "left_out" in json.loads((Path(reader.output) / "film.json").read_text()):
        return False
    if reader.rule.endswith("_experiment") and job.rule.startswith("tune"):
        return Path(job.output).name in params["experiments"][Path(reader.output).name]["planners"]
    return job.output in reader.reads


@pytest.mark.parametrize("part", range(PARTS))
def test_a_damaged_file_is_named_by_who_reads_it_and_made_again_by_the_command(
    finished: Finished, part: int, monkeypatch: pytest.MonkeyPatch, happened: Callable[[str, str], None]
) -> None:
    monkeypatch.chdir(finished.folder)
    params = load_params()
    for job in finished.jobs[part::PARTS]:
        chance = random.Random(f"damage {job.output}")
        readers = one_of_each_rule([each for each in finished.jobs if reads(each, job, params)], chance)
        files = [path for path in sorted(Path(job.output).rglob("*")) if path.is_file()]
        for file in (path for path in files if path.name not in NO_RESULT):
            content = file.read_bytes()
            for damage in ("with a flipped bit", chance.choice(list(DAMAGES)[1:])):
                damaged = DAMAGES[damage](content, chance)
                file.unlink()
                if damaged is not None:
                    file.write_bytes(damaged)
                for reader in readers:
                    line = refusal(reader.arguments[1:], monkeypatch)
                    assert names(line, str(file)), (damage, line)
                    assert sorted(remedy(line)) == sorted(job.arguments), (damage, line)
                line = refusal(AGREE, monkeypatch)
                assert names(line, str(file)) and f"rm -r {job.output}, " in line, (damage, line)
                file.write_bytes(content)
                happened(f"a file {damage}", NAMED)
        if readers:
            file.write_bytes(b"")
            done = finished.project.run(*remedy(refusal(readers[0].arguments[1:], monkeypatch)))
            assert done.returncode == 0, done.stderr
            happened("a file emptied", "the same files after the command that is named")
    finished.assert_as_before()
