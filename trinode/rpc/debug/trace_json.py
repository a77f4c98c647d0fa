"""Traces as geth's tracers show them, in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from trinode.execution.tracing.call_tracer import CallFrame, CallLog
from trinode.execution.tracing.flat_calls import FlatCall
from trinode.execution.tracing.prestate import AccountState
from trinode.execution.tracing.reasons import REVERTED
from trinode.execution.tracing.struct_logs import StructLog, StructLogger, StructLogOptions
from trinode.execution.tracing.tracer import Holding, TraceLimits
from trinode.protocol.types import Address, Hash32
from trinode.rollup.json_fields import to_hex

_CREATIONS = frozenset(("CREATE", "CREATE2"))
_PARITY_ERRORS = {
    "contract creation code storage out of gas": "Out of gas",
    "gas uint64 overflow": "Out of gas",
    "max code size exceeded": "Out of gas",
    "invalid jump destination": "Bad jump destination",
    "execution reverted": "Reverted",
    "return data out of bounds": "Out of bounds",
    "stack limit reached 1024 (1023)": "Out of stack",
    "invalid input length": "Built-in failed",
}
_PARITY_BEGINNINGS = {"out of gas": "Out of gas", "invalid opcode:": "Bad instruction", "stack underflow": "Stack underflow"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a traced transaction stands; None: a call stands nowhere."""

    block_hash: Hash32 | None = None
    block_number: int = 0
    transaction_hash: Hash32 | None = None
    position: int = 0


class StructLogWriter(StructLogger):
    """Writes opcodes in JSON as they come: objects for each would take many times the memory. `limit`: no more are written after so many
    bytes of them, 0: all, below 0: none. Raises TraceLimitExceeded.
    """

    def __init__(self, options: StructLogOptions, limit: int, limits: TraceLimits) -> None:
        super().__init__(options, limits)
        self._limit = limit
        self._written = Holding(limits)
        self._parts: list[bytes] = []

    @property
    def is_full(self) -> bool:
        """Whether the limit has been passed."""
        return bool(self._limit) and self._written.size > self._limit

    def keep(self, log: StructLog) -> None:
        """Writes an opcode."""
        written = _struct_log(log)
        self._written.add(len(written))
        self._parts.append(written)

    def json(self) -> msgspec.Raw:
        """The whole trace; the transaction has ended."""
        trace = self.trace
        failed = "true" if trace.failed else "false"
        head = f'{{"gas":{trace.gas},"failed":{failed},"returnValue":"{to_hex(trace.return_value)}","structLogs":['
        return msgspec.Raw(b"".join((head.encode(), b",".join(self._parts), b"]}")))


def _struct_log(log: StructLog) -> bytes:
    parts = [f'{{"pc":{log.pc},"op":"{log.op}","gas":{log.gas},"gasCost":{log.gas_cost},"depth":{log.depth}']
    if log.error is not None:
        parts.append(f',"error":{msgspec.json.encode(log.error).decode()}')
    if log.stack is not None:
        parts.append(',"stack":' + _strings(map(hex, log.stack)))
    if log.return_data:
        parts.append(f',"returnData":"{to_hex(log.return_data)}"')
    if log.memory:
        text = log.memory.hex()
        parts.append(',"memory":' + _strings([text[at : at + 64] for at in range(0, len(text), 64)]))
    if log.storage:
        slots = [f'"{slot:064x}":"{value:064x}"' for slot, value in log.storage.items()]
        parts.append(f',"storage":{{{",".join(slots)}}}')
    if log.refund:
        parts.append(f',"refund":{log.refund}')
    parts.append("}")
    return "".join(parts).encode()


def _strings(items: Iterable[str]) -> str:
    """A list of strings that need no escapes."""
    joined = '","'.join(items)
    return f'["{joined}"]' if joined else "[]"


# ---- calls ----


