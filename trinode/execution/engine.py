"""The boundary behind which a block's transactions are executed, so that more than one engine can do it.

An engine reads the state through a `StateReader`, is given decoded transactions with their senders one by one, and
gives back what each did and, in the end, what all of them changed. Order and choice of transactions, gas and data
limits, roots, receipts, blooms and the header are the same for all engines and made outside (`block.py`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from trinode.execution.environment import BlockEnvironment
from trinode.execution.state import StateChanges, StateReader
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import Transaction
from trinode.protocol.types import Address


class PreparedTransaction(NamedTuple):
    """A transaction in its three forms: as it stands in the block, decoded, and with the account that sent it."""

    raw: bytes
    transaction: Transaction
    sender: Address


class TransactionResult(NamedTuple):
    """What a transaction did. `gas_used` after refunds.

    `output` is what the outermost call returned (or reverted with), `failure` why it failed, None if it did not.
    `contract_address` is where a creation put, or would have put, its contract. `deposit_nonce`: the sender's nonce
    before a deposit (None for others). `l1_fee` and `operator_fee` in wei.
    """

    succeeded: bool
    gas_used: int
    logs: tuple[Log, ...]
    output: bytes = b""
    failure: str | None = None
    contract_address: Address | None = None
    deposit_nonce: int | None = None
    l1_fee: int = 0
    operator_fee: int = 0


class Session(Protocol):
    """A block in the making."""

    def system_call(self, to: Address, data: bytes) -> None:
        """Calls `to` from the system address as EIP-4788 and EIP-2935 do: 30,000,000 gas that nobody pays for and that
        counts nowhere, nothing if there is no code, and whatever it does when it fails is undone.
        """

    def set_code(self, address: Address, code: bytes) -> None:
        """Puts `code` at `address` whatever was there (specification: canyon, "Network upgrade automation")."""

    def apply(self, prepared: PreparedTransaction) -> TransactionResult:
        """Executes one transaction, after those before it. `gas_available` of the block is for the caller to check.

        Raises InvalidTransaction, and has changed nothing then; MissingState, and the session is of no more use then.
        """

    def finish(self) -> StateChanges:
        """What all of it changed. The session is over."""


class Engine(Protocol):
    """Executes blocks."""

    def begin(self, environment: BlockEnvironment, state: StateReader) -> Session:
        """A session on top of `state`, the state after the parent block."""
