"""What Snakemake's executor asks of Kubernetes, on loopback: a job's command runs here, in its own folder.

It is not Kubernetes: it schedules nothing, has no images and limits no pod.
"""

import base64
import json
import os
import re
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlparse

import yaml

Answer = tuple[int, dict[str, Any] | str]


class Pod:
    """A job's only pod: its command, with the variables that its secret has."""

    def __init__(self, folder: Path, command: list[str], variables: dict[str, str]) -> None:
        folder.mkdir(parents=True)
        self.log = folder.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True
            )

    def describe(self, name: str) -> dict[str, Any]:
        """As an item of Kubernetes' list of pods."""
        code = self.process.poll()
        state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
        status = {"name": "snakemake", "ready": True, "restartCount": 0, "image": "", "imageID": ""}
        return {"metadata": {"name": name}, "status": {"containerStatuses": [status | {"state": state}]}}


class FakeCluster:
    """The API on a port of its own and the pods that it has started; `manifests` has every job's.

    A pod runs its container's command with `variables` and its secret's, or `instead`, if that is given.
    """

    def __init__(self, folder: Path, variables: dict[str, str], instead: list[str] | None = None) -> None:
        self.folder = folder
        self.variables = variables
        self.instead = instead
        self.manifests: list[dict[str, Any]] = []
        self.secrets: dict[str, dict[str, str]] = {}
        self.pods: dict[str, Pod] = {}
        handler = type("Handler", (Handler,), {"cluster": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kubeconfig(self) -> Path:
        """A file that KUBECONFIG can name."""
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        server = f"http://127.0.0.1:{self.server.server_port}"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": server}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        }
        path = folder / "kubeconfig.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    def stop(self) -> None:
        """Stop the server and what its pods still do."""
        self.server.shutdown()
        self.server.server_close()
        for pod in self.pods.values():
            if pod.process.poll() is None:
                os.killpg(pod.process.pid, signal.SIGKILL)
                pod.process.wait()

    def create_job(self, manifest: dict[str, Any]) -> Answer:
        """Start the job's pod, if Kubernetes would take it."""
        name = manifest["metadata"]["name"]
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        if problem := refusal(container):
            return failure(422, f'Job.batch "{name}" is invalid: {problem}')
        self.manifests.append(manifest)
        variables = dict(self.variables)
        for each in container.get("env", []):
            reference = each["valueFrom"]["secretKeyRef"]
            value = self.secrets[reference["name"]][reference["key"]]
            variables[each["name"]] = base64.b64decode(value).decode()
        command = self.instead or [*container["command"], *container["args"]]
        self.pods[name] = Pod(self.folder / name, command, variables)
        return 201, manifest

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> Answer:
        """What Kubernetes would answer."""
        *_, kind, name = re.fullmatch(r"/.*?/namespaces/[^/]+/(\w+)/?(.*)", path).groups()
        name, _, detail = name.partition("/")
        if (method, kind) == ("POST", "secrets"):
            self.secrets[body["metadata"]["name"]] = body["data"]
            return 201, body
        if (method, kind) == ("DELETE", "secrets"):
            return (200, {"status": "Success"}) if self.secrets.pop(name, None) else failure(404, name)
        if (method, kind) == ("POST", "jobs"):
            return self.create_job(body)
        if method == "GET" and kind == "pods" and not name:
            job = query["labelSelector"][0].removeprefix("job-name=")
            return 200, {"items": [self.pods[job].describe(f"{job}-pod")] if job in self.pods else []}
        job = name.removesuffix("-pod")
        if job not in self.pods:
            return failure(404, f'{kind} "{name}" not found')
        pod = self.pods[job]
        if detail == "log":
            if "previous" in query:  # a container that never starts again has none before it
                return failure(400, f'previous terminated container "snakemake" in pod "{name}" not found')
            return 200, pod.log.read_text()
        if method == "DELETE":
            if pod.process.poll() is None:
                os.killpg(pod.process.pid, signal.SIGTERM)
            return 200, {"status": "Success"}
        code = pod.process.poll()
        status = {} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}
        return 200, {"metadata": {"name": name}, "status": status}


class Handler(BaseHTTPRequestHandler):
    """HTTP around `FakeCluster.answer`."""

    cluster: ClassVar[FakeCluster]

    def do_GET(self) -> None:
        """Any request; its method is `self.command`."""
        url = urlparse(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(content) if content else {}
        status, answer = self.cluster.answer(self.command, url.path, parse_qs(url.query), body)
        kind = "text/plain" if isinstance(answer, str) else "application/json"
        data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


def failure(code: int, message: str) -> Answer:
    """A refusal in Kubernetes' form."""
    return code, {"kind": "Status", "status": "Failure", "message": message, "code": code}


def refusal(container: dict[str, Any]) -> str | None:
    """Why Kubernetes would not take a container; None if it would."""
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    if len(paths) != len(set(paths)):
        return "volumeMounts.mountPath: must be unique"
    resources = container["resources"]
    for name, amount in resources.get("requests", {}).items():
        limit = resources.get("limits", {}).get(name)
        if "/" in name and limit is None:  # such as nvidia.com/gpu
            return f"limits: Required value: Limit must be set for non overcommitable resources ({name})"
        if "/" in name and limit != amount:
            return f"requests: must be equal to {name} limit"
    return None
