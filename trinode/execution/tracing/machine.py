"""The EVM that tells a tracer what it does. Without a tracer it is the machine that it extends, at full speed."""

from __future__ import annotations

from collections.abc import Sequence

from trinode.execution.environment import BlockEnvironment
from trinode.execution.evm.calls import CALL_DEPTH_LIMIT
from trinode.execution.evm.environment import to_address
from trinode.execution.evm.frame import ExceptionalHalt, Frame, OutOfGas
from trinode.execution.evm.machine import Machine
from trinode.execution.evm.program import Programs
from trinode.execution.state import StateReader
from trinode.execution.tracing import reasons
from trinode.execution.tracing.out_of_gas import OUT_OF_GAS, noted_operands
from trinode.execution.tracing.precompile_failures import precompile_failure
from trinode.execution.tracing.tracer import Call, Step, Tracer
from trinode.protocol.types import Address

_LOG0, _LOG4 = 0xA0, 0xA4
_STATICCALL = "STATICCALL"
_SELFDESTRUCT = 0xFF
_NO_ADDRESS = bytes(20)
_COMPILE_AFTER = 40


def new_programs() -> Programs:
    """For calls and traces of one EVM fork that share their compiled code."""
    return Programs(_COMPILE_AFTER)


class TracedMachine(Machine):
    """`tracer` is told of what runs while it is set. `logs_before`: logs of the block's transactions before this one."""

    __slots__ = ("_reason", "_steps", "logs_before", "tracer")

    def __init__(self, environment: BlockEnvironment, reader: StateReader, programs: Programs) -> None:
        super().__init__(environment, reader, programs)
        self.tracer: Tracer | None = None
        self.logs_before = 0
        self._steps: list[Step] = []
        self._reason: str | None = None

    def stop_tracing(self) -> None:
        """No tracer from here on, whatever state an exception has left this in."""
        self.tracer = None
        self._steps.clear()
        self._reason = None

    # -- messages

    def message_call(self, frame: Frame, code_address: Address, *, transfers: bool) -> bool:
        """As Machine's."""
        tracer = self.tracer
        if tracer is None:
            return super().message_call(frame, code_address, transfers=transfers)
        gas = frame.gas
        tracer.enter(self._call_of(frame, code_address))
        succeeded = super().message_call(frame, code_address, transfers=transfers)
        error = self._error(frame, succeeded)
        if error is not None and error != OUT_OF_GAS and code_address in self.rules.precompiles:
            error = precompile_failure(code_address, error)
        tracer.leave(gas - frame.gas, frame.output, error)
        return succeeded

    def create(self, frame: Frame) -> bool:
        """As Machine's."""
        tracer = self.tracer
        if tracer is None:
            return super().create(frame)
        gas = frame.gas
        tracer.enter(self._call_of(frame, None))
        succeeded = super().create(frame)
        tracer.leave(gas - frame.gas, frame.output, self._error(frame, succeeded))
        return succeeded

    def refuse(self, frame: Frame, code_address: Address | None) -> None:
        """A message that cannot begin is one that failed at once, and keeps its gas."""
        tracer = self.tracer
        if tracer is None:
            return
        if frame.depth > CALL_DEPTH_LIMIT:
            reason = reasons.DEPTH
        elif self.journal.account(frame.caller).balance < frame.value:
            reason = reasons.BALANCE
        else:
            reason = reasons.NONCE
        tracer.enter(self._call_of(frame, code_address, is_refused=True))
        tracer.leave(0, b"", reason)

    def fail(self, frame: Frame, halt: Exception) -> None:
        """As Machine's."""
        if self.tracer is not None and self._reason is None:
            # Not an opcode's: a precompile refused, or the code that a creation gave was not kept.
            is_unpaid_code = isinstance(halt, OutOfGas) and bool(frame.output)
            self._reason = reasons.CODE_DEPOSIT if is_unpaid_code else str(halt)
        super().fail(frame, halt)

    def _error(self, frame: Frame, succeeded: bool) -> str | None:
        reason, self._reason = self._reason, None
        if succeeded:
            return None
        return reasons.REVERTED if frame.reverted else reason or reasons.COLLISION

    def _call_of(self, frame: Frame, code_address: Address | None, *, is_refused: bool = False) -> Call:
        """What the tracer is told of a message; `code_address` None: a creation. The opcode that sends it is charged now."""
        is_creation = code_address is None
        kind, sender, value = "CREATE" if is_creation else "CALL", frame.caller, frame.value
        if self._steps:
            step = self._steps[-1]
            kind, sender = step.name, step.frame.address
            # A call's gas is part of its cost, a creation's is not.
            handed_on = frame.gas if is_creation and not is_refused else 0
            self._charge(step, step.gas - step.frame.gas - handed_on)
        return Call(
            kind=kind,
            sender=sender,
            to=frame.address if code_address is None else code_address,
            data=frame.program.code if is_creation else frame.data,
            gas=frame.gas,
            value=None if kind == _STATICCALL else value,
            depth=frame.depth,
        )

    # -- code at work

    def run(self, frame: Frame) -> None:
        """Runs the frame's code opcode by opcode. Raises ExceptionalHalt."""
        tracer = self.tracer
        if tracer is None:
            super().run(frame)
            return
        if not frame.program.code:
            return
        code, table, journal, steps = frame.program.padded_code, self.table, self.journal, self._steps
        position = 0
        while position >= 0:
            byte = code[position]
            opcode = table[byte]
            frame.pc = position
            step = Step(frame, byte, reasons.name_of(byte), journal.refund)
            tracer.step(step)
            last = self._inheritance(frame) if byte == _SELFDESTRUCT else None
            operands = noted_operands(byte, frame.stack)
            steps.append(step)
            try:
                frame.gas -= opcode.gas
                self._check(step, opcode.needs, opcode.room)
                following = opcode.run(frame)
            except ExceptionalHalt as halt:
                self._halted(step, halt, operands)
                raise
            finally:
                steps.pop()
            step.refund = journal.refund
            self._charge(step, step.gas - frame.gas)
            if _LOG0 <= byte <= _LOG4:
                tracer.log(journal.logs[-1], self.logs_before + len(journal.logs) - 1)
            elif last is not None:
                tracer.enter(last)
                tracer.leave(0, b"", None)
            position = position + 1 if following is None else following

    def _inheritance(self, frame: Frame) -> Call:
        """What a SELFDESTRUCT that is about to run is reported as."""
        heir = to_address(frame.stack[-1]) if frame.stack else _NO_ADDRESS
        balance = self.journal.account(frame.address).balance
        return Call("SELFDESTRUCT", frame.address, heir, b"", 0, balance, frame.depth + 1)

    def _check(self, step: Step, needs: int, room: int) -> None:
        """Whether the opcode can begin. Raises ExceptionalHalt."""
        frame = step.frame
        size = len(frame.stack)
        if size < needs:
            step.error = reasons.underflow(frame, needs)
            raise ExceptionalHalt("stack underflow")
        if size > room:
            step.error = reasons.overflow(frame, room)
            raise ExceptionalHalt("stack overflow")
        if frame.gas < 0:
            raise OutOfGas

    def _halted(self, step: Step, halt: ExceptionalHalt, operands: Sequence[int] | None) -> None:
        """An opcode ends its frame: before it begins, for lack of gas or words, or at work."""
        cost: int | None = None
        if step.error is not None:
            self._reason = step.error
        elif isinstance(halt, OutOfGas):
            self._reason, cost = reasons.out_of_gas_reason(step, operands)
            step.error = self._reason
        else:
            self._reason, cost = reasons.halt_reason(halt, step, operands)
        self._charge(step, step.gas - step.frame.gas if cost is None else cost)

    def _charge(self, step: Step, cost: int) -> None:
        """Tells the tracer what the opcode costs, once."""
        if not step.is_charged and self.tracer is not None:
            step.is_charged = True
            step.cost = cost
            self.tracer.charged(step)
