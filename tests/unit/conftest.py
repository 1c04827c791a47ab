import os
from collections.abc import Iterator
from threading import Thread

import pytest
from http_server import HttpFolder

# Small tensors on many threads are slower, and wait for each other where the machine is busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def http_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpFolder]:
    """A folder that is served over HTTP."""
    with HttpFolder(tmp_path_factory.mktemp("served")) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()
