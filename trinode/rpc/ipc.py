"""JSON-RPC over a Unix socket, for the operator's own programs: all methods, and subscriptions (as geth has it: JSON values one after the other,
with or without space between them; each of ours ends with a newline).

Whoever may open the socket's file may do everything: it is the owner's alone.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import trio

from trinode.jsonrpc.connections import Connection, attended
from trinode.jsonrpc.requests import PARSE_ERROR, RpcError
from trinode.rpc.conversation import Conversation
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.room import Room

MAX_CONNECTIONS = 64
MAX_MESSAGE = 16 << 20
"""Bytes of one request or batch."""

MAX_HELD = 64 << 20
MAX_UNSENT = 256 << 20
"""Bytes of requests, and of responses, of all connections together."""

MOST_PATH_BYTES = 107 if sys.platform.startswith("linux") else 103
"""Of a socket's path, without the zero at its end (unix(7))."""

_BACKLOG = 64
_READ_SIZE = 64 << 10
_STRUCTURE = re.compile(rb'["\[\]{}]')
_STRING_PART = re.compile(rb'["\\]')
_SPACE = b" \t\r\n"


class IpcError(Exception):
    """The socket cannot be made; why, and what to do about it."""


class JsonStream:
    """Objects and lists of JSON in a stream of bytes, each at most `most` bytes. Whether they are JSON inside, their reader finds."""

    def __init__(self, most: int = MAX_MESSAGE) -> None:
        self._most = most
        self._data = bytearray()
        self._position = 0  # what is before it was looked at
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> list[bytes]:
        """The values that are complete with this. Raises ValueError for what begins no object or list, and for one that is too large."""
        self._data += data
        found = []
        while (value := self._next()) is not None:
            found.append(value)
        if len(self._data) > self._most:
            raise ValueError(f"more than {self._most} bytes")
        return found

    def _next(self) -> bytes | None:
        data = self._data
        if not self._depth:
            begin = len(data) - len(data.lstrip(_SPACE))
            del data[:begin]
            if data and data[0] not in b"{[":
                raise ValueError("an object or a list was expected")
            self._position = 0
        while True:
            mark = (_STRING_PART if self._in_string else _STRUCTURE).search(data, self._position)
            if mark is None:
                self._position = len(data)
                return None
            character = mark[0]
            self._position = mark.end()
            if character == b"\\":
                if mark.end() == len(data):  # what is escaped is yet to come
                    self._position = mark.start()
                    return None
                self._position += 1
            elif character == b'"':
                self._in_string = not self._in_string
            else:
                self._depth += 1 if character in b"{[" else -1
                if not self._depth:
                    value = bytes(data[: mark.end()])
                    del data[: mark.end()]
                    return value


class IpcServer:
    """The methods of a dispatcher at one path."""

    def __init__(self, dispatcher: Dispatcher, path: Path, *, max_connections: int = MAX_CONNECTIONS, max_message: int = MAX_MESSAGE) -> None:
        self._dispatcher = dispatcher
        self._path = path
        self._max_connections = max_connections
        self._max_message = max_message
        self._requests = Room(MAX_HELD)
        self._responses = Room(MAX_UNSENT)
        self._open = 0

    async def run(self, *, task_status: trio.TaskStatus[Path] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until it is cancelled, and removes the socket then; its path once connections are taken. Raises IpcError."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(bound_socket(self._path)))
        identity = _identity(self._path)
        try:
            async with trio.open_nursery() as nursery:
                task_status.started(self._path)
                await trio.serve_listeners(self._handle, [listener], handler_nursery=nursery)
        finally:
            if _identity(self._path) == identity:
                self._path.unlink()

    async def _handle(self, stream: trio.SocketStream) -> None:
        if self._open >= self._max_connections:
            await stream.aclose()
            return
        self._open += 1
        try:
            connection = Connection(stream)
            async with attended(connection) as nursery:
                await self._converse(nursery, connection)
        finally:
            self._open -= 1

    async def _converse(self, nursery: trio.Nursery, connection: Connection) -> None:
        sending = trio.Lock()

        async def send(message: bytes) -> None:
            async with sending:
                await connection.send_all(message + b"\n")

        async def close(reason: str) -> None:
            await connection.aclose()

        conversation = Conversation(nursery, self._dispatcher, self._requests, self._responses, send=send, close=close)
        messages = JsonStream(self._max_message)
        while data := await connection.receive_some(_READ_SIZE):
            try:
                found = messages.feed(data)
            except ValueError as error:
                await send(_unreadable(str(error)))
                return
            for body in found:
                await conversation.take(body)
        await conversation.finish()


def bound_socket(path: Path) -> socket.socket:
    """A socket that listens at `path`, for its owner alone. A file that a killed process left is replaced. Raises IpcError."""
    if len(os.fsencode(path)) > MOST_PATH_BYTES:
        raise IpcError(f"{path}: a Unix socket's path has at most {MOST_PATH_BYTES} bytes. Name a shorter one with --ipcpath.")
    _remove_stale(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made.bind(os.fspath(path))
        path.chmod(0o600)  # nobody connects before it listens
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise IpcError(f"{path}: no Unix socket can be made here ({error.strerror}). Name another with --ipcpath, or use --ipcdisable.") from error
    return made


def _remove_stale(path: Path) -> None:
    """Raises IpcError for what is no socket, and for one where somebody listens."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise IpcError(f"{path}: {error.strerror}. Name another path with --ipcpath.") from error
    if not stat.S_ISSOCK(mode):
        raise IpcError(f"{path}: this file is no socket. Name another path with --ipcpath.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        found = probe.connect_ex(os.fspath(path))
    if found not in (errno.ECONNREFUSED, errno.ENOENT):
        raise IpcError(f"{path}: another process listens at this socket. Stop it, or name another path with --ipcpath.")
    with suppress(FileNotFoundError):
        path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is; None: there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _unreadable(reason: str) -> bytes:
    error = RpcError(PARSE_ERROR, f"parse error: {reason}")
    return msgspec.json.encode({"jsonrpc": "2.0", "id": None, "error": error.to_json()})
