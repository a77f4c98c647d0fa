"""What the tests of calls and tracers share: a context over a state in dicts, and code."""

from __future__ import annotations

from harness.engine_differential.assembler import Assembler
from tests.unit.execution.pyevm.pyevm_state import DictState, environment
from trinode.execution.calls.context import AccountOverride, CallContext, OverriddenState, StateOverrides
from trinode.execution.calls.message import Message, call
from trinode.execution.engine import TransactionResult
from trinode.execution.tracing.tracer import Tracer
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork

ALICE: Address = b"\xa1" * 20
BOB: Address = b"\xb0" * 20
CALLED: Address = b"\xca" * 20
INNER: Address = b"\xce" * 20
GAS = 10_000_000


def context(state: DictState, fork: Fork = Fork.KARST, **changes: object) -> CallContext:
    """A call at block 1000 of a fork, on `state`."""
    block = environment(fork, **changes)
    return CallContext(block, state, block.number, block.parent_hash)


def overridden(state: DictState, overrides: StateOverrides) -> CallContext:
    """The same, with accounts overridden."""
    base = context(state)
    return CallContext(base.environment, OverriddenState(state, overrides), base.head_number, base.head_parent_hash)


def word_of(*operations: str) -> bytes:
    """Code that returns the word that the operations leave on the stack."""
    code = Assembler().op(*operations).op("PUSH0", "MSTORE")
    return bytes(code.push(32).op("PUSH0", "RETURN").assemble())


def calling(kind: str, to: Address, *, value: int = 0, gas: int = 1_000_000) -> Assembler:
    """Code that sends a message without data and leaves whether it succeeded."""
    code = Assembler().op("PUSH0", "PUSH0", "PUSH0", "PUSH0")
    if kind in ("CALL", "CALLCODE"):
        code.push(value)
    return code.push(int.from_bytes(to, "big"), 20).push(gas).op(kind)


def run(state: DictState, code: bytes | Assembler, *, tracer: Tracer | None = None, **message: object) -> TransactionResult:
    """Calls code that is put at CALLED."""
    code = code if isinstance(code, bytes) else bytes(code.assemble())
    where = overridden(state, {CALLED: AccountOverride(code=code)})
    return call(where, Message(**{"gas_limit": GAS, "sender": ALICE, "to": CALLED, **message}), tracer=tracer)  # type: ignore[arg-type]
