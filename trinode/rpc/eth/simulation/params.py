"""The parameter of eth_simulateV1 (execution-apis: eth/execute)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trinode.execution.calls.context import BlockOverrides
from trinode.execution.calls.simulate import MOST_BLOCKS, BlockRequest
from trinode.execution.calls.simulate_call import SimulatedCall
from trinode.jsonrpc.declared import Kind, Schema
from trinode.jsonrpc.fields import InvalidParams, JsonFields, parse_list
from trinode.jsonrpc.kinds import BOOLEAN, HASH, QUANTITY
from trinode.jsonrpc.requests import INVALID_PARAMS, RpcError
from trinode.protocol.types import Hash32
from trinode.rpc.eth.block_names import parse_boolean
from trinode.rpc.eth.call_params import parse_block_overrides, parse_message, parse_state_overrides
from trinode.rpc.eth.kinds import BLOCK_OVERRIDES, MESSAGE_SCHEMA, STATE_OVERRIDES, fields_of

TOO_MANY_BLOCKS = -38026
MOST_CALLS = 10_000
"""In all blocks together."""
_OWN = ("beaconRoot", "withdrawals")
"""Of block overrides: what eth_call has no use for."""


@dataclass(frozen=True, slots=True)
class SimulationRequest:
    """The blocks as they are asked for, and how."""

    blocks: tuple[BlockRequest, ...]
    traces_transfers: bool = False
    validates: bool = False
    returns_transactions: bool = False


def parse_simulation(value: object, path: str, chain_id: int) -> SimulationRequest:
    """Raises InvalidParams, RpcError."""
    fields = JsonFields(value, path)
    given = fields.optional("blockStateCalls")
    blocks = [] if given is None else parse_list(given, fields.path_of("blockStateCalls"))
    if not blocks:
        raise RpcError(INVALID_PARAMS, "empty input")
    if len(blocks) > MOST_BLOCKS:
        raise RpcError(TOO_MANY_BLOCKS, "too many blocks")
    parsed = tuple([_block(each, f"{fields.path_of('blockStateCalls')}[{index}]", chain_id) for index, each in enumerate(blocks)])
    if sum(len(each.calls) for each in parsed) > MOST_CALLS:
        raise InvalidParams(fields.path_of("blockStateCalls"), f"more than {MOST_CALLS} calls in all")
    return SimulationRequest(
        parsed,
        traces_transfers=_flag(fields, "traceTransfers"),
        validates=_flag(fields, "validation"),
        returns_transactions=_flag(fields, "returnFullTransactions"),
    )


def _flag(fields: JsonFields, name: str) -> bool:
    value = fields.optional(name)
    return False if value is None else parse_boolean(value, fields.path_of(name))


def _block(value: object, path: str, chain_id: int) -> BlockRequest:
    fields = JsonFields({} if value is None else value, path)
    calls = fields.optional("calls")
    items: list[Any] = [] if calls is None else parse_list(calls, fields.path_of("calls"))
    overrides, beacon_root = _block_overrides(fields.optional("blockOverrides"), fields.path_of("blockOverrides"))
    return BlockRequest(
        calls=tuple([_call(each, f"{fields.path_of('calls')}[{index}]", chain_id) for index, each in enumerate(items)]),
        state_overrides=parse_state_overrides(fields.optional("stateOverrides"), fields.path_of("stateOverrides")),
        block_overrides=overrides,
        beacon_root=beacon_root,
    )


def _block_overrides(value: object, path: str) -> tuple[BlockOverrides, Hash32 | None]:
    if value is None:
        return BlockOverrides(), None
    fields = JsonFields(value, path)
    assert isinstance(value, dict)
    withdrawals = fields.optional("withdrawals")
    if withdrawals is not None and parse_list(withdrawals, fields.path_of("withdrawals")):
        raise InvalidParams(fields.path_of("withdrawals"), "an L2 block has no withdrawals")
    others = {name: each for name, each in value.items() if name not in _OWN}
    return parse_block_overrides(others, path) or BlockOverrides(), fields.optional_data("beaconRoot", 32)


def _call(value: object, path: str, chain_id: int) -> SimulatedCall:
    value = {} if value is None else value
    message, gas = parse_message(value, path, chain_id)
    fields = JsonFields(value, path)
    return SimulatedCall(message, gas, fields.optional_quantity("nonce"), fields.optional("gasPrice") is not None)


_CALL_SCHEMA: Schema = {**MESSAGE_SCHEMA, "title": "SimulatedCall", "properties": {**MESSAGE_SCHEMA["properties"], "nonce": QUANTITY.schema}}
_BLOCK_OVERRIDES_SCHEMA: Schema = {
    **BLOCK_OVERRIDES.schema,
    "title": "SimulatedBlockOverrides",
    "properties": {**BLOCK_OVERRIDES.schema["properties"], "beaconRoot": HASH.schema, "withdrawals": {"type": "array", "maxItems": 0}},
}
_BLOCK_SCHEMA: Schema = fields_of(
    "BlockStateCall",
    {
        "blockOverrides": _BLOCK_OVERRIDES_SCHEMA,
        "stateOverrides": STATE_OVERRIDES.schema,
        "calls": {"type": "array", "items": _CALL_SCHEMA},
    },
)
_SCHEMA: Schema = fields_of(
    "Simulation",
    {"traceTransfers": BOOLEAN.schema, "validation": BOOLEAN.schema, "returnFullTransactions": BOOLEAN.schema},
    required={"blockStateCalls": {"type": "array", "items": _BLOCK_SCHEMA, "minItems": 1, "maxItems": MOST_BLOCKS}},
)


def simulation_of(chain_id: int) -> Kind[SimulationRequest]:
    """Blocks to simulate on that chain."""
    return Kind(_SCHEMA, lambda value, path: parse_simulation(value, path, chain_id))
