"""Why a frame ended, in the words of the network's most used client: tools compare them.

Facts of geth's interface (its errors are part of what debug_trace* and eth_call reply), held against recorded replies of op-geth.
"""

from __future__ import annotations

from trinode.execution.evm.frame import Frame, OutOfGas
from trinode.execution.evm.storage import CALL_STIPEND
from trinode.execution.evm.table import table_of
from trinode.execution.rules import EvmFork
from trinode.execution.tracing.tracer import Step

REVERTED = "execution reverted"
DEPTH = "max call depth exceeded"
BALANCE = "insufficient balance for transfer"
NONCE = "nonce uint64 overflow"
COLLISION = "contract address collision"
CODE_DEPOSIT = "contract creation code storage out of gas"
_WRITE_PROTECTION = "write protection"
_SSTORE = 0x55
_INVALID = 0xFE

_PREVRANDAO = 0x44


def _name(byte: int, name: str) -> str:
    if byte == _PREVRANDAO:
        return "DIFFICULTY"  # what it was before the merge, and is in traces
    return name if name != "INVALID" or byte == _INVALID else f"opcode {byte:#x} not defined"


_NAMES = tuple(_name(byte, opcode.name) for byte, opcode in enumerate(table_of(max(EvmFork))))


def name_of(byte: int) -> str:
    """An opcode's name in traces, of whatever fork it is."""
    return _NAMES[byte]


def halt_reason(halt: Exception, step: Step) -> str:
    """Why the frame halted at `step`."""
    if isinstance(halt, OutOfGas):
        if step.byte == _SSTORE and step.gas <= CALL_STIPEND:
            return "out of gas: not enough gas for reentrancy sentry"
        return str(halt)
    text = str(halt)
    if text.endswith("in a static call"):
        return _WRITE_PROTECTION
    if text.startswith("invalid opcode"):
        return f"invalid opcode: {name_of(step.byte)}"
    return text


def underflow(frame: Frame, needs: int) -> str:
    """Fewer words than the opcode needs."""
    return f"stack underflow ({len(frame.stack)} <=> {needs})"


def overflow(frame: Frame, room: int) -> str:
    """More words than leave room for what the opcode pushes."""
    return f"stack limit reached {len(frame.stack)} ({room})"
