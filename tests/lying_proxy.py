"""A proxy before an execution client's JSON-RPC that alters what it answers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

Json = Any
Lie = Callable[[str, list[Json], Json], Json]
"""Takes method, parameters and honest result; gives the result that is passed on. Raises Refusal."""

_TIMEOUT = 60


class Refusal(Exception):
    """The method is answered with an error; its text."""


def honest(method: str, params: list[Json], result: Json) -> Json:
    """Alters nothing."""
    return result


class LyingProxy:
    """The proxy at `url`. `lie` may be changed while it runs; `asked` counts calls by method, `requests` HTTP requests."""

    def __init__(self, target: str) -> None:
        self.lie: Lie = honest
        self.asked: Counter[str] = Counter()
        self.requests = 0
        self._target = target
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """For JSON-RPC."""
        return f"http://{self.address}"

    @contextmanager
    def serving(self) -> Iterator[LyingProxy]:
        """On a thread of its own, until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with suppress(ConnectionError):  # a node that was killed
                    super().handle()

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = json.dumps(proxy._answer(request)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def _answer(self, request: Json) -> Json:
        self.requests += 1
        ask = Request(self._target, json.dumps(request).encode(), {"Content-Type": "application/json"})
        with urlopen(ask, timeout=_TIMEOUT) as response:
            reply = json.load(response)
        if isinstance(request, list):
            by_id = {each["id"]: each for each in reply}
            return [self._altered(each, by_id[each["id"]]) for each in request]
        return self._altered(request, reply)

    def _altered(self, request: Json, reply: Json) -> Json:
        method, params = request["method"], request.get("params", [])
        self.asked[method] += 1
        if "error" in reply:
            return reply
        try:
            return reply | {"result": self.lie(method, params, reply["result"])}
        except Refusal as refusal:
            return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": str(refusal)}}
