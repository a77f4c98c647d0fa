"""Blocks that nobody executed, with state roots that are right, over random changes; and what the state must be after each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from trinode.execution.block import ExecutedBlock, Parent
from trinode.execution.genesis import GenesisBlock
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges, StateReader
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.nodes import TrieNodes
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.header import EMPTY_OMMERS_HASH, Header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Log, Receipt
from trinode.protocol.trie import EMPTY_TRIE_ROOT, ordered_trie_root
from trinode.protocol.types import Address, Hash32
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

ADDRESSES: list[Address] = [keccak256(bytes([index]))[:20] for index in range(10)]
SLOTS = [0, 1, 2, 3, 2**256 - 1, 1 << 160]
CODES = [b"\x60\x00" * size for size in (1, 20, 700)]
BIG = 2**256 - 1


def empty_tries() -> StateTries:
    """The tries of the empty state."""
    return StateTries(MemoryNodes(), EMPTY_TRIE_ROOT)


@dataclass
class Model:
    """A state as plain dicts."""

    accounts: dict[Address, Account] = field(default_factory=dict)
    storage: dict[tuple[Address, int], int] = field(default_factory=dict)

    def after(self, changes: StateChanges) -> Model:
        """The state after `changes`."""
        gone = changes.wiped | {address for address, account in changes.accounts.items() if account is None}
        accounts: dict[Address, Account | None] = {**self.accounts, **changes.accounts}
        storage = {place: value for place, value in self.storage.items() if place[0] not in gone}
        storage.update({(address, slot): value for address, slots in changes.storage.items() for slot, value in slots.items()})
        return Model(
            {address: account for address, account in accounts.items() if account is not None},
            {place: value for place, value in storage.items() if value},
        )

    def rebuilt(self) -> tuple[StateTries, TrieNodes]:
        """The tries of this state, made from nothing."""
        changes = StateChanges(accounts=dict[Address, Account | None](self.accounts))
        for (address, slot), value in self.storage.items():
            changes.storage.setdefault(address, {})[slot] = value
        return empty_tries().updated(changes)


def random_changes(random: Random, model: Model) -> StateChanges:
    """A block's worth of changes: accounts that come, change and go, slots too, storage wiped, code."""
    changes = StateChanges()
    for address in random.sample(ADDRESSES, random.randrange(6)):
        _change(random, model, changes, address)
    return changes


def _change(random: Random, model: Model, changes: StateChanges, address: Address) -> None:
    before = model.accounts.get(address)
    has_storage = any(place[0] == address for place in model.storage)
    if before is not None and random.random() < 0.25:
        if has_storage:
            changes.wiped.add(address)
        if random.random() < 0.6:
            changes.accounts[address] = None
            return
        has_storage = False
    elif before is not None and random.random() < 0.3:
        _write(random, model, changes, address, wiped=False)
        return
    code = random.choice([b"", b"", *CODES])
    code_hash = keccak256(code) if code else EMPTY_CODE_HASH
    if code:
        changes.codes[code_hash] = code
    account = Account(random.choice([0, 1, 300, 2**64 - 1]), random.choice([0, 1, 10**18, BIG, random.getrandbits(80)]), code_hash)
    if account != before:
        changes.accounts[address] = account
    _write(random, model, changes, address, wiped=address in changes.wiped or before is None)


def _write(random: Random, model: Model, changes: StateChanges, address: Address, *, wiped: bool) -> None:
    slots: dict[int, int] = {}
    for slot in random.sample(SLOTS, random.randrange(len(SLOTS))):
        before = 0 if wiped else model.storage.get((address, slot), 0)
        value = random.choice([0, 0, 1, 127, 128, BIG, random.getrandbits(60)])
        if value != before:
            slots[slot] = value
    if slots:
        changes.storage[address] = slots


