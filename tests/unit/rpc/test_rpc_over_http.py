"""The RPC server over loopback: HTTP as callers, web pages, probes and enemies speak it."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import httpx
import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.unit.rpc.scripted_node import CLIENT_VERSION, Served, listening
from trinode.jsonrpc.requests import Limits

pytestmark = pytest.mark.usefixtures("readiness")

VERSION_CALL = {"jsonrpc": "2.0", "id": 1, "method": "web3_clientVersion"}
WAIT_CALL = {"jsonrpc": "2.0", "id": 1, "method": "test_wait"}


def url(port: int, path: str = "/") -> str:
    return f"http://127.0.0.1:{port}{path}"


async def still_answers(port: int) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.post(url(port), json=VERSION_CALL)).json()["result"] == CLIENT_VERSION


async def spoken(port: int, *pieces: bytes) -> bytes:
    """What comes back for raw bytes until the server closes."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        heard = b""
        with suppress(trio.BrokenResourceError):  # closed while we still speak
            for piece in pieces:
                await stream.send_all(piece)
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                heard += data
        return heard


def head(*lines: str, method: str = "POST", host: str = "localhost") -> bytes:
    return "\r\n".join([f"{method} / HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()


async def test_requests_batches_and_notifications() -> None:
    async with listening(Served()) as port, httpx.AsyncClient() as client:
        response = await client.post(url(port), json=VERSION_CALL)
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        assert response.json() == {"jsonrpc": "2.0", "id": 1, "result": CLIENT_VERSION}
        batch = [VERSION_CALL, {"jsonrpc": "2.0", "method": "net_version"}, {"jsonrpc": "2.0", "id": "x", "method": "net_version"}]
        assert [each["result"] for each in (await client.post(url(port), json=batch)).json()] == [CLIENT_VERSION, "901"]
        response = await client.post(url(port), json={"jsonrpc": "2.0", "method": "net_version"})
        assert (response.status_code, response.content) == (200, b"")
        modules = (await client.post(url(port), json=VERSION_CALL | {"method": "rpc_modules"})).json()["result"]
        assert modules == {"admin": "1.0", "net": "1.0", "rpc": "1.0", "test": "1.0", "web3": "1.0"}


async def test_health_and_readiness() -> None:
    served = Served()
    async with listening(served) as port, httpx.AsyncClient(headers={"host": "node.example"}) as client:
        for path, text, json in (("/healthz", "ok\n", {"status": "ok", "version": "0.1.0"}), ("/readyz", "ready\n", {"status": "ready"})):
            response = await client.get(url(port, path))
            assert (response.status_code, response.text) == (200, text)
            assert (await client.get(url(port, path), headers={"accept": "application/json"})).json() == json
        served.readiness.reason = "stalled: L1 endpoint\nis gone"
        response = await client.get(url(port, "/readyz"))
        assert (response.status_code, response.text) == (503, "stalled: L1 endpoint is gone\n")
        response = await client.get(url(port, "/readyz"), headers={"accept": "application/json"})
        assert (response.status_code, response.json()) == (503, {"status": "not ready", "reason": "stalled: L1 endpoint is gone"})
        assert (await client.get(url(port, "/healthz"))).status_code == 200
        status = {"version": "0.1.0", "ready": False, "reason": "stalled: L1 endpoint is gone", "legacyGeth": {"state": "ok"}}
        assert (await client.get(url(port, "/status"))).json() == status
        response = await client.head(url(port, "/readyz"))
        assert (response.status_code, response.content) == (503, b"")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"content-type": "application/json"}, 200),
        ("POST", {"content-type": "Application/JSON; charset=utf-8"}, 200),
        ("POST", {}, 200),
        ("POST", {"content-type": "text/plain"}, 415),
        ("POST", {"origin": "http://evil.example"}, 415),
        ("GET", {}, 405),
        ("DELETE", {}, 405),
        ("OPTIONS", {"origin": "http://evil.example"}, 405),
        ("POST", {"host": "evil.example"}, 403),
        ("POST", {"host": "evil.example:8545"}, 403),
        ("POST", {"host": "LocalHost:1"}, 200),
        ("POST", {"host": "10.1.2.3:8545"}, 200),
        ("POST", {"host": "[::1]:8545"}, 200),
        ("POST", {"host": "[::1"}, 200),
        ("POST", {"host": "1.2.3.4.evil.example"}, 403),
        ("POST", {"host": "\xff"}, 403),
    ],
)
async def test_who_is_answered(method: str, headers: dict[str, str], status: int) -> None:
    async with listening(Served()) as port, httpx.AsyncClient() as client:
        raw_headers = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        response = await client.request(method, url(port), content=msgspec.json.encode(VERSION_CALL), headers=raw_headers)
        assert response.status_code == status
        if status == 403:
            assert response.text == "invalid host specified\n"


