"""The kinds of parameters that `eth_` methods and their kin take, with their JSON Schemas (execution-apis: schemas; EIP-1898; geth's overrides).

In objects, null is as good as missing. The schemas with a `title` are components of the OpenRPC document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from trinode.execution.calls.context import BlockOverrides, StateOverrides
from trinode.execution.calls.message import Message
from trinode.jsonrpc.declared import Kind, Schema
from trinode.jsonrpc.fields import InvalidParams, kind, parse_data
from trinode.jsonrpc.kinds import ADDRESS, BOOLEAN, DATA, HASH, QUANTITY, QUANTITY_256, hex_of, list_of, or_null
from trinode.jsonrpc.proof_object import slot_name
from trinode.protocol.types import UINT64
from trinode.rpc.eth.block_names import TAGS, BlockName, ByHash, parse_block_name, parse_block_number, parse_word
from trinode.rpc.eth.call_params import parse_block_overrides, parse_message, parse_state_overrides
from trinode.rpc.eth.log_filter import MAX_CHOICES, MAX_TOPICS, LogQuery, parse_log_query


def fields_of(title: str, optional: Mapping[str, Schema], *, required: Mapping[str, Schema] | None = None, closed: bool = False) -> Schema:
    """A parameter that is an object; null stands for a missing field. `closed`: others are refused, where else they are passed over."""
    required = {} if required is None else required
    properties = {**required, **{name: or_null(schema) for name, schema in optional.items()}}
    return {
        "title": title,
        "type": "object",
        "properties": properties,
        **({"required": list(required)} if required else {}),
        **({"additionalProperties": False} if closed else {}),
    }


# ---- blocks ----

_TAG: Schema = {"title": "BlockTag", "type": "string", "enum": list(TAGS)}
_BLOCK_NUMBER: Schema = {"title": "BlockNumberOrTag", "anyOf": [_TAG, QUANTITY.schema]}
_BLOCK_BY_NUMBER: Schema = {
    "title": "BlockByNumber",
    "type": "object",
    "required": ["blockNumber"],
    "properties": {"blockNumber": _BLOCK_NUMBER, "blockHash": {"type": "null"}},
}
_BLOCK_BY_HASH: Schema = {
    "title": "BlockByHash",
    "type": "object",
    "required": ["blockHash"],
    "properties": {"blockHash": HASH.schema, "requireCanonical": or_null(BOOLEAN.schema), "blockNumber": {"type": "null"}},
}
_BLOCK_NAME: Schema = {"title": "BlockNumberOrTagOrHash", "anyOf": [_TAG, QUANTITY.schema, HASH.schema, _BLOCK_BY_NUMBER, _BLOCK_BY_HASH]}


def _parse_block_hash(value: object, path: str) -> ByHash:
    return ByHash(parse_data(value, path, 32))


BLOCK_NUMBER: Kind[str | int] = Kind(_BLOCK_NUMBER, parse_block_number)
"""A tag or a number."""
BLOCK_HASH: Kind[ByHash] = Kind(HASH.schema, _parse_block_hash)
BLOCK_NAME: Kind[BlockName] = Kind(_BLOCK_NAME, parse_block_name)
"""A tag, a number, a hash, or an object with one of the latter (EIP-1898). Where it is optional, its default is LATEST."""


# ---- state ----

_WORD: Schema = {"title": "Word", "type": "string", "pattern": "^0x[0-9a-fA-F]{0,64}$"}


def _parse_slot(value: object, path: str) -> tuple[int, str]:
    slot = parse_word(value, path)
    assert isinstance(value, str)
    return slot, slot_name(value, slot)


WORD: Kind[int] = Kind(_WORD, parse_word)
"""Hex of 32 bytes at most, such as a storage slot."""
SLOT: Kind[tuple[int, str]] = Kind(_WORD, _parse_slot)
"""A storage slot, with what it is called in the answer."""


# ---- messages ----

_ACCESS_LIST: Schema = list_of(
    fields_of("AccessListEntry", {"storageKeys": list_of(HASH.schema)}, required={"address": ADDRESS.schema}),
)
_PARITY: Schema = {"type": "string", "pattern": "^0x(0|[1-9a-fA-F][0-9a-fA-F]?)$"}
_AUTHORIZATION: Schema = fields_of(
    "Authorization",
    {"yParity": _PARITY, "v": _PARITY},
    required={
        "chainId": QUANTITY_256.schema,
        "address": ADDRESS.schema,
        "nonce": QUANTITY.schema,
        "r": QUANTITY_256.schema,
        "s": QUANTITY_256.schema,
    },
)
MESSAGE_SCHEMA: Schema = fields_of(
    "Message",
    {
        "from": ADDRESS.schema,
        "to": ADDRESS.schema,
        "gas": QUANTITY.schema,
        "gasPrice": QUANTITY_256.schema,
        "maxFeePerGas": QUANTITY_256.schema,
        "maxPriorityFeePerGas": QUANTITY_256.schema,
        "value": QUANTITY_256.schema,
        "input": DATA.schema,
        "data": DATA.schema,
        "chainId": QUANTITY_256.schema,
        "accessList": _ACCESS_LIST,
        "authorizationList": list_of(_AUTHORIZATION),
    },
)


def message_of(chain_id: int) -> Kind[tuple[Message, int | None]]:
    """A message for that chain, with no gas limit, and the gas that it asks for."""
    return Kind(MESSAGE_SCHEMA, partial(parse_message, chain_id=chain_id))


_SLOTS: Schema = {"type": "object", "propertyNames": _WORD, "additionalProperties": _WORD}
_ACCOUNT_OVERRIDE: Schema = fields_of(
    "AccountOverride",
    {
        "balance": QUANTITY_256.schema,
        "nonce": QUANTITY.schema,
        "code": DATA.schema,
        "state": _SLOTS,
        "stateDiff": _SLOTS,
        "movePrecompileToAddress": ADDRESS.schema,
    },
    closed=True,
)
STATE_OVERRIDES: Kind[StateOverrides] = Kind(
    {"title": "StateOverrides", "type": "object", "propertyNames": hex_of(20), "additionalProperties": _ACCOUNT_OVERRIDE},
    parse_state_overrides,
)
"""Accounts by address. Where it is optional, its default is {}."""
BLOCK_OVERRIDES: Kind[BlockOverrides | None] = Kind(
    fields_of(
        "BlockOverrides",
        {
            "number": QUANTITY.schema,
            "time": QUANTITY.schema,
            "gasLimit": QUANTITY.schema,
            "feeRecipient": ADDRESS.schema,
            "prevRandao": HASH.schema,
            "baseFeePerGas": QUANTITY_256.schema,
            "blobBaseFee": QUANTITY_256.schema,
        },
        closed=True,
    ),
    parse_block_overrides,
)


# ---- logs ----


def _one_or_several(schema: Schema, item: Schema, most: int) -> Schema:
    return {"anyOf": [schema, {"type": "array", "items": item, "maxItems": most}]}


def _addresses_schema(most: int) -> Schema:
    return _one_or_several(ADDRESS.schema, ADDRESS.schema, most)


def _topics_schema(most: int) -> Schema:
    place = _one_or_several(HASH.schema, or_null(HASH.schema), most)
    return {"type": "array", "items": or_null(place), "maxItems": MAX_TOPICS}


def log_filter_of(title: str, most: int) -> Kind[LogQuery]:
    """Which logs, and where to look: in the block `blockHash`, or from `fromBlock` to `toBlock`. `most`: addresses, and topics at one place."""
    return Kind(
        fields_of(
            title,
            {
                "address": _addresses_schema(most),
                "topics": _topics_schema(most),
                "fromBlock": _BLOCK_NUMBER,
                "toBlock": _BLOCK_NUMBER,
                "blockHash": HASH.schema,
            },
        ),
        partial(parse_log_query, most=most),
    )


ADDRESSES_SCHEMA: Schema = _addresses_schema(MAX_CHOICES)
TOPICS_SCHEMA: Schema = _topics_schema(MAX_CHOICES)
LOG_FILTER: Kind[LogQuery] = log_filter_of("LogFilter", MAX_CHOICES)


# ---- fees ----


def _parse_count(value: object, path: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if not isinstance(value, str) or not _COUNT.fullmatch(value):
        raise InvalidParams(path, f"a number was expected, not {kind(value)}")
    number = int(value, 16 if value[:2] in ("0x", "0X") else 10)
    if number > UINT64:
        raise InvalidParams(path, f"{kind(value)} is more than {UINT64:#x}")
    return number


_COUNT = re.compile(r"(?:0[xX][0-9a-fA-F]{1,64}|[0-9]{1,64})")
COUNT: Kind[int] = Kind({"anyOf": [QUANTITY.schema, {"type": "integer", "minimum": 0}]}, _parse_count)
"""A quantity, or a plain number, as web3 libraries send it; also either in other digits, which geth takes."""


def _parse_number(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidParams(path, f"a number was expected, not {kind(value)}")
    return value


NUMBER: Kind[float] = Kind({"type": "number"}, _parse_number)
"""A number of JSON's."""
