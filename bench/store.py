"""State in a plyvel store: random reads at the head and 100 blocks back, and what appending a block costs.

The store is filled from below, with accounts and slots as they stand on disk and without their tries: those hold what the blocks
touch, so that a block's trie nodes are fewer than on a chain of that size, and all else is as it is there.
"""

from __future__ import annotations

import hashlib
import resource
import time
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

from bench.execution import workload_attributes, workload_executor, workload_genesis
from bench.workloads import CHAIN_ID, Senders, funded, put_contract
from trinode.execution.state import Account, StateReader
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, BlockId
from trinode.storage.database import BulkWriter, Database
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store
from trinode.storage.tables import ACCOUNTS, SLOTS, encode_account

DEFAULT_KEYS = 2_000_000
"""60,000,000 make 5 GB."""

_SLOTS = 9  # of each contract; the account is the tenth key
_PLACES = [bytes((place,)) for place in range(_SLOTS)]
_BLOCKS = 120
_BACK = 100
_CALLS = 50  # in each block, of contracts that change all their slots
_READS = 100_000
_MODEL: Address = b"\xb0" * 20
# Adds 1 to the slots that its calldata names: PUSH0, JUMPDEST; DUP1, CALLDATALOAD, DUP1, SLOAD, PUSH1 1, ADD, SWAP1, SSTORE; PUSH1 32, ADD; loop.
_ADD_TO_SLOTS = bytes.fromhex("5f 5b 80 35 80 54 6001 01 90 55 6020 01 80 36 11 6001 57 00")
_CODE_HASH = keccak256(_ADD_TO_SLOTS)


def main(keys: int, folder: Path | None) -> None:
    """Fill a store, append blocks and read. `folder`: where the temporary folder is made, None for the system's own."""
    contracts = max(keys // (_SLOTS + 1), 1)
    print(f"store: {contracts * (_SLOTS + 1):,} accounts and slots in a plyvel store on disk; what the operating system caches is cached")
    with TemporaryDirectory(prefix="trinode-bench-", dir=folder) as temporary:
        path = Path(temporary) / "store"
        genesis_hash = _fill(path, contracts)
        with Store.open(path, ChainIdentity(CHAIN_ID, genesis_hash)) as store:
            past = _append_blocks(store, contracts)
            _read_all("at the head", store.state_at(store.head.hash), contracts)
            _read_all(f"{_BACK} blocks back", store.state_at(past.hash), contracts)
    print(f"  peak memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _fill(path: Path, contracts: int) -> bytes:
    """A new store with so many contracts; the hash of its genesis block."""
    state = funded()
    put_contract(state, _MODEL, _ADD_TO_SLOTS)
    genesis = workload_genesis(state)
    started = time.perf_counter()
    Store.create(path, ChainIdentity(CHAIN_ID, genesis.hash), genesis, history=None).close()
    database = Database(path, create=False)
    writer = BulkWriter(database)
    for index in range(contracts):
        writer.put(ACCOUNTS + _address(index), encode_account(Account(1, index, _CODE_HASH)))
    random = Random(3)
    for index in range(contracts):
        prefix = SLOTS + _address(index)
        for slot in _slots(index):
            writer.put(prefix + slot, b"\x01" + random.randbytes(31))  # no compression makes it smaller
    writer.flush()
    database.close()
    seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in path.iterdir())
    print(f"  filled in {seconds:.1f} s, {contracts * (_SLOTS + 1) / seconds:,.0f} keys/s; {size / 1e9:.2f} GB on disk", flush=True)
    return genesis.hash


def _address(index: int) -> Address:
    """Ascending with the index, as keys that are written in order need no compaction."""
    return (index << 8).to_bytes(6, "big") + hashlib.blake2b(index.to_bytes(8, "big"), digest_size=14).digest()


def _slots(index: int) -> list[bytes]:
    """The slots of a contract, 32 bytes each, in ascending order."""
    digest = hashlib.blake2b(index.to_bytes(8, "big"), digest_size=31).digest()
    return [place + digest for place in _PLACES]


def _append_blocks(store: Store, contracts: int) -> BlockId:
    """Blocks that each call 50 contracts at random. The block that is 100 before the head then."""
    random, senders, executor = Random(1), Senders(), workload_executor()
    past = store.head
    building, appending = [], []
    for number in range(_BLOCKS):
        calls = []
        for call in range(_CALLS):
            index = random.randrange(contracts)
            calls.append(senders.sign(call, _address(index), value=1, data=b"".join(_slots(index)), gas_limit=200_000))
        started = time.perf_counter()
        parent = store.parent_for(store.head.hash)
        block = executor.build(parent, workload_attributes(parent.header.timestamp + 2, tuple(calls)))
        built = time.perf_counter()
        store.append(block)
        building.append(built - started)
        appending.append(time.perf_counter() - built)
        assert all(receipt.succeeded for receipt in block.receipts)
        if number + 1 == _BLOCKS - _BACK:
            past = store.head
    print(f"  {_BLOCKS} blocks of {_CALLS} calls that change {_SLOTS} slots each, wall ms a block, median (slowest):")
    for what, times in (("executed", building), ("appended", appending)):
        print(f"    {what} {median(times) * 1e3:6.1f} ({max(times) * 1e3:.1f})")
    return past


def _read_all(where: str, state: StateReader, contracts: int) -> None:
    random = Random(2)
    indexes = [random.randrange(contracts) for _ in range(_READS)]
    addresses = [_address(index) for index in indexes]
    slots = [(address, int.from_bytes(random.choice(_slots(index)), "big")) for index, address in zip(indexes, addresses, strict=True)]
    started = time.perf_counter()
    assert all(state.account(address) is not None for address in addresses)
    accounts = time.perf_counter() - started
    started = time.perf_counter()
    assert all(state.storage(address, slot) for address, slot in slots)
    seconds = time.perf_counter() - started
    print(f"  random reads {where:16} {_READS / accounts:10,.0f} accounts/s {_READS / seconds:10,.0f} slots/s", flush=True)
