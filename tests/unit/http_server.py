"""A folder served over HTTP on loopback."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class HttpFolder(ThreadingHTTPServer):
    """Serves the files of a folder on loopback; `cut`: how many answers still break off half-way."""

    def __init__(self, path: Path) -> None:
        super().__init__(("127.0.0.1", 0), _FolderHandler)
        self.path = path
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.cut = 0
        self.requests: list[str] = []


class _FolderHandler(BaseHTTPRequestHandler):
    server: HttpFolder

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        file = self.server.path / self.path.lstrip("/")
        if not file.is_file():
            return self.send_error(404)
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.cut:
            self.server.cut -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""
