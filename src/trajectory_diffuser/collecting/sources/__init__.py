"""Where data comes from: a function per kind of source, from request to recording."""

from collections.abc import Callable

from trajectory_diffuser.collecting.sources import behaviour, controller, d4rl, file, minari_hub, ogbench
from trajectory_diffuser.collecting.sources.interface import Recording, Request

KINDS: dict[str, Callable[[Request], Recording]] = {
    "behaviour": behaviour.open_source,
    "controller": controller.open_source,
    "d4rl": d4rl.open_source,
    "file": file.open_source,
    "minari": minari_hub.open_source,
    "ogbench": ogbench.open_source,
    "ogbench_file": ogbench.open_file,
}


def open_source(request: Request) -> Recording:
    """The recording behind a task's `source` entry; collected or read only while its episodes are drawn.

    Raises `UserError` when the entry cannot be served.
    """
    return KINDS[request.source["kind"]](request)
