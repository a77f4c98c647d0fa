"""Tracers by the names that geth has for them. JavaScript is not run here: a tracer written in it is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from trinode.execution.tracing.call_tracer import CallTracer
from trinode.execution.tracing.flat_calls import FlatCallTracer
from trinode.execution.tracing.four_byte import FourByteTracer
from trinode.execution.tracing.mux import MuxTracer
from trinode.execution.tracing.opcodes import OpcodeCounter, PreimageTracer, SequenceCounter
from trinode.execution.tracing.prestate import PrestateOptions, PrestateTracer
from trinode.execution.tracing.tracer import Holding, TraceLimits, Tracer
from trinode.jsonrpc.fields import InvalidParams, JsonFields
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.trace_json import Place, StructLogWriter, accounts_json, call_json, flat_call_json
from trinode.rpc.debug.trace_options import TraceOptions, boolean_field
from trinode.rpc.eth.errors import server_error

_SHOWN = 60
_MOST_IN_MUX = 16
_MUX = "muxTracer"
_FLAT_CALL_SIZE, _PLACE_SIZE = 400, 8


@dataclass(frozen=True, slots=True)
class Watch:
    """A tracer, and what its trace is in JSON when the transaction has ended; `answer` raises RpcError."""

    tracer: Tracer
    answer: Callable[[], Any]


def watch(options: TraceOptions, place: Place, limits: TraceLimits) -> Watch:
    """The tracer that is asked for, for one transaction. Raises RpcError for options that it does not have."""
    if options.tracer is None:
        writer = StructLogWriter(options.struct, options.limit, limits)
        return Watch(writer, writer.json)
    return _named(options.tracer, options.config, place, limits)


def check_tracer(options: TraceOptions) -> None:
    """Raises RpcError as `watch` does, before anything is executed."""
    watch(options, Place(), TraceLimits())


def _named(name: str, config: Any, place: Place, limits: TraceLimits) -> Watch:
    if name == _MUX:
        return _mux(config, place, limits)
    make = _TRACERS.get(name)
    if make is None:
        known = ", ".join(sorted([*_TRACERS, _MUX]))
        raise server_error(f"unknown tracer {name[:_SHOWN]!r}: tracers in JavaScript are not run here; there are {known}")
    try:
        return make(JsonFields({} if config is None else config, "tracerConfig"), place, limits)
    except InvalidParams as error:
        raise server_error(str(error)) from error


def _mux(config: Any, place: Place, limits: TraceLimits) -> Watch:
    """Each name in `config` with the configuration of its tracer."""
    if config is not None and not isinstance(config, dict):
        raise server_error("tracerConfig: an object with tracers by name was expected")
    wanted: dict[str, Any] = config or {}
    if _MUX in wanted or len(wanted) > _MOST_IN_MUX:
        raise server_error(f"tracerConfig: at most {_MOST_IN_MUX} tracers, and none of them {_MUX}")
    watches = {name: _named(name, each, place, limits) for name, each in wanted.items()}
    return Watch(MuxTracer([each.tracer for each in watches.values()]), lambda: {name: each.answer() for name, each in watches.items()})


def _call(config: JsonFields, place: Place, limits: TraceLimits) -> Watch:
    only_top_call, with_log = boolean_field(config, "onlyTopCall"), boolean_field(config, "withLog")
    tracer = CallTracer(with_log=with_log, only_top_call=only_top_call, limits=limits)
    return Watch(tracer, lambda: call_json(tracer.call))


def _flat_call(config: JsonFields, place: Place, limits: TraceLimits) -> Watch:
    parity_errors = boolean_field(config, "convertParityErrors")
    tracer = FlatCallTracer(include_precompiles=boolean_field(config, "includePrecompiles"), limits=limits)

    def answer() -> list[dict[str, Any]]:
        holding, found = Holding(limits), []
        for each in tracer.flat_calls:
            holding.add(_FLAT_CALL_SIZE + _PLACE_SIZE * len(each.place))  # deep ones have long places
            found.append(flat_call_json(each, place, parity_errors=parity_errors))
        return found

    return Watch(tracer, answer)


def _prestate(config: JsonFields, place: Place, limits: TraceLimits) -> Watch:
    options = PrestateOptions(
        diff_mode=boolean_field(config, "diffMode"),
        disable_code=boolean_field(config, "disableCode"),
        disable_storage=boolean_field(config, "disableStorage"),
        include_empty=boolean_field(config, "includeEmpty"),
    )
    if options.diff_mode and options.include_empty:
        raise server_error("cannot use diffMode with includeEmpty")
    tracer = PrestateTracer(options, limits)

    def answer() -> dict[str, Any]:
        before = accounts_json(tracer.pre)
        return {"pre": before, "post": accounts_json(tracer.post)} if options.diff_mode else before

    return Watch(tracer, answer)


def _four_byte(config: JsonFields, place: Place, limits: TraceLimits) -> Watch:
    tracer = FourByteTracer(limits)
    return Watch(tracer, lambda: {f"{to_hex(selector)}-{size}": count for (selector, size), count in tracer.counts.items()})


def _noop(config: JsonFields, place: Place, limits: TraceLimits) -> Watch:
    return Watch(Tracer(), lambda: {})


def _opcodes(config: JsonFields, place: Place, limits: TraceLimits) -> Watch:
    tracer = OpcodeCounter()
    return Watch(tracer, lambda: tracer.count)


def _sequences(length: int) -> Callable[[JsonFields, Place, TraceLimits], Watch]:
    def make(config: JsonFields, place: Place, limits: TraceLimits) -> Watch:
        tracer = SequenceCounter(length, limits)
        return Watch(tracer, lambda: tracer.counts)

    return make


def _preimages(config: JsonFields, place: Place, limits: TraceLimits) -> Watch:
    tracer = PreimageTracer(limits)
    return Watch(tracer, lambda: {to_hex(hashed): to_hex(preimage) for hashed, preimage in tracer.preimages.items()})


_TRACERS: Mapping[str, Callable[[JsonFields, Place, TraceLimits], Watch]] = {
    "4byteTracer": _four_byte,
    "bigramTracer": _sequences(2),
    "callTracer": _call,
    "flatCallTracer": _flat_call,
    "keccak256PreimageTracer": _preimages,
    "noopTracer": _noop,
    "opcountTracer": _opcodes,
    "prestateTracer": _prestate,
    "trigramTracer": _sequences(3),
    "unigramTracer": _sequences(1),
}


def encoded(watched: Watch) -> bytes:
    """The trace in JSON. Raises RpcError."""
    return msgspec.json.encode(watched.answer())