def call_json(call: CallFrame) -> dict[str, Any]:
    """As callTracer shows a call, with the calls that it made."""
    found: dict[str, Any] = {
        "type": call.kind,
        "from": to_hex(call.sender),
        "gas": hex(call.gas),
        "gasUsed": hex(call.gas_used),
        "input": to_hex(call.data),
    }
    if call.to is not None:
        found["to"] = to_hex(call.to)
    if call.value is not None:
        found["value"] = hex(call.value)
    if call.output:
        found["output"] = to_hex(call.output)
    if call.error is not None:
        found["error"] = call.error
    if call.revert_reason is not None:
        found["revertReason"] = call.revert_reason
    if call.calls:
        found["calls"] = [call_json(inner) for inner in call.calls]
    if call.logs:
        found["logs"] = [_log(each) for each in call.logs]
    return found


def _log(each: CallLog) -> dict[str, Any]:
    return {
        "address": to_hex(each.log.address),
        "topics": [to_hex(topic) for topic in each.log.topics],
        "data": to_hex(each.log.data),
        "index": hex(each.index),
        "position": hex(each.position),
    }


def flat_call_json(flat: FlatCall, place: Place, *, parity_errors: bool) -> dict[str, Any]:
    """As flatCallTracer shows a call; a deposit that could not begin is one of the type `stop`."""
    call = flat.call
    if call.kind in _CREATIONS:
        found = _flat_creation(call)
    elif call.kind == "SELFDESTRUCT":
        found = _flat_destruction(call)
    else:
        found = _flat_call(call)
    found |= {
        "blockHash": None if place.block_hash is None else to_hex(place.block_hash),
        "blockNumber": place.block_number,
        "subtraces": flat.calls,
        "traceAddress": flat.place,
        "transactionHash": None if place.transaction_hash is None else to_hex(place.transaction_hash),
        "transactionPosition": place.position,
    }
    if call.error is not None:
        found["error"] = _parity_error(call.error) if parity_errors else call.error
        if call.error != REVERTED:
            found.pop("result", None)
    return found


def _flat_call(call: CallFrame) -> dict[str, Any]:
    action: dict[str, Any] = {
        "callType": call.kind.lower(),
        "from": to_hex(call.sender),
        "gas": hex(call.gas),
        "input": to_hex(call.data),
    }
    if call.to is not None:
        action |= {"to": to_hex(call.to), "value": hex(call.value or 0)}
    return {"type": "call", "action": action, "result": {"gasUsed": hex(call.gas_used), "output": to_hex(call.output)}}


def _flat_creation(call: CallFrame) -> dict[str, Any]:
    action = {
        "creationMethod": call.kind.lower(),
        "from": to_hex(call.sender),
        "gas": hex(call.gas),
        "init": to_hex(call.data),
        "value": hex(call.value or 0),
    }
    result = {"gasUsed": hex(call.gas_used), "code": to_hex(call.output)}
    if call.to is not None:
        result["address"] = to_hex(call.to)
    return {"type": "create", "action": action, "result": result}


def _flat_destruction(call: CallFrame) -> dict[str, Any]:
    assert call.to is not None
    action = {"address": to_hex(call.sender), "balance": hex(call.value or 0), "refundAddress": to_hex(call.to)}
    return {"type": "suicide", "action": action}


def _parity_error(error: str) -> str:
    for beginning, name in _PARITY_BEGINNINGS.items():
        if error.startswith(beginning):
            return name
    return _PARITY_ERRORS.get(error, error)


# ---- states ----


def accounts_json(accounts: Mapping[Address, AccountState]) -> dict[str, Any]:
    """As prestateTracer shows accounts."""
    return {to_hex(address): _account(account) for address, account in accounts.items()}


def _account(account: AccountState) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if account.balance is not None:
        found["balance"] = hex(account.balance)
    if account.nonce:
        found["nonce"] = account.nonce
    if account.code:
        found["code"] = to_hex(account.code)
    if account.code_hash is not None:
        found["codeHash"] = to_hex(account.code_hash)
    if account.storage:
        found["storage"] = {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in account.storage.items()}
    return found
