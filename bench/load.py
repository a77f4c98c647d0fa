"""Requests by HTTP as fast as they are answered: `python -m bench.load PORT SECONDS CONNECTIONS`, the body on standard input.

It is a process of its own, so that it takes nothing from whom it measures; what it finds is one JSON object on standard output.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CHUNKED_END = b"0\r\n\r\n"


class _Connection:
    """One, with one request under way."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self.ask()

    def ask(self) -> None:
        """The next one."""
        self._size: int | None = None
        self._received = 0
        self._head = b""
        self.socket.sendall(self._request)
        self.asked = time.perf_counter()

    def is_answered(self) -> bool:
        """Reads what has come. Raises RuntimeError if it is no good answer."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise RuntimeError("the server closed a connection")
        self._received += len(data)
        if self._size is None:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return False
            if not self._head.startswith(b"HTTP/1.1 200") or b'"error":' in self._head:
                raise RuntimeError(self._head[:500].decode("latin-1"))
            length = _LENGTH.search(self._head[: end + 2])
            self._size = end + 4 + int(length[1]) if length else 0
        return self._received >= self._size if self._size else data.endswith(_CHUNKED_END)


def measure(port: int, seconds: float, connections: int, body: bytes) -> dict[str, float]:
    """Answers, seconds, latencies in seconds, and what of a core the measuring took."""
    head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    request = head.format(len(body)).encode() + body
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            connection = _Connection(port, request)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        cpu, begun = time.process_time(), time.perf_counter()
        now, end = begun, begun + seconds
        while now < end:
            for key, _ in selector.select(1):
                connection = key.data
                if connection.is_answered():
                    latencies.append(time.perf_counter() - connection.asked)
                    connection.ask()
            now = time.perf_counter()
        cpu = time.process_time() - cpu
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    latencies.sort()
    at = [latencies[int(len(latencies) * part)] for part in (0.5, 0.99)]
    return {"answers": len(latencies), "seconds": now - begun, "p50": at[0], "p99": at[1], "most": latencies[-1], "own_cores": cpu / (now - begun)}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.stdin.buffer.read())))
