"""trinode as a process, as a user starts it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.peers.process import START_TIMEOUT, Process

_WHERE = {
    "http": re.compile(r"JSON-RPC at (http://[\d.:]+)"),
    "rpc": re.compile(r"rollup node's RPC at (http://[\d.:]+)"),
    "authrpc": re.compile(r"Engine API at (http://[\d.:]+)"),
    "p2p": re.compile(r"P2P at (/ip4/[\d.]+/tcp/\d+/p2p/\w+)"),
    "devnet.l1": re.compile(r"on an L1 of its own at (http://[\d.:]+)"),
}
_PROBLEM = re.compile(r"\b(?:warning|error|critical)\b", re.IGNORECASE)


class TrinodeNode(Process):
    """`trinode` with `options`, by their names; its servers are at free ports unless they say where, and it has no peers unless they say so.

    `folder`: for its data and its log.
    """

    def __init__(self, folder: Path, options: Mapping[str, object]) -> None:
        folder.mkdir(exist_ok=True)
        ports = dict.fromkeys(("http.port", "ws.port", "rpc.port"), 0)
        words = {"datadir": folder / "data", "log.format": "logfmt", "p2p.disable": "true", **ports, **options}
        command = [sys.executable, "-m", "trinode.cli", *[f"--{name}={value}" for name, value in words.items()]]
        super().__init__(command, folder / "trinode.log")

    def address(self, server: str) -> str:
        """Where a server listens in this life: `http`, `rpc`, `authrpc`, `p2p` or `devnet.l1`."""
        where = _WHERE[server]
        self.wait_for(lambda: where.search(self.log) is not None, START_TIMEOUT)
        found = where.search(self.log)
        assert found is not None
        return found[1]

    @property
    def problems(self) -> list[str]:
        """What it warned of in this life."""
        return [line for line in self.log.splitlines() if _PROBLEM.search(line)]
