"""The RPC server over loopback: WebSocket, on the port that HTTP has too."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import httpx
import msgspec
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair
from trio_websocket import WebSocketConnection, open_websocket, wrap_client_stream

from tests.unit.rpc.scripted_node import CLIENT_VERSION, Served, listening
from trinode.jsonrpc.connections import Connection
from trinode.rpc.conversation import MAX_AT_ONCE
from trinode.rpc.room import Room
from trinode.rpc.websocket import WebSockets

pytestmark = pytest.mark.usefixtures("readiness")

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@asynccontextmanager
async def connected(port: int, **headers: str) -> AsyncIterator[WebSocketConnection]:
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    async with open_websocket("127.0.0.1", port, "/", use_ssl=False, extra_headers=extra) as websocket:
        yield websocket


def call(method: str, *params: object, id: object = 1) -> str:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "method": method, "params": list(params)}).decode()


async def heard(websocket: WebSocketConnection) -> Any:
    message = await websocket.get_message()
    assert isinstance(message, str)
    return msgspec.json.decode(message)


async def answer_to(port: int, handshake: bytes, *frames: bytes) -> bytes:
    """Of a connection that the server closes: to the handshake, or to `frames` if there are any."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        with trio.fail_after(5):
            await stream.send_all(handshake)
            for raw in frames:
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
                await stream.send_all(raw)
            return b"".join([data async for data in stream])


async def test_both_kinds_on_one_port() -> None:
    async with listening(Served()) as port, connected(port) as websocket, httpx.AsyncClient() as client:
        for _ in range(3):
            await websocket.send_message(call("web3_clientVersion"))
            assert await heard(websocket) == {"jsonrpc": "2.0", "id": 1, "result": CLIENT_VERSION}
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        await websocket.send_message(f"[{call('net_version', id=5)},{call('net_nothing', id=6)}]".encode())
        assert [each["id"] for each in await heard(websocket)] == [5, 6]
        await websocket.send_message("{")
        assert (await heard(websocket))["error"] == {"code": -32700, "message": "parse error"}


