from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from trajectory_diffuser.common.storage import lead_here, store_changed

CODE = ["src/tune.py", "src/trajectory_diffuser/computing/files.py", "data/behaviour/hopper/ladder.json"]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anything")
    with mock_aws():
        yield boto3.resource("s3", region_name="us-east-1").create_bucket(Bucket="bucket")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in CODE:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def contents(bucket: Any) -> dict[str, str]:
    return {each.key: each.get()["Body"].read().decode() for each in bucket.objects.all()}


@pytest.mark.parametrize("prefix", ["", "a/b/"])
def test_a_bucket_gets_what_it_has_not_and_nothing_twice(bucket: Any, root: Path, prefix: str) -> None:
    assert store_changed(bucket, prefix, root, CODE) == sorted(CODE)
    assert contents(bucket) == {f"{prefix}{path}": path for path in CODE}
    for path in CODE:
        (root / path).touch()  # as a new checkout would
    assert store_changed(bucket, prefix, root, CODE) == []


def test_a_bucket_gets_what_changed_even_at_the_same_length(bucket: Any, root: Path) -> None:
    store_changed(bucket, "", root, CODE)
    (root / "src/tune.py").write_text("SRC/tune.py")
    assert store_changed(bucket, "", root, CODE) == ["src/tune.py"]
    assert contents(bucket)["src/tune.py"] == "SRC/tune.py"


def test_a_large_file_is_compared_by_size_and_age(bucket: Any, root: Path) -> None:
    large = root / "data/external/large.bin"
    large.parent.mkdir()
    large.write_bytes(bytes(9_000_000))  # uploaded in parts: its ETag is no MD5 of it
    path = ["data/external/large.bin"]
    assert store_changed(bucket, "", root, path) == path
    assert store_changed(bucket, "", root, path) == []
    large.write_bytes(bytes(9_000_001))
    assert store_changed(bucket, "", root, path) == path


def test_a_link_leads_to_the_folder_and_may_be_there_already(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for _ in range(2):
        lead_here(tmp_path / "storage" / "s3" / "bucket", tmp_path / "work")
    (tmp_path / "storage" / "s3" / "bucket" / "file").touch()
    assert (tmp_path / "work" / "file").exists()
