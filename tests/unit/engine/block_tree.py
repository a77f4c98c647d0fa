"""Blocks that branch, made beside the engine under test: with states in memory, one for each block."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.bare_blocks import rehashed
from harness.execution.states import MemoryStates, genesis_parent
from tests.unit.execution.small_chain import CHAIN_ID, ETHER, GENESIS_TIME, config_of, l1_attributes, senders
from trinode.engine.core import EngineCore
from trinode.engine.payloads import built_payload
from trinode.engine.status import ForkchoiceState, PayloadStatus, Status
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.execution.genesis import Genesis, build_genesis
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.eip1559 import encode_holocene_extra_data
from trinode.protocol.header import Header
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_info import L1InfoFormat
from trinode.protocol.payload import ExecutionPayload, PayloadAttributes, PayloadEnvelope, payload_header
from trinode.protocol.types import Address, Hash32
from trinode.rollup.fork import Fork
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

WRITER: Address = b"\x05" * 20
"""Puts the second word of its input into the slot that the first word says, and the hash of the block that the third says into HASH_SLOT."""
WRITER_CODE = bytes.fromhex("6020355f35556040354060635500")
HASH_SLOT = 0x63
ZERO = bytes(32)
SLOTS = range(4)
PEOPLE: list[Address] = [keccak256(b"person %d" % index)[:20] for index in range(64)]
"""So many accounts that one block reads few nodes of their trie."""

_RETURN_A_STOP = bytes.fromhex("60015ff3")


def write(slot: int, value: int, *, hash_of: int = 0) -> bytes:
    """A deposit that calls WRITER."""
    data = b"".join(word.to_bytes(32, "big") for word in (slot, value, hash_of))
    return encode_deposit(DepositTransaction(b"\x03" * 32, b"\x0d" * 20, WRITER, 0, 0, 200_000, False, data))


def give(index: int) -> bytes:
    """A deposit that mints a wei for one of PEOPLE."""
    person = PEOPLE[index % len(PEOPLE)]
    return encode_deposit(DepositTransaction(b"\x06" * 32, person, person, 1, 0, 50_000, False, b""))


def create() -> bytes:
    """A deposit that makes a contract, of which the code is new to the state."""
    return encode_deposit(DepositTransaction(b"\x04" * 32, b"\x0e" * 20, None, 0, 0, 200_000, False, _RETURN_A_STOP))


class Blocks:
    """Every block that was made, on any other, by its hash. `executed`: those that are valid."""

    def __init__(self) -> None:
        self.config = config_of(Fork.ISTHMUS)
        alloc = StateChanges(accounts={sender: Account(0, ETHER, EMPTY_CODE_HASH) for sender in senders()})
        code_hash = keccak256(WRITER_CODE)
        alloc.accounts.update((person, Account(0, 1, EMPTY_CODE_HASH)) for person in PEOPLE)
        alloc.accounts[WRITER], alloc.codes[code_hash] = Account(1, 0, code_hash), WRITER_CODE
        self.genesis = build_genesis(_genesis(alloc), self.config)
        self.executor = BlockExecutor(self.config, FastEngine())
        self.states = MemoryStates(genesis_parent(self.genesis))
        self.executed: dict[Hash32, ExecutedBlock] = {}
        self.envelopes: dict[Hash32, PayloadEnvelope] = {}
        self.headers: dict[Hash32, Header] = {self.genesis.hash: self.genesis.header}
        self._salt = 0

    @property
    def identity(self) -> ChainIdentity:
        """Of a store of this chain."""
        return ChainIdentity(CHAIN_ID, self.genesis.hash)

    def new_store(self, path: Path, *, history: int | None = None) -> Store:
        """A store with the genesis block."""
        return Store.create(path, self.identity, self.genesis, history=history)

    def open_store(self, path: Path) -> Store:
        """The store in the folder."""
        return Store.open(path, self.identity)

    def attributes(self, parent: Hash32, *transactions: bytes, no_tx_pool: bool = True) -> PayloadAttributes:
        """What makes a block on `parent`, another one each time."""
        self._salt += 1
        return PayloadAttributes(
            timestamp=self.headers[parent].timestamp + 2,
            prev_randao=self._salt.to_bytes(32, "big"),
            suggested_fee_recipient=bytes.fromhex("4200000000000000000000000000000000000011"),
            withdrawals=(),
            parent_beacon_block_root=ZERO,
            transactions=(l1_attributes(L1InfoFormat.ISTHMUS), *transactions),
            no_tx_pool=no_tx_pool,
            gas_limit=30_000_000,
            eip1559_params=bytes(8),
        )

    def make(self, parent: Hash32, *transactions: bytes) -> ExecutedBlock:
        """A block on a valid one; the engine under test does not know of it."""
        return self.add(self.executor.build(self.states.parent(parent), self.attributes(parent, *transactions)))

    def add(self, block: ExecutedBlock) -> ExecutedBlock:
        """A block that was executed on one of these."""
        self.states.add(block)
        self.executed[block.hash], self.headers[block.hash] = block, block.header
        self.envelopes[block.hash] = built_payload(block).envelope
        return block

    def chain(self, parent: Hash32, count: int) -> list[ExecutedBlock]:
        """Blocks one on the other, which write storage and know their ancestors."""
        blocks: list[ExecutedBlock] = []
        for index in range(count):
            number = self.headers[parent].number
            written = write(index % len(SLOTS), (self._salt + 1) % 7, hash_of=max(0, number - 3))
            blocks.append(self.make(parent, written, create(), give(self._salt)))
            parent = blocks[-1].hash
        return blocks

    def make_invalid(self, parent: Hash32) -> PayloadEnvelope:
        """A payload on any block, with the state root of no block."""
        if parent in self.executed or parent == self.genesis.hash:
            payload = built_payload(self.executor.build(self.states.parent(parent), self.attributes(parent))).envelope.payload
        else:
            below = self.envelopes[parent].payload
            payload = replace(below, parent_hash=parent, block_number=below.block_number + 1, timestamp=below.timestamp + 2)
        self._salt += 1
        return self._sealed(replace(payload, state_root=keccak256(self._salt.to_bytes(8, "big"))))

    def _sealed(self, payload: ExecutionPayload) -> PayloadEnvelope:
        envelope = rehashed(PayloadEnvelope(payload, ZERO))
        self.envelopes[envelope.payload.block_hash] = envelope
        self.headers[envelope.payload.block_hash] = payload_header(envelope)
        return envelope

    def assert_state(self, store: Store) -> None:
        """The state of the store's head, flat and as tries, is that of the block that was made."""
        block_hash = store.head.hash
        state, tries, expected = store.state_at(block_hash), store.tries_at(block_hash), self.states.parent(block_hash).state
        for address in (WRITER, *senders(), b"\x0d" * 20, b"\x0e" * 20, *PEOPLE[:8]):
            assert state.account(address) == tries.account(address) == expected.account(address)
        for slot in (*SLOTS, HASH_SLOT):
            assert state.storage(WRITER, slot) == tries.storage(WRITER, slot) == expected.storage(WRITER, slot)


def forkchoice(head: Hash32, safe: Hash32 = ZERO, finalized: Hash32 = ZERO) -> ForkchoiceState:
    """A fork choice that may leave out two."""
    return ForkchoiceState(head, safe, finalized)


def valid(block_hash: Hash32) -> PayloadStatus:
    """The answer for a valid block."""
    return PayloadStatus(Status.VALID, block_hash)


def choose(core: EngineCore, block: ExecutedBlock) -> PayloadStatus:
    """Makes a block the head."""
    return core.forkchoice_updated(forkchoice(block.hash), None).payload_status


def _genesis(alloc: StateChanges) -> Genesis:
    return Genesis(
        timestamp=GENESIS_TIME,
        gas_limit=30_000_000,
        difficulty=0,
        beneficiary=bytes(20),
        extra_data=encode_holocene_extra_data(250, 6),
        mix_hash=ZERO,
        nonce=0,
        number=0,
        gas_used=0,
        parent_hash=ZERO,
        base_fee_per_gas=1_000,
        excess_blob_gas=None,
        blob_gas_used=None,
        alloc=alloc,
    )
