"""Memory that a million accounts take: as dicts, as tries, and in a plyvel store. Each is measured in a process of its own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bench.execution import workload_genesis
from bench.workloads import CHAIN_ID
from trinode.execution.genesis import GenesisBlock
from trinode.execution.memory import MemoryState
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.state_tries import StateTries, account_key
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

_MEASURED = 200_000
_SCALE = 1_000_000 / _MEASURED

T = TypeVar("T")


def main() -> None:
    """Print MiB for each form."""
    print(f"accounts: MiB for 1,000,000, measured with {_MEASURED:,} and scaled: what Python allocated")
    with TemporaryDirectory(prefix="trinode-bench-") as folder:
        path = Path(folder) / "store"
        _print("MemoryState: dicts, and RLP of trie nodes", _apart(memory_state_mib))
        _print("StateTries: every node decoded and held", _apart(decoded_tries_mib))
        genesis_hash = _apart(make_store, path)
        stored = _apart(store_mib, path, genesis_hash)
    print(f"  a plyvel store with {_MEASURED:,}, all of them read: {stored:.0f} MiB resident, which its caches bound (see `store` for more keys)")


def _apart(work: Callable[..., T], *arguments: object) -> T:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def _print(name: str, mib: float) -> None:
    print(f"  {name:44} {mib * _SCALE:8.0f}", flush=True)


def memory_state_mib() -> float:
    """The state as a devnet has it."""
    tracemalloc.start()
    return _allocated_mib(MemoryState(_genesis()))


def decoded_tries_mib() -> float:
    """The tries alone, all of whose nodes have been loaded from RLP."""
    genesis = _genesis()
    nodes = MemoryNodes()
    nodes.apply(genesis.nodes)
    tracemalloc.start()
    tries = StateTries(nodes, genesis.header.state_root)
    for index in range(_MEASURED):
        tries.account(_address(index))
    return _allocated_mib(tries)


def _allocated_mib(_held: object) -> float:
    """What has been allocated since `tracemalloc` was started, and is alive as what is held is."""
    account_key.cache_clear()
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / 2**20


def make_store(path: Path) -> Hash32:
    """Makes a store with the accounts; the hash of its genesis block."""
    genesis = _genesis()
    Store.create(path, ChainIdentity(CHAIN_ID, genesis.hash), genesis, history=None).close()
    return genesis.hash


def store_mib(path: Path, genesis_hash: Hash32) -> float:
    """What a process that opens the store and reads all of it takes."""
    before = _resident_mib()
    with Store.open(path, ChainIdentity(CHAIN_ID, genesis_hash)) as store:
        state = store.state_at(store.head.hash)
        for index in range(_MEASURED):
            assert state.account(_address(index)) is not None
        return _resident_mib() - before


def _genesis() -> GenesisBlock:
    state = StateChanges()
    for index in range(_MEASURED):
        state.accounts[_address(index)] = Account(index % 100, 10**18 + index, EMPTY_CODE_HASH)
    return workload_genesis(state)


def _address(index: int) -> Address:
    return keccak256(index.to_bytes(8, "big"))[12:]


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
