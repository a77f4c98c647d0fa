"""Finds the packages in the folder TRINODE_PEERS (`python -m harness.p2p_peers.install`), and runs the peers that are made of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from harness.p2p_peers import PACKAGES, SCRIPTS

PATIENCE = 30.0
"""Seconds for what takes less than one."""
Told = dict[str, Any]
"""What a peer tells in one line."""


class PackagesMissing(Exception):
    """node or the packages are not on this machine; which, in one line."""


class NotTold(Exception):
    """The peer did not tell what was waited for; all that it told, and complained of."""


class JavascriptPeer:
    """A peer that runs. Each line that it tells is taken once."""

    def __init__(self, process: trio.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._told: list[Told] = []
        self._news = trio.Event()

    async def read(self) -> None:
        """Hears it, until it ends."""
        assert self._process.stdout is not None
        rest = b""
        async for data in self._process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            self._told += [json.loads(line) for line in lines]
            self._news.set()
            self._news = trio.Event()

    async def say(self, *words: object) -> None:
        """A verb with its arguments."""
        assert self._process.stdin is not None
        await self._process.stdin.send_all(json.dumps(words).encode() + b"\n")

    async def hear(self, event: str, is_it: Callable[[Told], bool] = lambda _: True) -> Told:
        """The first line of that event that it is; whether it was told already or will be. Raises NotTold."""
        with trio.move_on_after(PATIENCE):
            while True:
                news = self._news
                for told in self._told:
                    if told["event"] == event and is_it(told):
                        self._told.remove(told)
                        return told
                await news.wait()
        raise NotTold(f"{event}; but {self._told}\n{self._log.read_text(errors='replace')[-3000:]}")

    async def ask(self, event: str, *words: object) -> Told:
        """Says it, and hears what comes of it."""
        await self.say(*words)
        return await self.hear(event)


def find_packages() -> Path:
    """The folder `node_modules`. Raises PackagesMissing."""
    if shutil.which("node") is None:
        raise PackagesMissing("node is not on PATH")
    folder = os.environ.get("TRINODE_PEERS")
    packages = Path(folder or "", PACKAGES, "node_modules")
    if folder is None or not packages.is_dir():
        raise PackagesMissing(f"{PACKAGES}/node_modules is not in TRINODE_PEERS (python -m harness.p2p_peers.install FOLDER)")
    return packages.absolute()


@asynccontextmanager
async def running_peer(script: str, options: Mapping[str, object], folder: Path) -> AsyncIterator[JavascriptPeer]:
    """The peer, until the end of the block; what it complains of goes to a file in `folder`. Raises PackagesMissing."""
    packages = find_packages()
    # node looks for packages where the script truly is
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(packages)
    shutil.copy(SCRIPTS / script, folder / script)
    command = ["node", str(folder / script), json.dumps(dict(options))]
    # bcrypto, of discv5: its native part is built by a script, which `npm install --ignore-scripts` does not run
    environment = os.environ | {"NODE_BACKEND": "js"}
    log_path = folder / f"{script}.log"
    with log_path.open("ab") as log:
        process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment)
        try:
            async with trio.open_nursery() as nursery:
                peer = JavascriptPeer(process, log_path)
                nursery.start_soon(peer.read)
                yield peer
                nursery.cancel_scope.cancel()
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
