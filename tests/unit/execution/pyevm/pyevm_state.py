"""A state in dicts, and what else the tests of the reference engine share."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from trinode.execution.engine import PreparedTransaction
from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import MissingState
from trinode.execution.forks import execution_rules_of
from trinode.execution.rules import ExecutionRules
from trinode.execution.state import EMPTY_CODE_HASH, Account
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import SignedTransaction, encode_transaction, recover_sender, sign_transaction
from trinode.protocol.types import Address, Hash32
from trinode.rollup.fork import Fork

CHAIN_ID = 10
ETHER = 10**18
KEY = b"\x11" * 32
CONTRACT = b"\xc0" * 20
OTHER = b"\x0f" * 20
VAULT = bytes.fromhex("4200000000000000000000000000000000000011")
L1_BLOCK = bytes.fromhex("4200000000000000000000000000000000000015")
BASE_FEE = 7

T = TypeVar("T")


@dataclass
class DictState:

    accounts: dict[Address, Account] = field(default_factory=dict)
    slots: dict[Address, dict[int, int]] = field(default_factory=dict)
    codes: dict[Hash32, bytes] = field(default_factory=lambda: {EMPTY_CODE_HASH: b""})
    hashes: dict[int, Hash32] = field(default_factory=dict)

    def put(self, address: Address, *, balance: int = 0, nonce: int = 0, code: bytes = b"", slots: dict[int, int] | None = None) -> None:
        self.codes[keccak256(code)] = code
        self.accounts[address] = Account(nonce, balance, keccak256(code))
        if slots:
            self.slots[address] = slots

    def account(self, address: Address) -> Account | None:
        return self.accounts.get(address)

    def storage(self, address: Address, slot: int) -> int:
        return self.slots.get(address, {}).get(slot, 0)

    def has_storage(self, address: Address) -> bool:
        return any(self.slots.get(address, {}).values())

    def code(self, code_hash: Hash32) -> bytes:
        if code_hash not in self.codes:
            raise MissingState(code_hash.hex())
        return self.codes[code_hash]

    def block_hash(self, number: int) -> Hash32:
        return self.hashes[number]


def rules(fork: Fork, **changes: object) -> ExecutionRules:
    return replace(execution_rules_of(fork), **changes)  # type: ignore[arg-type]


def environment(fork: Fork = Fork.KARST, **changes: object) -> BlockEnvironment:
    """Block 1000 of a fork."""
    block = BlockEnvironment(
        rules=execution_rules_of(fork),
        chain_id=CHAIN_ID,
        number=1000,
        timestamp=2000,
        fee_recipient=VAULT,
        gas_limit=30_000_000,
        base_fee=BASE_FEE,
        prev_randao=b"\x05" * 32,
        parent_hash=b"\x06" * 32,
    )
    return replace(block, **changes)  # type: ignore[arg-type]


def signed(transaction: SignedTransaction, key: bytes = KEY) -> PreparedTransaction:
    transaction = sign_transaction(transaction, key)
    return PreparedTransaction(encode_transaction(transaction), transaction, recover_sender(transaction))


def deposit(
    *,
    sender: Address = OTHER,
    to: Address | None = CONTRACT,
    mint: int = 0,
    value: int = 0,
    gas: int = 1_000_000,
    data: bytes = b"",
    system: bool = False,
) -> PreparedTransaction:
    transaction = DepositTransaction(bytes(32), sender, to, mint, value, gas, system, data)
    return PreparedTransaction(encode_transaction(transaction), transaction, sender)


def with_deep_stack(work: Callable[[], T]) -> T:
    """What `work` gives, in a thread with the stack that the package asks for."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    recursion_limit, stack_size = sys.getrecursionlimit(), threading.stack_size(16 << 20)
    sys.setrecursionlimit(20_000)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(stack_size)
        sys.setrecursionlimit(recursion_limit)
    if errors:
        raise errors[0]
    return results[0]
