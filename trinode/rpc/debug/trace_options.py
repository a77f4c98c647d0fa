"""The options of `debug_trace*`: geth's TraceConfig and TraceCallConfig. Names that geth does not know it passes over, and so do these."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from trinode.execution.calls.context import BlockOverrides, StateOverrides
from trinode.execution.tracing.struct_logs import StructLogOptions
from trinode.jsonrpc.declared import Kind, Schema
from trinode.jsonrpc.fields import InvalidParams, JsonFields, kind
from trinode.jsonrpc.kinds import QUANTITY, custom
from trinode.rpc.eth.call_params import parse_block_overrides, parse_state_overrides
from trinode.rpc.eth.errors import server_error
from trinode.rpc.eth.kinds import BLOCK_OVERRIDES, STATE_OVERRIDES, fields_of

_LONGEST_DURATION = 64
_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_PART = re.compile(r"(\d+\.?\d*|\.\d+)([a-zµμ]+)")
_NUMBERS = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)([^\d.]*)(.*)", re.DOTALL)
_UNITS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_UINT64 = 2**64 - 1


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """Which tracer (None: every opcode) with which `config` of its own, what opcodes are shown with, and `limit`: bytes of JSON after which
    no more of them are shown, 0 for all. `timeout` in seconds, None: the node's.
    """

    tracer: str | None = None
    config: Any = None
    struct: StructLogOptions = field(default_factory=StructLogOptions)
    limit: int = 0
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class TraceCallOptions:
    """Options of debug_traceCall. `transaction_index`: the call comes before that transaction of the block, not after the last one."""

    trace: TraceOptions = field(default_factory=TraceOptions)
    state_overrides: StateOverrides | None = None
    block_overrides: BlockOverrides | None = None
    transaction_index: int | None = None


def parse_trace_options(value: object, path: str) -> TraceOptions:
    """Raises InvalidParams, RpcError."""
    return _options(JsonFields(value, path))


def parse_trace_call_options(value: object, path: str) -> TraceCallOptions:
    """Raises InvalidParams, RpcError."""
    fields = JsonFields(value, path)
    return TraceCallOptions(
        trace=_options(fields),
        state_overrides=parse_state_overrides(fields.optional("stateOverrides"), fields.path_of("stateOverrides")),
        block_overrides=parse_block_overrides(fields.optional("blockOverrides"), fields.path_of("blockOverrides")),
        transaction_index=fields.optional_quantity("txIndex"),
    )


def _options(fields: JsonFields) -> TraceOptions:
    if fields.optional("overrides"):
        raise InvalidParams(fields.path_of("overrides"), "the rules of a fork cannot be overridden: a block is traced as it was executed")
    _number(fields, "reexec", 0, _UINT64)  # states are kept, not made again
    boolean_field(fields, "debug")  # geth prints the trace, too
    timeout = _string(fields, "timeout")
    return TraceOptions(
        tracer=_string(fields, "tracer"),
        config=fields.optional("tracerConfig"),
        struct=StructLogOptions(
            disable_stack=boolean_field(fields, "disableStack"),
            enable_memory=boolean_field(fields, "enableMemory"),
            disable_storage=boolean_field(fields, "disableStorage"),
            enable_return_data=boolean_field(fields, "enableReturnData"),
        ),
        limit=_number(fields, "limit", -(2**63), 2**63 - 1),
        timeout=None if timeout is None else parse_duration(timeout),
    )


def boolean_field(fields: JsonFields, name: str) -> bool:
    """A field that is false where it is missing. Raises InvalidParams."""
    value = fields.optional(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidParams(fields.path_of(name), f"true or false was expected, not {kind(value)}")
    return value


def _string(fields: JsonFields, name: str) -> str | None:
    value = fields.optional(name)
    if value is not None and not isinstance(value, str):
        raise InvalidParams(fields.path_of(name), f"a string was expected, not {kind(value)}")
    return value


def _number(fields: JsonFields, name: str, least: int, most: int) -> int:
    value = fields.optional(name)
    if value is None:
        return 0
    if type(value) is not int or not least <= value <= most:
        raise InvalidParams(fields.path_of(name), f"a number from {least} to {most} was expected, not {kind(value)}")
    return value


def parse_duration(text: str) -> float:
    """Seconds, of a duration as Go writes it: `1m30s`, `300ms`. Raises RpcError with Go's words."""
    quoted = f'"{text[:_LONGEST_DURATION]}"'
    if len(text) <= _LONGEST_DURATION and _DURATION.fullmatch(text):
        seconds = sum((Fraction(number) * _UNITS[unit] for number, unit in _PART.findall(text)), Fraction())
        return float(-seconds if text.startswith("-") else seconds)
    found = _NUMBERS.match(text)
    if found is None:
        raise server_error(f"time: invalid duration {quoted}")
    if not found[1]:
        raise server_error(f"time: missing unit in duration {quoted}")
    if found[1] not in _UNITS:
        raise server_error(f'time: unknown unit "{found[1][:_LONGEST_DURATION]}" in duration {quoted}')
    raise server_error(f"time: invalid duration {quoted}")


_BOOLEAN: Schema = {"type": "boolean"}
_FIELDS: Mapping[str, Schema] = {
    "tracer": {"type": "string"},
    "tracerConfig": {"type": "object"},
    "timeout": {"type": "string", "pattern": r"^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$"},
    "reexec": {"type": "integer", "minimum": 0},
    "disableStack": _BOOLEAN,
    "enableMemory": _BOOLEAN,
    "disableStorage": _BOOLEAN,
    "enableReturnData": _BOOLEAN,
    "limit": {"type": "integer"},
    "debug": _BOOLEAN,
}
_CALL_FIELDS: Mapping[str, Schema] = {
    **_FIELDS,
    "stateOverrides": STATE_OVERRIDES.schema,
    "blockOverrides": BLOCK_OVERRIDES.schema,
    "txIndex": QUANTITY.schema,
}

TRACE_OPTIONS: Kind[TraceOptions] = custom(fields_of("TraceOptions", _FIELDS), parse_trace_options)
TRACE_CALL_OPTIONS: Kind[TraceCallOptions] = custom(fields_of("TraceCallOptions", _CALL_FIELDS), parse_trace_call_options)
