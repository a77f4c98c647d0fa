"""trinode as a process of its own, as an operator starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio

from trinode.jsonrpc.requests import RpcError

_URL = re.compile(r"JSON-RPC at (http://\S+) ")
_PATIENCE = 60.0
"""Seconds for a node to begin or to end."""


class NodeEnded(Exception):
    """The node has ended, or does not begin; what it said at last."""


class NodeProcess:
    """A node that runs, and its JSON-RPC."""

    def __init__(self, name: str, log: Path, client: httpx.AsyncClient) -> None:
        self.name = name
        self._log = log
        self._client = client
        self._url = ""

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    async def call(self, method: str, *params: Any) -> Any:
        """The result of a call. Raises RpcError, httpx.TransportError."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        reply = (await self._client.post(self._url, json=request)).json()
        if "error" in reply:
            raise RpcError(reply["error"]["code"], reply["error"]["message"])
        return reply["result"]

    async def begun(self) -> None:
        """Wait until it serves. Raises NodeEnded where it does not."""
        with trio.move_on_after(_PATIENCE):
            while (found := _URL.search(self.log)) is None:
                await trio.sleep(0.1)
            self._url = found[1]
            return
        raise NodeEnded(f"{self.name} does not begin:\n{self.log[-2000:]}")


@asynccontextmanager
async def running_node(folder: Path, name: str, options: Mapping[str, object]) -> AsyncIterator[NodeProcess]:
    """The node with its datadir and its log in `folder`, on ports of its own, until the end of the block; then it has ended by SIGTERM.

    Raises NodeEnded where it does not begin, or ended otherwise.
    """
    log = folder / f"{name}.log"
    usual = {"http.port": 0, "rpc.port": 0, "ws": "false", "p2p.disable": "true", "log.color": "false"}
    all_options: dict[str, object] = {"datadir": folder / name, **usual, **options}
    command = [sys.executable, "-m", "trinode.cli", *[f"--{option}={value}" for option, value in all_options.items()]]
    with log.open("wb") as file:
        async with httpx.AsyncClient(timeout=_PATIENCE, trust_env=False) as client:
            process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
            try:
                node = NodeProcess(name, log, client)
                await node.begun()
                yield node
                process.send_signal(signal.SIGTERM)
                with trio.move_on_after(_PATIENCE):
                    await process.wait()
                if process.returncode != 0:
                    raise NodeEnded(f"{name} has ended with {process.returncode}:\n{node.log[-2000:]}")
            finally:
                if process.returncode is None:
                    process.kill()
                    with trio.CancelScope(shield=True):
                        await process.wait()