def header(parent: Header | None, parent_hash: Hash32, state_root: Hash32, salt: int) -> Header:
    """A header that says what matters to a store."""
    number = 0 if parent is None else parent.number + 1
    return Header(
        parent_hash=parent_hash,
        ommers_hash=EMPTY_OMMERS_HASH,
        beneficiary=bytes(20),
        state_root=state_root,
        transactions_root=EMPTY_TRIE_ROOT,
        receipts_root=EMPTY_TRIE_ROOT,
        logs_bloom=bytes(256),
        difficulty=0,
        number=number,
        gas_limit=30_000_000,
        gas_used=0,
        timestamp=1_000 + 2 * number,
        extra_data=salt.to_bytes(8, "big"),
        prev_randao=bytes(32),
        nonce=bytes(8),
        base_fee_per_gas=1,
    )


def make_genesis(changes: StateChanges, salt: int = 0) -> GenesisBlock:
    """A genesis block with that state."""
    tries, nodes = empty_tries().updated(changes)
    block = header(None, bytes(32), tries.root, salt)
    return GenesisBlock(block, header_hash(block), changes, tries, nodes)


def make_block(parent: Parent, changes: StateChanges, salt: int) -> ExecutedBlock:
    """A block on `parent`, with two transactions and receipts that are its own."""
    tries, nodes = parent.tries.updated(changes)
    transactions = (b"\x02" + parent.hash + salt.to_bytes(8, "big"), b"\x7e" + parent.hash + salt.to_bytes(8, "big"))
    block = replace(header(parent.header, parent.hash, tries.root, salt), transactions_root=ordered_trie_root(transactions))
    block_hash = header_hash(block)
    log = Log(ADDRESSES[0], (block_hash,), b"data")
    receipts = (Receipt(2, True, 21_000, bytes(256), (log,)), Receipt(0x7E, False, 42_000, bytes(256), (), None, 3, 1))
    return ExecutedBlock(
        header=block,
        hash=block_hash,
        transactions=transactions,
        prepared=(),
        receipts=receipts,
        results=(),
        changes=changes,
        tries=tries,
        nodes=nodes,
    )


class FakeChain:
    """A store with random blocks in it, and the state after each."""

    def __init__(self, path: Path, seed: int = 0, *, history: int | None = None) -> None:
        self.random = Random(seed)
        self.path = path
        self.genesis = make_genesis(random_changes(self.random, Model()))
        self.identity = identity_of(self.genesis)
        self.store = Store.create(path, self.identity, self.genesis, history=history)
        self.hashes = [self.genesis.hash]
        self.models = [Model().after(self.genesis.changes)]

    def next_block(self) -> ExecutedBlock:
        """A block that follows the head, not in the store yet."""
        changes = random_changes(self.random, self.models[-1])
        return make_block(self.store.parent_for(self.hashes[-1]), changes, self.random.getrandbits(60))

    def extend(self, count: int) -> FakeChain:
        """Appends blocks."""
        for _ in range(count):
            block = self.next_block()
            self.store.append(block)
            self.hashes.append(block.hash)
            self.models.append(self.models[-1].after(block.changes))
        return self

    def open(self) -> Store:
        """Closes the store and opens it again."""
        self.store.close()
        self.store = Store.open(self.path, self.identity)
        return self.store


def assert_state(state: StateReader, model: Model) -> None:
    """Every account and slot, read from `state`, is what it is in `model`."""
    for address in ADDRESSES:
        account = state.account(address)
        assert account == model.accounts.get(address)
        if account is not None and account.code_hash != EMPTY_CODE_HASH:
            assert keccak256(state.code(account.code_hash)) == account.code_hash
        assert state.has_storage(address) == any(place[0] == address for place in model.storage)
        for slot in SLOTS:
            assert state.storage(address, slot) == model.storage.get((address, slot), 0)


def identity_of(genesis: GenesisBlock) -> ChainIdentity:
    """The chain of that genesis."""
    return ChainIdentity(901, genesis.hash)
