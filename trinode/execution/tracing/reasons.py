"""Why a frame ended, in the words of the network's most used client: tools compare them.

Facts of geth's interface (its errors are part of what debug_trace* and eth_call reply), held against recorded replies of op-geth.
"""

from __future__ import annotations

from collections.abc import Sequence

from trinode.execution.evm.frame import Frame
from trinode.execution.evm.storage import CALL_STIPEND
from trinode.execution.evm.table import table_of
from trinode.execution.rules import EvmFork
from trinode.execution.tracing.out_of_gas import out_of_gas, too_little_for_copy
from trinode.execution.tracing.tracer import Step

REVERTED = "execution reverted"
DEPTH = "max call depth exceeded"
BALANCE = "insufficient balance for transfer"
NONCE = "nonce uint64 overflow"
COLLISION = "contract address collision"
CODE_DEPOSIT = "contract creation code storage out of gas"
_WRITE_PROTECTION = "write protection"
_SSTORE = 0x55
_RETURNDATACOPY = 0x3E
_INVALID = 0xFE

_PREVRANDAO = 0x44


_EOF = {
    **dict(enumerate(("DATALOAD", "DATALOADN", "DATASIZE", "DATACOPY"), 0xD0)),
    **dict(enumerate(("RJUMP", "RJUMPI", "RJUMPV", "CALLF", "RETF", "JUMPF", "DUPN", "SWAPN", "EXCHANGE"), 0xE0)),
    0xEC: "EOFCREATE",
    0xEE: "RETURNCONTRACT",
    0xF7: "RETURNDATALOAD",
    0xF8: "EXTCALL",
    0xF9: "EXTDELEGATECALL",
    0xFB: "EXTSTATICCALL",
}
"""Of a format that no fork has (EIP-7692), and geth has names for."""


def _name(byte: int, name: str) -> str:
    if byte in _EOF:
        return _EOF[byte]
    if byte == _PREVRANDAO:
        return "DIFFICULTY"  # what it was before the merge, and is in traces
    return name if name != "INVALID" or byte == _INVALID else f"opcode {byte:#x} not defined"


_NAMES = tuple(_name(byte, opcode.name) for byte, opcode in enumerate(table_of(max(EvmFork))))


def name_of(byte: int) -> str:
    """An opcode's name in traces, of whatever fork it is."""
    return _NAMES[byte]


def out_of_gas_reason(step: Step, operands: Sequence[int] | None) -> tuple[str, int | None]:
    """Why the frame ran out of gas at `step`, and what that is said to cost, None: what it took (`operands`: of memory)."""
    if step.byte == _SSTORE and step.gas <= CALL_STIPEND:
        return "out of gas: not enough gas for reentrancy sentry", None
    return out_of_gas(step, operands)


def halt_reason(halt: Exception, step: Step, operands: Sequence[int] | None) -> tuple[str, int | None]:
    """Why the frame halted at `step`, other than for lack of gas, and what that is said to cost, None: what it took."""
    text = str(halt)
    if step.byte == _RETURNDATACOPY and operands is not None and too_little_for_copy(step, operands):
        return out_of_gas(step, operands)
    if text.endswith("in a static call"):
        return _WRITE_PROTECTION, None
    if text.startswith("invalid opcode"):
        return f"invalid opcode: {name_of(step.byte)}", None
    return text, None


def underflow(frame: Frame, needs: int) -> str:
    """Fewer words than the opcode needs."""
    return f"stack underflow ({len(frame.stack)} <=> {needs})"


def overflow(frame: Frame, room: int) -> str:
    """More words than leave room for what the opcode pushes."""
    return f"stack limit reached {len(frame.stack)} ({room})"