async def test_web_pages_that_may_ask() -> None:
    page = {"origin": "https://app.example"}
    async with listening(Served(http_origins=("https://app.example",))) as port, httpx.AsyncClient() as client:
        preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        response = await client.options(url(port), headers=page | preflight)
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["access-control-allow-origin"] == "https://app.example"
        assert response.headers["access-control-allow-headers"] == "content-type"
        response = await client.post(url(port), json=VERSION_CALL, headers=page)
        assert (response.headers["access-control-allow-origin"], response.headers["vary"]) == ("https://app.example", "Origin")
        response = await client.options(url(port), headers={"origin": "https://other.example"} | preflight)
        assert (response.status_code, "access-control-allow-origin" in response.headers) == (405, False)
    async with listening(Served(http_origins=("*",), virtual_hosts=("*",))) as port, httpx.AsyncClient() as client:
        response = await client.post(url(port), json=VERSION_CALL, headers={"origin": "null", "host": "any.example"})
        assert response.headers["access-control-allow-origin"] == "*"


async def test_a_body_that_is_too_large_is_not_read() -> None:
    async with listening(Served(max_body=1000)) as port, httpx.AsyncClient() as client:
        assert (await client.post(url(port), content=b" " * 1000)).json()["error"] == {"code": -32700, "message": "parse error"}
        assert b" 413 " in await spoken(port, head("Content-Length: 9999999999999999999"))
        assert b" 413 " in await spoken(port, head("Content-Length: 1001"))
        # Chunks beyond the limit, and far more pieces than hypercorn's queue holds.
        chunks = b"1\r\nx\r\n" * 20_000
        assert b" 413 " in await spoken(port, head("Transfer-Encoding: chunked") + chunks)
        assert b" 403 " in await spoken(port, head("Transfer-Encoding: chunked", host="evil.example") + chunks)
        await still_answers(port)


async def test_all_bodies_together_are_bounded() -> None:
    served = Served(max_held=150)
    async with listening(served) as port, httpx.AsyncClient() as client, trio.open_nursery() as nursery:
        padded = msgspec.json.encode(WAIT_CALL).ljust(100)
        nursery.start_soon(lambda: client.post(url(port), content=padded))
        while not served.methods.begun:
            await trio.sleep(0.001)
        response = await client.post(url(port), content=padded)
        assert (response.status_code, response.text) == (503, "too many requests at once; try again later\n")
        served.methods.go_on.set()
    async with listening(served) as port, httpx.AsyncClient() as client:
        assert (await client.post(url(port), content=padded)).json()["result"] == "done"


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\xff garbage\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 100,
        head("Content-Length: -1"),
        head("Content-Length: 1", "Content-Length: 2"),
        head("Transfer-Encoding: chunked") + b"zz\r\n",
        head("Transfer-Encoding: chunked") + b"f" * 20_000,
        head("X: " + "y" * 100_000),
        b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 100_000,
        head("Connection: upgrade", "Upgrade: h2c", "HTTP2-Settings: \xff", method="GET"),
        head("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Extensions: \xff", method="GET"),
        b" ".join([head(method="GET")] * 3).replace(b" POST", b"POST"),
    ],
    ids=range(14),
)
async def test_garbage_ends_its_own_connection_alone(raw: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    async with listening(Served()) as port:
        with trio.fail_after(30):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                with suppress(trio.BrokenResourceError):  # closed by the server while garbage was under way
                    await stream.send_all(raw)
                    await stream.send_eof()
                    while await stream.receive_some():
                        pass
            await still_answers(port)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 1_000_000, -32700),
        (b'{"a":' * 500_000, -32700),
        (b"[" + b"1," * 900 + b"1]", None),
        (b"[" + b"1," * 2000 + b"1]", -32600),
        (b"[[],[],{},null]", None),
        (b'"\\ud800"', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 1_000_000 + b'"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"test_crash"}', -32603),
        (b'{"jsonrpc":"2.0","id":1,"method":"web3_sha3","params":["0x1"]}', -32602),
    ],
    ids=range(9),
)
async def test_bodies_of_garbage_are_answered(body: bytes, code: int | None, capfd: pytest.CaptureFixture[str]) -> None:
    async with listening(Served()) as port, httpx.AsyncClient() as client:
        response = await client.post(url(port), content=body)
        errors = response.json() if code is None else [response.json()]
        assert {each["error"]["code"] for each in errors} == {code or -32600}
        assert len(response.content) < 200_000


async def test_all_responses_together_are_bounded() -> None:
    async with listening(Served(max_unsent=1000)) as port, httpx.AsyncClient() as client:
        for size, status in ((100, 200), (2000, 503), (800, 200)):
            response = await client.post(url(port), json={"jsonrpc": "2.0", "id": 1, "method": "test_large", "params": [size]})
            assert response.status_code == status


