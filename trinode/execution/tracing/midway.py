"""States in the middle of a block: between two of its transactions, and the roots that they have."""

from __future__ import annotations

from collections.abc import Sequence

from trinode.execution.block import BlockExecutor, Parent
from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.environment import BlockEnvironment
from trinode.execution.evm.engine import FastSession
from trinode.execution.evm.machine import Machine
from trinode.execution.evm.program import Programs
from trinode.execution.recovery import SenderRecovery, recover_in_order
from trinode.execution.state import EMPTY_ACCOUNT, Account, StateReader
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.header import Header
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig


class MidwayState:
    """What the transactions have left so far that a machine has executed (a `StateReader`). The machine executes no more."""

    def __init__(self, machine: Machine) -> None:
        self._journal = machine.journal
        self._reader = machine.reader

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        account = self._journal.account(address)
        return None if account == EMPTY_ACCOUNT else account

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot."""
        return self._journal.load(self._journal.slots(address), slot)

    def has_storage(self, address: Address) -> bool:
        """Whether any slot is not 0; of slots that were cleared one by one since the block began, that is not known."""
        slots = self._journal.slots(address)
        return any(slots.values.values()) or (not slots.is_wiped and self._reader.has_storage(address))

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash."""
        return self._journal.code(code_hash)

    def block_hash(self, number: int) -> Hash32:
        """As before the block."""
        return self._reader.block_hash(number)


def intermediate_roots(
    config: RollupConfig,
    parent: Parent,
    header: Header,
    transactions: Sequence[bytes],
    *,
    programs: Programs,
    recover: SenderRecovery = recover_in_order,
) -> list[Hash32]:
    """The state root after each transaction. Raises what `BlockExecutor.check` raises."""
    engine = _RootsEngine(parent.tries, programs)
    BlockExecutor(config, engine, recover).check(parent, header, transactions)
    return engine.roots


class _RootsEngine:
    def __init__(self, tries: StateTries, programs: Programs) -> None:
        self._tries = tries
        self._programs = programs
        self.roots: list[Hash32] = []

    def begin(self, environment: BlockEnvironment, state: StateReader) -> _RootsSession:
        return _RootsSession(Machine(environment, state, self._programs), self._tries, self.roots)


class _RootsSession(FastSession):
    def __init__(self, machine: Machine, tries: StateTries, roots: list[Hash32]) -> None:
        super().__init__(machine)
        self._tries = tries
        self._roots = roots

    def apply(self, prepared: PreparedTransaction) -> TransactionResult:
        result = super().apply(prepared)
        self._roots.append(self._tries.updated(self._machine.journal.changes())[0].root)
        return result
