"""The fast engine behind the boundary of `execution.engine`."""

from __future__ import annotations

from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.environment import BlockEnvironment
from trinode.execution.evm.deposit import apply_deposit
from trinode.execution.evm.frame import Frame
from trinode.execution.evm.machine import Machine
from trinode.execution.evm.program import Programs
from trinode.execution.evm.transaction import apply_transaction
from trinode.execution.fees import L1_BLOCK, L1FeeParameters, read_l1_fee_parameters
from trinode.execution.rules import EvmFork
from trinode.execution.state import StateChanges, StateReader
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.types import Address

SYSTEM_ADDRESS: Address = bytes.fromhex("fffffffffffffffffffffffffffffffffffffffe")
_SYSTEM_CALL_GAS = 30_000_000


class FastEngine:
    """Keeps the compiled code of one block for the next ones, by fork.

    `compile_after`: how often a block of code is interpreted before it is compiled.
    """

    def __init__(self, compile_after: int = 40) -> None:
        self._programs = {fork: Programs(compile_after) for fork in EvmFork}

    def begin(self, environment: BlockEnvironment, state: StateReader) -> FastSession:
        return FastSession(Machine(environment, state, self._programs[environment.rules.evm]))


class FastSession:
    """A block in the making (`execution.engine.Session`)."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._l1: L1FeeParameters | None = None

    def system_call(self, to: Address, data: bytes) -> None:
        machine = self._machine
        journal = machine.journal
        journal.begin_transaction()
        program, _ = machine.code_to_run(to)
        if not program.code:
            return
        machine.origin, machine.gas_price = SYSTEM_ADDRESS, 0
        journal.warm_addresses = {to, SYSTEM_ADDRESS, *machine.rules.precompiles}
        frame = Frame(
            machine,
            program,
            address=to,
            caller=SYSTEM_ADDRESS,
            value=0,
            data=data,
            gas=_SYSTEM_CALL_GAS,
            depth=0,
            is_static=False,
        )
        machine.message_call(frame, to, transfers=False)
        journal.end_transaction()

    def set_code(self, address: Address, code: bytes) -> None:
        self._machine.journal.set_code(address, code)

    def apply(self, prepared: PreparedTransaction) -> TransactionResult:
        machine = self._machine
        if isinstance(prepared.transaction, DepositTransaction):
            return apply_deposit(machine, prepared.transaction)
        if self._l1 is None:
            self._l1 = read_l1_fee_parameters(machine.rules, self._l1_block_slot)
        return apply_transaction(machine, prepared, self._l1)

    def _l1_block_slot(self, slot: int) -> int:
        journal = self._machine.journal
        return journal.load(journal.slots(L1_BLOCK), slot)

    def finish(self) -> StateChanges:
        return self._machine.journal.changes()
