"""The anvil process: an L1 execution client that makes blocks by the clock, and reorgs when told."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio

from trinode.devnet.accounts import MNEMONIC
from trinode.jsonrpc.requests import RpcError

PROGRAM = "anvil"
HARDFORK = "osaka"
_PATIENCE = 30.0
"""Seconds for it to begin to answer."""


class AnvilMissing(Exception):
    """There is no anvil to start; where it was looked for."""


def find_anvil() -> str:
    """The program, in the folder TRINODE_PEERS or on PATH. Raises AnvilMissing."""
    program = shutil.which(PROGRAM, path=os.environ.get("TRINODE_PEERS")) or shutil.which(PROGRAM)
    if program is None:
        raise AnvilMissing(f"{PROGRAM} is neither in the folder TRINODE_PEERS nor on PATH")
    return program


class AnvilL1:
    """An anvil that runs, and its JSON-RPC. Its ten accounts are those of the devnet, with ether and unlocked."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.url = url
        self._client = client

    async def call(self, method: str, *params: Any) -> Any:
        """The result of a call. Raises RpcError with what it answers otherwise, httpx.TransportError where it does not."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        reply = (await self._client.post(self.url, json=request)).json()
        error = reply.get("error")
        if error is not None:
            raise RpcError(error["code"], error["message"], data=error.get("data"))
        return reply["result"]

    async def head(self) -> int:
        """The number of its newest block."""
        return int(await self.call("eth_blockNumber"), 16)

    async def reorg(self, depth: int) -> None:
        """Its newest `depth` blocks are replaced by empty ones. Their transactions are in no pool any more."""
        await self.call("anvil_reorg", depth, [])


@asynccontextmanager
async def running_anvil(chain_id: int, *, block_time: int, epoch: int) -> AsyncIterator[AnvilL1]:
    """anvil on a free port, with a block every `block_time` seconds, of which the one `epoch` blocks ago is safe, and that twice as long ago
    finalized. It is stopped at the end of the block. Raises AnvilMissing.
    """
    port = _free_port()
    options: dict[str, object] = {"host": "127.0.0.1", "port": port, "chain-id": chain_id, "hardfork": HARDFORK, "mnemonic": MNEMONIC}
    options |= {"block-time": block_time, "slots-in-an-epoch": epoch, "timestamp": int(time.time()), "order": "fifo"}
    command = [find_anvil(), "--silent", *[word for name, value in options.items() for word in (f"--{name}", str(value))]]
    async with httpx.AsyncClient(timeout=_PATIENCE, trust_env=False) as client, trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: trio.run_process(command, stdout=subprocess.DEVNULL, task_status=task_status))
        anvil = AnvilL1(f"http://127.0.0.1:{port}", client)
        with trio.fail_after(_PATIENCE):
            while True:
                try:
                    await anvil.call("eth_chainId")
                    break
                except httpx.TransportError:
                    await trio.sleep(0.1)
        # Without it, the blocks of a reorg all have the time of the block before them.
        await anvil.call("anvil_setBlockTimestampInterval", block_time)
        yield anvil
        nursery.cancel_scope.cancel()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
