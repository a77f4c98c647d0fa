"""A chain in a store, with a transaction pool on it: blocks are built from the pool and appended, or taken back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.unit.execution.small_chain import CHAIN_ID, ETHER, GENESIS_TIME, TARGET, config_of, l1_attributes
from trinode.engine.pool import PoolLimits, TransactionPool
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.execution.fees import L1_BLOCK
from trinode.execution.genesis import Genesis, build_genesis
from trinode.execution.recovery import recover_sender
from trinode.execution.state import EMPTY_ACCOUNT, EMPTY_CODE_HASH, Account, StateChanges
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.eip1559 import encode_holocene_extra_data, encode_jovian_extra_data
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_info import L1InfoFormat
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.transaction import (
    AccessListTransaction,
    Authorization,
    DynamicFeeTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignedTransaction,
    encode_transaction,
    legacy_v,
    sign_transaction,
)
from trinode.protocol.types import Address, Hash32
from trinode.rollup.fork import Fork
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

KEYS = [bytes([0x40 + number]) * 32 for number in range(16)]
BASE_FEE = 1_000
GAS_LIMIT = 30_000_000
CONTRACT: Address = b"\x0c" * 20

_WRITER_CODE = bytes.fromhex("6020355f355500")  # the second word of the input, into the slot that the first says
_FIRST_FEES = {1: 5_000, 3: (2_000 << 96) | (3_000 << 64), 7: 700, 8: (4_000_000 << 64) | 9}


def address_of(key: bytes) -> Address:
    """The account of a key."""
    sender = recover_sender(sign_transaction(DynamicFeeTransaction(1, 0, 0, 0, 0, None, 0, b""), key))
    assert isinstance(sender, bytes)
    return sender


ADDRESSES = [address_of(key) for key in KEYS]


def signed(unsigned: SignedTransaction, key: int = 0) -> bytes:
    """The raw transaction of the account of KEYS[key]."""
    return encode_transaction(sign_transaction(unsigned, KEYS[key]))


def pay(
    nonce: int,
    key: int = 0,
    *,
    tip: int = 10,
    fee: int = 100_000,
    gas: int = 25_000,
    value: int = 1,
    data: bytes = b"",
    to: Address | None = TARGET,
    chain_id: int = CHAIN_ID,
) -> bytes:
    """A dynamic fee transaction."""
    return signed(DynamicFeeTransaction(chain_id, nonce, tip, fee, gas, to, value, data), key)


def legacy(nonce: int, key: int = 0, *, price: int = 100_000, chain_id: int | None = CHAIN_ID) -> bytes:
    """A legacy transaction."""
    return signed(LegacyTransaction(nonce, price, 25_000, TARGET, 1, b"", v=legacy_v(chain_id)), key)


def with_access_list(nonce: int, key: int = 0) -> bytes:
    """A transaction with an access list."""
    return signed(AccessListTransaction(CHAIN_ID, nonce, 100_000, 25_000, TARGET, 1, b""), key)


def set_code(nonce: int, key: int, authorizations: tuple[Authorization, ...], *, gas: int = 200_000, tip: int = 10, fee: int = 100_000) -> bytes:
    """A set code transaction."""
    return signed(SetCodeTransaction(CHAIN_ID, nonce, tip, fee, gas, TARGET, 0, b"", (), authorizations), key)


@dataclass
class Clock:
    """Seconds that a test says."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class PoolChain:
    """A chain whose L1 fees are in force from genesis on, with accounts of an ether each, and a pool."""

    def __init__(
        self,
        path: Path,
        limits: PoolLimits | None = None,
        *,
        fork: Fork = Fork.KARST,
        balances: dict[int, int] | None = None,
        accounts: Iterable[Address] = (),
        codes: dict[int, bytes] | None = None,
        later: dict[Fork, int] | None = None,
    ) -> None:
        self.config = config_of(fork, later=later)
        self.executor = BlockExecutor(self.config, FastEngine())
        genesis = build_genesis(_genesis(fork, balances or {}, accounts, codes or {}), self.config)
        self.store = Store.create(path, ChainIdentity(CHAIN_ID, genesis.hash), genesis, history=None)
        self.clock = Clock()
        self.pool = TransactionPool(self.config, self.store, limits or PoolLimits(), clock=self.clock)
        self._salt = 0

    def attributes(self, *transactions: bytes, gas_limit: int = GAS_LIMIT) -> PayloadAttributes:
        """What makes the next block, another one each time; it takes what the pool offers."""
        self._salt += 1
        timestamp = self.store.head_header.timestamp + 2
        fork = self.config.fork_at(l2_timestamp=timestamp)
        form = L1InfoFormat.JOVIAN if fork >= Fork.JOVIAN else L1InfoFormat.ISTHMUS
        return PayloadAttributes(
            timestamp=timestamp,
            prev_randao=self._salt.to_bytes(32, "big"),
            suggested_fee_recipient=bytes.fromhex("4200000000000000000000000000000000000011"),
            withdrawals=(),
            parent_beacon_block_root=bytes(32),
            transactions=(l1_attributes(form), *transactions),
            no_tx_pool=False,
            gas_limit=gas_limit,
            eip1559_params=bytes(8),
            min_base_fee=0 if fork >= Fork.JOVIAN else None,
        )

    def build(self, *forced: bytes, offered: Iterable[bytes] | None = None, gas_limit: int = GAS_LIMIT) -> ExecutedBlock:
        """A block on the head, of what the pool offers."""
        parent = self.store.parent_for(self.store.head.hash)
        attributes = self.attributes(*forced, gas_limit=gas_limit)
        if offered is None:
            offered = self.pool.best(self.executor.environment(parent.header, parent.hash, attributes).base_fee)
        return self.executor.build(parent, attributes, offered)

    def append(self, *blocks: ExecutedBlock, told: bool = True) -> None:
        """Blocks become canonical, and the pool hears of it; `told`: with the blocks."""
        for block in blocks:
            self.store.append(block)
        self.pool.head_moved(blocks if told else ())

    def extend(self, *forced: bytes, told: bool = True) -> tuple[bytes, ...]:
        """A block of what the pool offers becomes canonical. What was in it, apart from deposits."""
        block = self.build(*forced)
        self.append(block, told=told)
        return taken(block)

    def rewind(self, block_hash: Hash32) -> None:
        """Blocks are taken back, and the pool hears of it."""
        self.store.rewind(block_hash)
        self.pool.head_moved()

    def add(self, *raws: bytes) -> list[Hash32]:
        """All of these come."""
        return [self.pool.add(raw) for raw in raws]