async def test_what_nobody_waits_for_is_given_up() -> None:
    served = Served()
    body = msgspec.json.encode(WAIT_CALL)
    async with listening(served) as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(head(f"Content-Length: {len(body)}") + body)
        while not served.methods.begun:
            await trio.sleep(0.001)
        await stream.aclose()
        while not served.methods.given_up:
            await trio.sleep(0.001)
        await still_answers(port)


async def test_requests_take_turns() -> None:
    served = Served(max_in_flight=2)
    async with listening(served) as port, httpx.AsyncClient() as client, trio.open_nursery() as nursery:
        results: list[Any] = []

        async def ask() -> None:
            results.append((await client.post(url(port), json=WAIT_CALL)).json()["result"])

        for _ in range(5):
            nursery.start_soon(ask)
        while served.methods.begun < 2:
            await trio.sleep(0.001)
        await trio.sleep(0.05)
        assert served.methods.begun == 2
        served.methods.go_on.set()
        while len(results) < 5:
            await trio.sleep(0.001)
    assert served.methods.begun == 5


async def test_connections_are_bounded() -> None:
    async with listening(Served(max_connections=2)) as port, await trio.open_tcp_stream("127.0.0.1", port) as first:
        async with await trio.open_tcp_stream("127.0.0.1", port) as second:
            await first.send_all(b"POST")
            await second.send_all(b"POST")
            async with await trio.open_tcp_stream("127.0.0.1", port) as third:
                assert await third.receive_some() == b""
        while True:
            try:
                await still_answers(port)
                break
            except httpx.HTTPError:
                await trio.sleep(0.001)


async def test_slow_clients_are_not_waited_for() -> None:
    async with listening(Served(Limits(seconds=0.05), body_seconds=0.05)) as port, httpx.AsyncClient() as client:
        assert b"HTTP/1.1 408 " in await spoken(port, head("Content-Length: 9") + b" ")
        assert (await client.post(url(port), json=WAIT_CALL)).json()["error"] == {"code": -32002, "message": "request timed out"}


async def test_who_sends_no_head_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trinode.jsonrpc.http1_client.HEAD_SECONDS", 0.05)
    async with listening(Served()) as port:
        assert await spoken(port, b"POST / HTTP/1.1\r\nHost:") == b""


async def test_requests_in_one_piece_and_in_many() -> None:
    body = msgspec.json.encode(VERSION_CALL)
    one = head(f"Content-Length: {len(body)}") + body
    chunked = head("Transfer-Encoding: chunked", "Connection: close") + b"%x\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (len(body), body)
    async with listening(Served()) as port:
        assert (await spoken(port, one * 5 + chunked)).count(CLIENT_VERSION.encode()) == 6
        assert (await spoken(port, *[bytes([each]) for each in one + chunked])).count(CLIENT_VERSION.encode()) == 2
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(head(f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close"))
            assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await stream.send_all(body)
            assert CLIENT_VERSION.encode() in b"".join([each async for each in stream])


async def test_answers_keep_the_order_of_requests() -> None:
    """The second could be answered at once, and waits for the first."""
    served = Served()
    bodies = [msgspec.json.encode(each) for each in (WAIT_CALL, VERSION_CALL)]
    async with listening(served) as port, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"".join([head(f"Content-Length: {len(body)}") + body for body in bodies]))
        while not served.methods.begun:
            await trio.sleep(0.001)
        served.methods.go_on.set()
        heard = b""
        while CLIENT_VERSION.encode() not in heard:
            heard += await stream.receive_some()
        assert 0 < heard.index(b"done") < heard.index(CLIENT_VERSION.encode())


async def test_each_address_has_a_rate() -> None:
    async with listening(Served(rate=0.001, rate_burst=3)) as port, httpx.AsyncClient() as client:
        assert (await client.post(url(port), json=[VERSION_CALL] * 2)).status_code == 200
        assert (await client.post(url(port), json=VERSION_CALL)).status_code == 200
        response = await client.post(url(port), json=VERSION_CALL)
        assert (response.status_code, response.text) == (429, "more than 0.001 requests in a second from one address\n")
        assert (await client.get(url(port, "/healthz"))).status_code == 200


async def test_who_does_not_read_does_not_hold_up_the_end() -> None:
    """A response larger than the sockets' buffers, to a client that never reads; then the server is cancelled."""
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "test_large", "params": [64 << 20]})
    with trio.fail_after(10):
        async with listening(Served()) as port:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", port))
                client.sendall(head(f"Content-Length: {len(body)}") + body)
                await trio.lowlevel.wait_readable(client)
                await still_answers(port)
                await wait_all_tasks_blocked(0.01)
