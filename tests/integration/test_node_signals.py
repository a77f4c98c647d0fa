"""SIGINT and SIGTERM end the node gracefully at whatever it is, and a second one at once; times are printed, not asserted."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest

from harness.devnet_load import TransferLoad
from harness.node_process import ANY_PORTS, Ended, NodeProcess, RpcFailed
from tests.fake_endpoints import Fault, RecordedChains, running
from tests.recorded_node import forks_chains, verifier_words

TIMEOUT = 60.0
SIGNALS = [signal.SIGTERM, signal.SIGINT]
WAYS_TO_STOP = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
BEGUN = "derivation begins"
HALF_A_REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
ENDLESS_LOOP = "0x5b5f56"
"""JUMPDEST PUSH0 JUMP."""


@pytest.fixture(scope="module")
def chains() -> RecordedChains:
    return forks_chains()


def stop(node: NodeProcess, number: signal.Signals, what: str) -> None:
    """Ends the node by a signal, and says how long it took."""
    status, seconds = node.stop(number, TIMEOUT)
    print(f"{number.name} {what}: {seconds:.2f} s")
    assert status == 0, "\n".join(node.lines)
    assert "Traceback" not in "\n".join(node.lines)


def wait_until_ready(node: NodeProcess) -> None:
    """Until it has begun, and has nothing to catch up with."""
    node.wait_for(BEGUN)
    while node.get("/readyz").status_code != 200:
        time.sleep(0.05)


# ---- at whatever it is ----


def test_while_it_starts(tmp_path: Path) -> None:
    """From the moment that the folder is its own."""
    words, random = [f"--datadir={tmp_path}", *ANY_PORTS], Random(1)
    for number in SIGNALS * 3:
        (tmp_path / "LOCK").unlink(missing_ok=True)
        with NodeProcess(words) as node:
            while not (tmp_path / "LOCK").exists():
                time.sleep(0.002)
            time.sleep(random.uniform(0, 0.6))
            stop(node, number, "while it starts")
    with NodeProcess(words) as node:
        node.wait_for(BEGUN)


@WAYS_TO_STOP
def test_while_it_syncs(chains: RecordedChains, tmp_path: Path, number: signal.Signals) -> None:
    with running(chains) as server, NodeProcess(verifier_words(chains, server, tmp_path)) as node:
        node.wait_for("malformed system config update")
        stop(node, number, "while it syncs")


@WAYS_TO_STOP
def test_while_it_is_idle(tmp_path: Path, number: signal.Signals) -> None:
    with NodeProcess([f"--datadir={tmp_path}", *ANY_PORTS]) as node:
        wait_until_ready(node)
        stop(node, number, "while it is idle")


@WAYS_TO_STOP
def test_while_it_makes_blocks(tmp_path: Path, number: signal.Signals) -> None:
    """Blocks are begun each second and filled until they are due, so that the signal comes amid one."""
    random = Random(number)
    with TransferLoad(100) as load:
        for _ in range(3):
            with NodeProcess([f"--datadir={tmp_path}", "--block-time=1s", *ANY_PORTS]) as node:
                load.url = node.address("http")
                head = int(node.call("eth_blockNumber"), 16)
                while int(node.call("eth_blockNumber"), 16) < head + 2:
                    time.sleep(0.05)
                time.sleep(random.uniform(0, 1))
                seen = node.call("eth_getBlockByNumber", "latest", False)
                stop(node, number, "amid a block")
            with NodeProcess([f"--datadir={tmp_path}", "--block-time=1s", *ANY_PORTS]) as node:
                assert node.call("eth_getBlockByNumber", seen["number"], False)["hash"] == seen["hash"]


# ---- whoever else is there ----


def handshaken(url: str) -> socket.socket:
    """A WebSocket to the node, which nobody reads."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = socket.create_connection((address.hostname, address.port or 0), TIMEOUT)
    head = ["GET / HTTP/1.1", f"Host: {address.netloc}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    connection.sendall("\r\n".join([*head, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]).encode())
    reply = b""
    while b"\r\n\r\n" not in reply:
        reply += connection.recv(1)
    assert b" 101 " in reply.splitlines()[0]
    return connection


def text_frame(text: str) -> bytes:
    """A masked frame (RFC 6455, section 5.2), the mask being zero."""
    return bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2, "big") + bytes(4) + text.encode()


