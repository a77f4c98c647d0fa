"""op-node, the reference rollup node, over an L1 and an engine (specification: rollup-node)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.peers.geth_config import geth_chain_config
from harness.peers.process import START_TIMEOUT, Process, call
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import L1ChainConfig

PROGRAM = "op-node"
_LISTENS = re.compile(r'msg="Started JSON-RPC server".*?(?:addr|endpoint)="?(?:http://)?([\d.:]+)')
_PROBLEM = re.compile(r"\blvl=(?:warn|error|crit)\b")
_NOBODY = (
    "enode://3c72addb4fdf09af94f0c94d7fe92a386a7e70cf8a1d85916386bb2535c7b1b1"
    "3b306b0fe085665d8fc1b28ae1676cd3ad6e08eaeda225fe38d0da4de55703e0@127.0.0.1:9"
)
"""A bootnode that does not answer: without any, op-node looks up the names of public ones."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Whom it asks. `secret_file`: of the engine's token, in hex."""

    l1: str
    beacon: str
    engine: str
    secret_file: Path


class OpNode(Process):
    """A verifier without P2P, of the chain `config`, if `options` do not say otherwise. Its files are in `folder`."""

    def __init__(self, program: Path, folder: Path, peers: Peers, config: RollupConfig, l1_chain: L1ChainConfig, **options: str) -> None:
        """`options`: more of its flags, or others, by their names."""
        folder.mkdir()
        (folder / "rollup.json").write_text(json.dumps(config.to_json()))
        (folder / "l1.json").write_text(json.dumps(geth_chain_config(l1_chain)))
        words: dict[str, object] = {
            "l1": peers.l1,
            "l1.beacon": peers.beacon,
            "l1.trustrpc": "true",  # else it asks for proofs of L1's state, which a recording does not have
            "l1.http-poll-interval": "500ms",
            "l1.epoch-poll-interval": "1s",
            "l2": peers.engine,
            "l2.jwt-secret": peers.secret_file,
            "l2.enginekind": "geth",
            "rollup.config": folder / "rollup.json",
            "rollup.l1-chain-config": folder / "l1.json",
            "safedb.path": folder / "safedb",
            "p2p.disable": "true",
            "rpc.addr": "127.0.0.1",
            "rpc.port": "0",
            "log.format": "logfmt",
        }
        super().__init__([str(program), *[f"--{name}={value}" for name, value in {**words, **options}.items()]], folder / "op-node.log")
        self.url = ""

    def start(self) -> None:
        """Begins its next life; returns when it answers."""
        super().start()
        self.wait_for(lambda: _LISTENS.search(self.log) is not None, START_TIMEOUT)
        found = _LISTENS.search(self.log)
        assert found is not None
        self.url = f"http://{found[1]}"

    def call(self, method: str, *params: object) -> Any:
        """The result of one of its methods."""
        return call(self.url, method, *params)

    @property
    def problems(self) -> list[str]:
        """What it warned of in this life."""
        return [line for line in self.log.splitlines() if _PROBLEM.search(line)]


def p2p_options(folder: Path, tcp: int, *static: str) -> dict[str, str]:
    """Flags of an op-node with P2P on a port of loopback, with static peers, and without discovery. Its key is kept in `folder`."""
    return {
        "p2p.disable": "false",
        "p2p.listen.ip": "127.0.0.1",
        "p2p.listen.tcp": str(tcp),
        "p2p.static": ",".join(static),
        "p2p.no-discovery": "true",
        "p2p.bootnodes": _NOBODY,
        "p2p.priv.path": str(folder / "op-node-p2p-key.txt"),
        "p2p.peerstore.path": "memory",
        "p2p.discovery.path": "memory",
        "log.level": "debug",
    }
