"""What is injected how often, into what, and a table of what came of it."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from finished import Finished


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=120, help="how many times something is killed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A fourth of the kills are engines', the others stages'."""
    kills = metafunc.config.getoption("kills")
    if "engine_kill" in metafunc.fixturenames:
        metafunc.parametrize("engine_kill", range(kills // 4))
    if "stage_kill" in metafunc.fixturenames:
        metafunc.parametrize("stage_kill", range(kills - kills // 4))


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Finished:
    """A finished run that nothing may change, one for all processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    with FileLock(shared / "finished.lock"):
        return Finished.at(shared / "finished")


@pytest.fixture
def finished(original: Finished, tmp_path: Path) -> Iterator[Finished]:
    """A finished run of the test's own."""
    yield original.copy(tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")


@pytest.fixture
def happened(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Note a fault and what came of it, for the table."""
    return record_property


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [each for name in ("passed", "failed") for each in terminalreporter.getreports(name)]
    counts = Counter(entry for report in reports if report.when == "call" for entry in report.user_properties)
    terminalreporter.section("faults")
    for (fault, what), number in sorted(counts.items()):
        terminalreporter.write_line(f"| {fault} | {number:,} | {what} |")
