import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from http_server import HttpFolder

# Small tensors on many threads are slower, and wait for each other where the machine is busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def project_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Parameters of a project in the present folder, which has a task's data, on plain torch and a CPU."""
    import torch
    from small_models import make_project

    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    params = make_project()
    params["run"]["device"], params["planning"]["runtime"] = "cpu", "torch"
    yield params
    torch.set_num_threads(threads)


@pytest.fixture
def http_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpFolder]:
    """A folder that is served over HTTP."""
    with HttpFolder(tmp_path_factory.mktemp("served")) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()
