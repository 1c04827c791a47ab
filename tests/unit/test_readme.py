"""README shows what results/reference has."""

import importlib.util
import re
from pathlib import Path

import pytest
from project import ROOT

specification = importlib.util.spec_from_file_location("publish", ROOT / "workflow/scripts/publish.py")
publish = importlib.util.module_from_spec(specification)
specification.loader.exec_module(publish)

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^<!-- (.*): begin -->$", README, flags=re.MULTILINE)


def test_readme_has_tables_of_reference_results():
    assert BLOCKS


@pytest.mark.parametrize("name", BLOCKS)
def test_readmes_tables_are_those_of_the_reference_results(name: str):
    assert publish.with_tables(README, name, ROOT) == README


def test_tables_replace_what_is_between_their_lines_and_nothing_else(tmp_path: Path):
    (tmp_path / "t.md").write_text("new \\1\n")
    around = "before\n<!-- t.md: begin -->\n{}<!-- t.md: end -->\nafter\n<!-- u.md: begin -->\nother\n"
    readme, expected = around.format("old\n\nold\n"), around.format("\nnew \\1\n\n")
    assert publish.with_tables(readme, "t.md", tmp_path) == expected
    assert publish.with_tables(expected, "t.md", tmp_path) == expected