def fill(connection: socket.socket) -> None:
    """Sends requests until the node takes no more of them, because nobody takes its answers."""
    batch = [{"jsonrpc": "2.0", "id": index, "method": "eth_getBlockByNumber", "params": ["latest", True]} for index in range(200)]
    connection.settimeout(0.5)
    with suppress(TimeoutError, ConnectionError):
        for _ in range(200):
            connection.sendall(text_frame(json.dumps(batch)))


@contextmanager
def clients(node: NodeProcess) -> Iterator[None]:
    """Clients that are idle, silent in the middle of a request, deaf, or wait for an answer that takes long."""
    url = node.address("http")
    address = urlsplit(url)
    with ExitStack() as stack:
        for beginning in (b"", b"POST / HTTP/1.1\r\nHo", HALF_A_REQUEST):
            connection = stack.enter_context(socket.create_connection((address.hostname or "", address.port or 0)))
            connection.sendall(beginning)
        stack.enter_context(handshaken(url))
        fill(stack.enter_context(handshaken(url)))
        caller = threading.Thread(target=call_for_ever, args=(node,))
        caller.start()
        stack.callback(caller.join)
        yield


def call_for_ever(node: NodeProcess) -> None:
    with suppress(RpcFailed):
        node.call("eth_call", {"input": ENDLESS_LOOP}, "latest")


@WAYS_TO_STOP
def test_with_clients(tmp_path: Path, number: signal.Signals) -> None:
    with NodeProcess([f"--datadir={tmp_path}", *ANY_PORTS, "--rpc.evmtimeout=60s"]) as node:
        node.wait_for(BEGUN)
        with clients(node):
            assert node.get("/healthz").status_code == 200
            stop(node, number, "with clients")


@WAYS_TO_STOP
@pytest.mark.parametrize("begun", [False, True], ids=["from the start", "later"])
def test_while_l1_hangs(chains: RecordedChains, tmp_path: Path, number: signal.Signals, *, begun: bool) -> None:
    with running(chains) as server:
        hang = Fault(hang=True)
        if not begun:
            server.fault = lambda service, method, params: hang
        with NodeProcess(verifier_words(chains, server, tmp_path)) as node:
            node.wait_for(BEGUN if begun else "trinode ")
            server.fault = lambda service, method, params: hang
            calls = server.calls.total()
            while begun and server.calls.total() == calls:
                time.sleep(0.01)
            stop(node, number, "while L1 hangs")


# ---- a second one ----


def test_a_second_signal(tmp_path: Path) -> None:
    """Both are there when the node looks, so that it has had no time to end before the second."""
    with NodeProcess([f"--datadir={tmp_path}", *ANY_PORTS]) as node:
        wait_until_ready(node)
        for number in (signal.SIGSTOP, *SIGNALS, signal.SIGCONT):
            os.kill(node.process.pid, number)
        assert node.wait() == 1
    with NodeProcess([f"--datadir={tmp_path}", *ANY_PORTS]) as node:
        node.wait_for(BEGUN)


def test_a_node_that_was_stopped_says_nothing_else(tmp_path: Path) -> None:
    with NodeProcess([f"--datadir={tmp_path}", *ANY_PORTS]) as node:
        node.wait_for(BEGUN)
        stop(node, signal.SIGTERM, "at once")
        with pytest.raises(Ended):
            node.wait_for("no line has this")
        assert node.lines[-1].endswith("stopping; a second signal ends it at once")