async def test_one_kind_alone() -> None:
    async with listening(Served(http=False)) as port, connected(port) as websocket, httpx.AsyncClient() as client:
        response = await client.post(f"http://127.0.0.1:{port}", json={})
        assert (response.status_code, response.text) == (404, "this port takes WebSockets alone\n")
        assert (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        await websocket.send_message(call("net_version"))
        assert (await heard(websocket))["result"] == "901"
    async with listening(Served(websocket=False)) as port:
        assert (await answer_to(port, HANDSHAKE)).startswith(b"HTTP/1.1 403")


async def test_requests_of_one_connection_do_not_wait_for_each_other() -> None:
    served = Served()
    async with listening(served) as port, connected(port) as websocket:
        await websocket.send_message(call("test_wait", id="slow"))
        await websocket.send_message(call("net_version", id="quick"))
        assert (await heard(websocket))["id"] == "quick"
        served.methods.go_on.set()
        assert await heard(websocket) == {"jsonrpc": "2.0", "id": "slow", "result": "done"}


async def test_what_one_connection_asks_for_at_once_is_bounded() -> None:
    served = Served()
    async with listening(served) as port, connected(port) as websocket:
        for number in range(MAX_AT_ONCE + 5):
            await websocket.send_message(call("test_wait", id=number))
        while served.methods.begun < MAX_AT_ONCE:
            await trio.sleep(0.001)
        await trio.sleep(0.02)
        assert served.methods.begun == MAX_AT_ONCE
        served.methods.go_on.set()
        assert {(await heard(websocket))["id"] for _ in range(MAX_AT_ONCE + 5)} == set(range(MAX_AT_ONCE + 5))


async def test_a_connection_that_goes_takes_its_requests_along() -> None:
    served = Served()
    async with listening(served) as port:
        async with connected(port) as websocket:
            await websocket.send_message(call("test_wait"))
            while not served.methods.begun:
                await trio.sleep(0.001)
        while not served.methods.given_up:
            await trio.sleep(0.001)


@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        ({}, True),
        ({"origin": "https://app.example"}, True),
        ({"origin": "https://APP.example"}, True),
        ({"origin": "http://wallet.example:3000"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://app.example.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://[::1"}, False),
        ({"origin": ""}, False),
    ],
)
async def test_whose_pages_may_connect(headers: dict[str, str], answered: bool) -> None:
    async with listening(Served(websocket_origins=("https://app.example", "wallet.example"))) as port:
        if answered:
            async with connected(port, **headers) as websocket:
                await websocket.send_message(call("net_version"))
                assert (await heard(websocket))["result"] == "901"
        else:
            lines = b"".join([f"{name}: {value}\r\n".encode() for name, value in headers.items()])
            answer = await answer_to(port, HANDSHAKE[:-2] + lines + b"\r\n")
            assert answer.startswith(b"HTTP/1.1 403")
            assert b"origin not allowed" in answer


async def test_another_host_is_refused() -> None:
    async with listening(Served()) as port:
        answer = await answer_to(port, HANDSHAKE.replace(b"localhost", b"evil.example"))
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"invalid host specified" in answer


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    async with listening(Served(max_body=1000)) as port, connected(port) as websocket:
        await websocket.send_message(" " * 1000)
        assert (await heard(websocket))["error"]["code"] == -32700
        assert close_code(await answer_to(port, HANDSHAKE, frame(1, b" " * 1001, final=True))) == 1009
        await websocket.send_message(call("net_version"))
        assert (await heard(websocket))["result"] == "901"


def close_code(answer: bytes) -> int:
    """In a close frame."""
    assert answer[0] == 0x88
    return int.from_bytes(answer[2:4], "big")


def frame(opcode: int, payload: bytes, *, final: bool, length: int | None = None) -> bytes:
    """One that a client sends, masked with zeros; `length`: what it says of itself."""
    size = len(payload) if length is None else length
    code, extended = (size, b"") if size < 126 else (126, size.to_bytes(2, "big")) if size < 1 << 16 else (127, size.to_bytes(8, "big"))
    return bytes([final << 7 | opcode, 0x80 | code]) + extended + bytes(4) + payload


@pytest.mark.parametrize(
    "raw",
    [
        *[Random(seed).randbytes(100_000) for seed in range(20)],
        b"\xff" * 100,
        frame(1, b"\xff\xfe", final=True),
        frame(1, b"x", final=False) + frame(0, b"", final=False) * 20_000,
        frame(1, b"x" * 2000, final=False) * 100,
        frame(2, b"x", final=True, length=2**62) + b"y" * 100_000,
        frame(9, b"ping", final=True) * 10_000,
        frame(8, b"", final=True) * 100,
        frame(8, b"\x03\xe8bye", final=True) + frame(1, b"{}", final=True),
        frame(0, b"nothing to continue", final=True),
        frame(1, b"[" * 900, final=True) * 50,
    ],
    ids=range(30),
)
async def test_frames_of_garbage_end_their_own_connection_alone(raw: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    async with listening(Served(max_body=1000)) as port, connected(port) as other:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            with suppress(trio.BrokenResourceError), trio.fail_after(5):
                await stream.send_all(HANDSHAKE)
                await stream.receive_some()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(read_to_the_end, stream)
                    with suppress(trio.BrokenResourceError):
                        await stream.send_all(raw)
                        await stream.send_eof()
        await other.send_message(call("net_version"))
        assert (await heard(other))["result"] == "901"
    assert "Traceback" not in capfd.readouterr().err


async def read_to_the_end(stream: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        while await stream.receive_some():
            pass


async def test_messages_together_are_bounded() -> None:
    served = Served(max_held=200)
    async with listening(served) as port, connected(port) as first:
        await first.send_message(call("test_wait").ljust(150))
        while not served.methods.begun:
            await trio.sleep(0.001)
        assert close_code(await answer_to(port, HANDSHAKE, frame(1, call("net_version").ljust(150).encode(), final=True))) == 1013
        served.methods.go_on.set()
        assert (await heard(first))["result"] == "done"


async def test_who_does_not_read_does_not_hold_up_the_end() -> None:
    with trio.fail_after(10):
        async with listening(Served()) as port:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", port))
                client.sendall(HANDSHAKE)
                await trio.lowlevel.wait_readable(client)
                client.recv(1000)
                client.sendall(frame(1, call("test_large", 16 << 20).encode(), final=True) * 3)
                await trio.lowlevel.wait_readable(client)
                async with connected(port) as websocket:
                    await websocket.send_message(call("net_version"))
                    assert (await heard(websocket))["result"] == "901"


class DeafSocket:
    """In the place of a TCP socket; closing it breaks the stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


async def test_who_does_not_answer_pings_is_dropped(autojump_clock: MockClock) -> None:
    served = Served()
    ours, theirs = memory_stream_pair()
    ours.socket = DeafSocket(ours)  # type: ignore[attr-defined]
    server = WebSockets(served.dispatcher, Room(1000), Room(1000), virtual_hosts=("localhost",), origins=(), max_message=1000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, Connection(ours))  # type: ignore[arg-type]
        await theirs.send_all(HANDSHAKE)
        await theirs.receive_some()
    assert 60 <= trio.current_time() < 80


async def test_who_answers_pings_stays(autojump_clock: MockClock) -> None:
    served = Served()
    ours, theirs = memory_stream_pair()
    ours.socket = DeafSocket(ours)  # type: ignore[attr-defined]
    server = WebSockets(served.dispatcher, Room(1000), Room(1000), virtual_hosts=("localhost",), origins=(), max_message=1000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, Connection(ours))  # type: ignore[arg-type]
        websocket = await wrap_client_stream(nursery, theirs, "localhost", "/")  # type: ignore[arg-type]
        await trio.sleep(1000)
        await websocket.send_message(call("net_version"))
        assert (await heard(websocket))["result"] == "901"
        await websocket.aclose()


async def test_a_slow_reader_is_dropped(autojump_clock: MockClock) -> None:
    ours, _ = memory_stream_pair()
    ours.socket = DeafSocket(ours)  # type: ignore[attr-defined]
    ours.send_stream.send_all_hook = trio.sleep_forever
    connection = Connection(ours)  # type: ignore[arg-type]
    with pytest.raises(trio.BrokenResourceError, match="does not read"):
        await connection.send_all(b"x")
    assert ours.socket.is_closed  # type: ignore[attr-defined]
    assert trio.current_time() < 40


async def test_a_head_that_does_not_come(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    ours.socket = DeafSocket(ours)  # type: ignore[attr-defined]
    await theirs.send_all(b"GET / HTTP/1.1\r\n")
    assert await Connection(ours).first_head() is None  # type: ignore[arg-type]
    assert trio.current_time() < 40


async def test_each_address_has_a_rate_over_both() -> None:
    limited = {"code": -32005, "message": "more than 0.001 requests in a second from one address"}
    async with listening(Served(rate=0.001, rate_burst=4)) as port, connected(port) as websocket, httpx.AsyncClient() as client:
        assert (await client.post(f"http://127.0.0.1:{port}", json=msgspec.json.decode(call("net_version")))).status_code == 200
        await websocket.send_message(f"[{call('net_version', id=1)},{call('net_version', id=2)}]")
        assert [each["result"] for each in await heard(websocket)] == ["901", "901"]
        await websocket.send_message(call("net_version", id=3))
        assert (await heard(websocket))["result"] == "901"
        await websocket.send_message(call("net_version", id="four"))
        assert await heard(websocket) == {"jsonrpc": "2.0", "id": "four", "error": limited}
        notification = '{"jsonrpc":"2.0","method":"net_version"}'
        await websocket.send_message(notification)
        await websocket.send_message(f"[{notification},{call('net_version', id=5)},7]")
        first, second = await heard(websocket)
        assert (first["id"], first["error"], second["error"]["code"]) == (5, limited, -32600)
        assert (await client.post(f"http://127.0.0.1:{port}", json=msgspec.json.decode(call("net_version")))).status_code == 429
