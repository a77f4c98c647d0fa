"""Opcodes that read and write storage, and LOG (EIP-2200, EIP-2929, EIP-3529; EIP-1153 transient storage)."""

from __future__ import annotations

from collections.abc import Callable

from trinode.execution.evm.frame import ExceptionalHalt, Frame, OutOfGas
from trinode.execution.evm.journal import Slots
from trinode.protocol.receipt import Log

WARM_LOAD = 100
COLD_LOAD = 2100
SET = 20_000
RESET = 5_000 - COLD_LOAD
CALL_STIPEND = 2_300
CLEARS_REFUND = 4_800


def load(frame: Frame, slots: Slots, slot: int) -> int:
    """SLOAD, all its gas included."""
    if slot in slots.warm:
        frame.charge(WARM_LOAD)
    else:
        frame.charge(COLD_LOAD)
        frame.machine.journal.warm_slot(slots, slot)
    value = slots.values.get(slot)
    return frame.machine.journal.load(slots, slot) if value is None else value


def store(frame: Frame, slots: Slots, slot: int, value: int) -> None:
    """SSTORE, all its gas included (net metering: EIP-2200 as EIP-2929 and EIP-3529 left it)."""
    if frame.is_static:
        raise ExceptionalHalt("write in a static call")
    if frame.gas <= CALL_STIPEND:
        raise OutOfGas
    journal = frame.machine.journal
    gas = 0
    if slot not in slots.warm:
        gas = COLD_LOAD
        journal.warm_slot(slots, slot)
    now = slots.values.get(slot)
    if now is None:
        now = journal.load(slots, slot)
    if now == value:
        frame.charge(gas + WARM_LOAD)
        return
    original = slots.original.get(slot, now)
    if original != now:
        frame.charge(gas + WARM_LOAD)
    else:
        frame.charge(gas + (RESET if original else SET))
    journal.refund += _refund(original, now, value)
    journal.store(slots, slot, value)


def _refund(original: int, now: int, new: int) -> int:
    """What the refund counter gains when a slot goes from `now` to `new`, which differ."""
    if original == now:
        return CLEARS_REFUND if original and not new else 0
    refund = 0
    if original:
        if not now:
            refund -= CLEARS_REFUND
        elif not new:
            refund += CLEARS_REFUND
    if original == new:
        refund += (RESET if original else SET) - WARM_LOAD
    return refund


def sload(frame: Frame) -> None:
    stack = frame.stack
    stack[-1] = load(frame, frame.slots or frame.storage(), stack[-1])


def sstore(frame: Frame) -> None:
    stack = frame.stack
    slot, value = stack.pop(), stack.pop()
    store(frame, frame.slots or frame.storage(), slot, value)


def tload(frame: Frame) -> None:
    stack = frame.stack
    stack[-1] = frame.machine.journal.transient.get((frame.address, stack[-1]), 0)


def tstore(frame: Frame) -> None:
    if frame.is_static:
        raise ExceptionalHalt("write in a static call")
    stack = frame.stack
    slot, value = stack.pop(), stack.pop()
    frame.machine.journal.store_transient(frame.address, slot, value)


def log(topic_count: int) -> Callable[[Frame], None]:
    """LOG0 to LOG4; 375 for it and for each topic are charged by the table."""

    def opcode(frame: Frame) -> None:
        if frame.is_static:
            raise ExceptionalHalt("log in a static call")
        stack = frame.stack
        offset, size = stack.pop(), stack.pop()
        topics = tuple([stack.pop().to_bytes(32, "big") for _ in range(topic_count)])
        frame.charge(8 * size)
        data = frame.read_memory(offset, size)
        frame.machine.journal.logs.append(Log(frame.address, topics, data))

    return opcode
