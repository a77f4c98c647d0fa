"""The recorded chain of all forks in a store, as methods over a store see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.execution.cases import ChainCase
from harness.execution.chain_files import read_chain_file
from harness.execution.run import checked_genesis
from tests.shared import shared
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.rpc.eth.chain import Chain
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store


@contextmanager
def recorded_store(folder: Path) -> Iterator[tuple[ChainCase, Chain]]:
    """The recording and its store, until the end of the block; skips the test where the recording is absent."""
    recorded = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = checked_genesis(recorded)
    executor = BlockExecutor(recorded.config, FastEngine())
    identity = ChainIdentity(recorded.config.l2_chain_id, genesis.hash)
    with Store.create(folder / "store", identity, genesis, history=None) as store:
        for expected in recorded.blocks:
            store.append(executor.build(store.parent_for(store.head.hash), expected.attributes))
        yield recorded, Chain(recorded.config, store)
