"""The recording of all forks as an L1 that real programs follow, with the files that they start from, and what must come of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.peers.process import find_program
from tests.fake_endpoints import FakeEndpoints, RecordedChains, running
from tests.rpc_objects import data
from tests.shared import shared
from trinode.protocol.output_root import output_root
from trinode.rollup.fork import Fork

TIMEOUT = 240.0
"""Seconds for a whole chain, on a busy machine."""
SECRET = bytes(31) + b"\x07"


@dataclass(frozen=True, slots=True)
class RecordedNetwork:
    """An L1 on loopback. `rollup`, `l1_chain`, `genesis_file` and `secret_file` are files in `folder` or of the recording."""

    chains: RecordedChains
    server: FakeEndpoints
    folder: Path
    rollup: Path
    l1_chain: Path
    genesis_file: Path
    secret_file: Path

    @property
    def last(self) -> int:
        """The number of the last L2 block."""
        return max(self.chains.l2)

    def genesis(self) -> dict[str, Any]:
        """The object of genesis.json."""
        found: dict[str, Any] = json.loads(gzip.decompress(self.genesis_file.read_bytes()))
        return found

    def show(self, latest: int, finalized: int) -> None:
        """L1 is that far."""
        self.chains.labels.update(latest=latest, safe=finalized, finalized=finalized)

    def safe_at(self, l1_number: int) -> int:
        """The safe L2 block that L1 makes up to a block of it."""
        return max((l2 for l1, l2 in self.chains.safe.items() if l1 <= l1_number), default=0)

    def hash_of(self, number: int) -> str:
        """Of an L2 block."""
        return data(self.chains.l2[number][0].ref.hash)

    def one_of_each_fork(self) -> dict[Fork, int]:
        """An L2 block of each fork that the chain goes through."""
        config = self.chains.head.rollup_config
        return {config.fork_at(l2_timestamp=header.timestamp): number for number, (_, header) in self.chains.l2.items()}

    def is_output(self, number: int, output: dict[str, Any]) -> bool:
        """Whether that is the output of an L2 block, by its own storage root where the header does not have it."""
        block, header = self.chains.l2[number]
        root = bytes.fromhex(output["withdrawalStorageRoot"][2:])
        is_ours = header.requests_hash is None or root == header.withdrawals_root
        return is_ours and output["outputRoot"] == data(output_root(header.state_root, root, block.ref.hash))


@contextmanager
def recorded_network(folder: Path) -> Iterator[RecordedNetwork]:
    """The L1, until the end of the block; skips the test where the recording is absent."""
    chains = RecordedChains(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = shared("recordings/forks-genesis.json.gz")
    rollup, l1_chain, secret = folder / "rollup.json", folder / "l1.json", folder / "jwt.hex"
    rollup.write_text(json.dumps(chains.head.rollup_config.to_json()))
    l1_chain.write_text(json.dumps(chains.head.l1_chain_config.to_json()))
    secret.write_text(SECRET.hex())
    with running(chains) as server:
        yield RecordedNetwork(chains, server, folder, rollup, l1_chain, genesis, secret)


def peer(name: str) -> Path:
    """A program; skips the test where it is absent."""
    found = find_program(name)
    if found is None:
        pytest.skip(f"{name} is not in TRINODE_PEERS or on PATH")
    return found