def taken(block: ExecutedBlock) -> tuple[bytes, ...]:
    """What a block has of the pool."""
    return tuple(raw for raw in block.transactions if raw[0] != 0x7E)


def set_fee(slot: int, value: int) -> bytes:
    """A deposit that writes into L1Block."""
    data = slot.to_bytes(32, "big") + value.to_bytes(32, "big")
    return encode_deposit(DepositTransaction(b"\x03" * 32, b"\x0d" * 20, L1_BLOCK, 0, 0, 200_000, False, data))


def nonces(part: dict[Address, dict[int, bytes]], key: int = 0) -> list[int]:
    """Of an account, in one part of the pool's content."""
    return list(part.get(ADDRESSES[key], {}))


def parts(pool: TransactionPool, key: int = 0) -> tuple[list[int], list[int]]:
    """Nonces of an account's pending and queued transactions."""
    content = pool.content()
    return nonces(content.pending, key), nonces(content.queued, key)


def _genesis(fork: Fork, balances: dict[int, int], accounts: Iterable[Address], codes: dict[int, bytes]) -> Genesis:
    alloc = StateChanges(accounts={address: Account(0, ETHER, EMPTY_CODE_HASH) for address in (*ADDRESSES, *accounts)})
    for key, balance in balances.items():
        alloc.accounts[ADDRESSES[key]] = Account(0, balance, EMPTY_CODE_HASH)
    contracts = {L1_BLOCK: _WRITER_CODE, CONTRACT: b"\x00"} | {ADDRESSES[key]: code for key, code in codes.items()}
    for address, code in contracts.items():
        code_hash = keccak256(code)
        before = alloc.accounts.get(address) or EMPTY_ACCOUNT
        alloc.accounts[address], alloc.codes[code_hash] = before._replace(code_hash=code_hash), code
    alloc.storage[L1_BLOCK] = dict(_FIRST_FEES)
    extra = encode_jovian_extra_data(250, 6, 0) if fork >= Fork.JOVIAN else encode_holocene_extra_data(250, 6)
    return Genesis(
        timestamp=GENESIS_TIME,
        gas_limit=GAS_LIMIT,
        difficulty=0,
        beneficiary=bytes(20),
        extra_data=extra,
        mix_hash=bytes(32),
        nonce=0,
        number=0,
        gas_used=0,
        parent_hash=bytes(32),
        base_fee_per_gas=BASE_FEE,
        excess_blob_gas=None,
        blob_gas_used=None,
        alloc=alloc,
    )
