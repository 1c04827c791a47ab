"""The recipe of the image that profiles/kubernetes runs its jobs in, which is not built here."""

import re
from fnmatch import fnmatch

from project import ROOT

RECIPE = (ROOT / "profiles/kubernetes/Dockerfile").read_text().replace("\\\n", " ")
STEPS = [line.split(maxsplit=1) for line in RECIPE.splitlines() if line and line[0] not in "# "]
LOCK = (ROOT / "requirements.lock").read_text()


def steps(kind: str) -> list[str]:
    return [rest for name, rest in STEPS if name == kind]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [source for step in steps("COPY") for source in step.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).is_file()
        assert any(fnmatch(source, pattern) for pattern in kept)


def test_packages_are_installed_by_hash_from_no_registry_of_ours() -> None:
    commands = [
        command for step in steps("RUN") for command in re.findall(r"pip (?:install|download).*", step)
    ]
    assert len(commands) == 2
    assert all("--require-hashes" in command and "--requirement" in command for command in commands)
    assert not re.search(r"https?://|index-url|PIP_INDEX", RECIPE)


def test_the_plugin_that_each_pod_installs_is_in_the_image_as_the_lock_has_it() -> None:
    ((first, last),) = re.findall(r"'/(\^\S+?)/,/(.*?)/p'", RECIPE)
    lines = iter(LOCK.splitlines())
    begin = next(line for line in lines if re.search(first, line))
    assert re.fullmatch(r"snakemake-storage-plugin-s3==[\d.]+ \\", begin)
    hashes = []
    for line in lines:
        if re.search(last, line):
            break
        hashes.append(line)
    assert hashes and all("--hash=sha256:" in line for line in hashes)


def test_the_python_is_one_that_the_project_supports_and_no_pod_is_root() -> None:
    ((version,),) = [re.findall(r"^python:3\.(\d+)-slim$", step) for step in steps("FROM")]
    assert 11 <= int(version) < 14
    assert steps("USER")[-1] == "1000"
