"""Clients that hold connections and mean no good, as a process of its own: file descriptors are counted by process.

`python -m tests.hostile_clients PORT KIND COUNT`: says `ready` when all are open, and keeps them busy until its standard input ends; then it
says how many the server still holds.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Callable, Mapping

_HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
_CALL = b'{"jsonrpc":"2.0","id":1,"method":"web3_clientVersion"}'
_WHOLE = _HEAD + b"Content-Length: %d\r\n\r\n" % len(_CALL) + _CALL


class _Client:
    """One connection: `first` at its begin, and `more` of it each time."""

    def __init__(self, port: int, first: bytes, more: Callable[[int], bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._more = more
        self._times = 0
        self.socket.sendall(first)
        self.socket.setblocking(False)

    def go_on(self) -> None:
        """What comes next, if anybody takes it."""
        self._times += 1
        try:
            self.socket.send(self._more(self._times))
        except OSError:
            return

    def is_open(self) -> bool:
        """Whether the server has not ended it."""
        try:
            while data := self.socket.recv(1 << 16):
                if b"connection: close" in data:
                    return False
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def _nothing(times: int) -> bytes:
    return b""


KINDS: Mapping[str, tuple[bytes, Callable[[int], bytes]]] = {
    "idle": (_WHOLE, _nothing),
    "silent": (b"", _nothing),
    "slow head": (b"POST / HT", lambda times: b"TP/1.1\r\nX: "[times - 1 : times] or b"x"),
    "huge head": (_HEAD, lambda times: b"X-%d: " % times + b"y" * 4000 + b"\r\n"),
    "slow body": (_HEAD + b"Content-Length: 1000000\r\n\r\n", lambda times: b" "),
    "huge body": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", lambda times: b"4000\r\n" + b" " * 0x4000 + b"\r\n"),
    "garbage": (b"", lambda times: bytes(range(256))),
    "does not read": (_WHOLE, lambda times: _WHOLE * 50),
    "half closed": (_HEAD, _nothing),
}


def main(port: int, kind: str, count: int) -> None:
    """Opens, goes on, counts."""
    kinds = [each for each in KINDS if each != "idle"] if kind == "hostile" else [kind]
    clients = [_Client(port, *KINDS[kinds[index % len(kinds)]]) for index in range(count)]
    for index, client in enumerate(clients):
        if kinds[index % len(kinds)] == "half closed":
            client.socket.shutdown(socket.SHUT_WR)
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        if kind == "idle":
            continue
        for client in clients:
            client.go_on()
            time.sleep(0.0005)
    print(sum(client.is_open() for client in clients), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
