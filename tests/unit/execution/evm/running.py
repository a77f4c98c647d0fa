"""Runs a piece of code as a transaction would, on a state of a few accounts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.environment import BlockEnvironment
from trinode.execution.evm.engine import FastEngine
from trinode.execution.forks import execution_rules_of
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import DynamicFeeTransaction
from trinode.protocol.types import Address, Hash32
from trinode.rollup.fork import Fork

SENDER: Address = b"\x5e" * 20
CODE: Address = b"\xc0" * 20
OTHER: Address = b"\x07" * 20

INTERPRETED = 2**60
COMPILED = 1


@dataclass
class DictState:
    """A StateReader over dicts."""

    accounts: dict[Address, Account] = field(default_factory=dict)
    slots: dict[tuple[Address, int], int] = field(default_factory=dict)
    codes: dict[Hash32, bytes] = field(default_factory=dict)

    def put(self, address: Address, *, code: bytes = b"", balance: int = 0, nonce: int = 0) -> None:
        code_hash = keccak256(code) if code else EMPTY_CODE_HASH
        self.codes[code_hash] = code
        self.accounts[address] = Account(nonce, balance, code_hash)

    def account(self, address: Address) -> Account | None:
        return self.accounts.get(address)

    def storage(self, address: Address, slot: int) -> int:
        return self.slots.get((address, slot), 0)

    def has_storage(self, address: Address) -> bool:
        return any(owner == address and value for (owner, _), value in self.slots.items())

    def code(self, code_hash: Hash32) -> bytes:
        return self.codes[code_hash]

    def block_hash(self, number: int) -> Hash32:
        return keccak256(number.to_bytes(8, "big"))


def environment(fork: Fork = Fork.KARST) -> BlockEnvironment:
    """A block in which transactions pay for nothing but gas."""
    rules = replace(execution_rules_of(fork), l1_cost=None, operator_fee=None, base_fee_recipient=None)
    return BlockEnvironment(
        rules=rules,
        chain_id=10,
        number=1000,
        timestamp=1_700_000_000,
        fee_recipient=b"\xfe" * 20,
        gas_limit=30_000_000,
        base_fee=1,
        prev_randao=b"\x0a" * 32,
        parent_hash=b"\x0b" * 32,
    )


def run_code(
    code: bytes,
    *,
    gas: int = 1_000_000,
    data: bytes = b"",
    other: bytes = b"",
    compile_after: int = INTERPRETED,
    fork: Fork = Fork.KARST,
) -> tuple[TransactionResult, StateChanges]:
    """Calls `code` with `gas` beyond what the transaction itself costs; `other` is the code at OTHER."""
    state = DictState()
    state.put(SENDER, balance=10**20)
    state.put(CODE, code=code, balance=10**18, nonce=1)
    state.put(OTHER, code=other, balance=3, nonce=1)
    transaction = DynamicFeeTransaction(10, 0, 0, 1, gas + 21_000 + 40 * len(data), CODE, 0, data)
    session = FastEngine(compile_after).begin(environment(fork), state)
    return session.apply(PreparedTransaction(b"", transaction, SENDER)), session.finish()
