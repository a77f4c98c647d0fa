"""Thousands of idle clients, and many that mean no good: whoever asks properly is answered meanwhile, and memory does not grow."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
import trio

from tests.unit.rpc.scripted_node import CLIENT_VERSION, Served, listening

ROOT = Path(__file__).resolve().parents[2]
CALL = {"jsonrpc": "2.0", "id": 1, "method": "web3_clientVersion"}


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many file descriptors as the system lets a process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rss() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@asynccontextmanager
async def clients(port: int, kind: str, count: int) -> AsyncIterator[trio.Process]:
    """A process with so many, all open."""
    words = [sys.executable, "-m", "tests.hostile_clients", str(port), kind, str(count)]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            lambda task_status: trio.run_process(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, capture_stdout=False, check=False, task_status=task_status, cwd=ROOT
            )
        )
        assert process.stdout is not None and process.stdin is not None
        heard = b""
        while b"ready\n" not in heard:
            heard += await process.stdout.receive_some()
        yield process
        nursery.cancel_scope.cancel()


async def still_open(process: trio.Process) -> int:
    """How many the server holds, as the clients see it; they end."""
    assert process.stdin is not None and process.stdout is not None
    await process.stdin.aclose()
    heard = b""
    while data := await process.stdout.receive_some():
        heard += data
    return int(heard)


async def ask(port: int, times: int) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        for _ in range(times):
            assert (await client.post(f"http://127.0.0.1:{port}/", json=CALL)).json()["result"] == CLIENT_VERSION


async def hold(idle: int, hostile: int) -> None:
    async with listening(Served()) as port:
        await ask(port, 10)
        async with clients(port, "idle", idle) as idlers:
            await ask(port, 50)
            gc.collect()
            before = rss()
            for _ in range(2):
                async with clients(port, "hostile", hostile) as enemies:
                    await ask(port, 100)
                    await still_open(enemies)
            await ask(port, 50)
            gc.collect()
            grown = rss() - before
            assert await still_open(idlers) == idle
    assert grown < 32 << 20


async def test_idle_and_hostile_clients(many_files: None) -> None:
    await hold(300, 90)


@pytest.mark.long
async def test_ten_thousand_idle_and_a_thousand_hostile_clients(many_files: None) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 12_000:
        pytest.skip("the system allows too few open files")
    await hold(10_000, 1_000)


async def test_an_idle_client_takes_little_memory(many_files: None) -> None:
    async with listening(Served()) as port, clients(port, "idle", 100):
        gc.collect()
        before = rss()
        async with clients(port, "idle", 1_000) as idlers:
            taken = rss() - before
            assert await still_open(idlers) == 1_000
    assert taken < 16_000 * 1_000


@contextmanager
def no_more_files() -> Iterator[None]:
    """This process gets no file descriptor any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_no_file_descriptors_are_left() -> None:
    """Those who have a connection are served on; the others as soon as there is room."""
    async with listening(Served()) as port, httpx.AsyncClient() as client:
        assert (await client.post(f"http://127.0.0.1:{port}/", json=CALL)).status_code == 200
        late = await trio.open_tcp_stream("127.0.0.1", port)
        with no_more_files():
            await trio.sleep(0.05)
            assert (await client.post(f"http://127.0.0.1:{port}/", json=CALL)).status_code == 200
        await late.send_all(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b"200 OK" in await late.receive_some()
        await late.aclose()
