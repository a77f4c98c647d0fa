"""JSON-RPC over a Unix socket."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from tests.unit.rpc.ticker import Ticker
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.ipc import MOST_PATH_BYTES, IpcError, IpcServer, JsonStream, bound_socket

VALUES = [b'{"a":"}\\"]"}', b"[1,[2,{}]]", b'{"b":"\\\\"}', b"[]"]
CALL = b'{"jsonrpc":"2.0","id":%d,"method":"rpc_modules"}'


@asynccontextmanager
async def listening(path: Path, ticker: Ticker) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        server = IpcServer(Dispatcher([ticker], ["tick"]), path, max_message=1000)
        await nursery.start(lambda task_status: server.run(task_status=task_status))
        yield
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_values_one_after_the_other(size: int) -> None:
    sent = VALUES[0] + b" \n" + VALUES[1] + VALUES[2] + b"\t" + VALUES[3] + b" "
    stream = JsonStream()
    assert [value for start in range(0, len(sent), size) for value in stream.feed(sent[start : start + size])] == VALUES


@pytest.mark.parametrize("sent", [b"x", b"}", b'"text"', b"{} 1", b'{"a":' + b" " * 50])
def test_what_is_no_request(sent: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|bytes"):
        JsonStream(40).feed(sent)


async def test_requests_and_notifications(tmp_path: Path) -> None:
    path, ticker = tmp_path / "t.ipc", Ticker()
    async with listening(path, ticker):
        assert path.stat().st_mode & 0o777 == 0o600
        async with await trio.open_unix_socket(path) as client:
            await client.send_all(CALL % 1 + CALL % 2)
            data = b""
            with trio.fail_after(10):
                while data.count(b"\n") < 2:
                    data += await client.receive_some()
            assert {msgspec.json.decode(line)["id"] for line in data.splitlines()} == {1, 2}
            await client.send_all(b'{"jsonrpc":"2.0","id":3,"method":"tick_subscribe","params":["count",2]}')
            data = b""
            with trio.fail_after(10):
                while data.count(b"\n") < 3:
                    data += await client.receive_some()
            answer, *told = [msgspec.json.decode(line) for line in data.splitlines()]
            assert [(each["params"]["subscription"], each["params"]["result"]) for each in told] == [(answer["result"], 0), (answer["result"], 1)]
            await client.send_all(b"nonsense")
            with trio.fail_after(10):
                last = b"".join([part async for part in client])
            assert msgspec.json.decode(last)["error"]["code"] == -32700
    assert not path.exists()


async def test_what_stands_at_the_path(tmp_path: Path) -> None:
    path = tmp_path / "t.ipc"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    async with listening(path, Ticker()):
        with pytest.raises(IpcError, match="another process listens"):
            bound_socket(path)
    path.write_text("mine")
    with pytest.raises(IpcError, match="no socket"):
        bound_socket(path)
    with pytest.raises(IpcError, match=f"at most {MOST_PATH_BYTES} bytes"):
        bound_socket(tmp_path / ("x" * 120))
