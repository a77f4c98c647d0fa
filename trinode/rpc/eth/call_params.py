"""The parameters of eth_call and its kin: a message, and what of state and block is to be otherwise (execution-apis: eth/execute; geth's
names for overrides).
"""

from __future__ import annotations

from typing import Any

from trinode.execution.calls.context import AccountOverride, BlockOverrides, StateOverrides
from trinode.execution.calls.message import NO_ADDRESS, Message
from trinode.jsonrpc.fields import InvalidParams, JsonFields, kind, parse_list
from trinode.protocol.transaction import AccessListEntry, Authorization
from trinode.protocol.types import Address
from trinode.rpc.eth.block_names import parse_word
from trinode.rpc.eth.errors import server_error

_UINT256 = 2**256 - 1
_BLOB_FIELDS = ("blobVersionedHashes", "blobs")
_NO_OVERRIDES = ("difficulty", "withdrawals", "beaconRoot")


def parse_message(value: object, path: str, chain_id: int) -> tuple[Message, int | None]:
    """The message, with no gas limit, and the gas that it asks for. What does not matter to a call (nonce, type, a fee for blobs) is passed over.

    Raises InvalidParams, RpcError.
    """
    fields = JsonFields(value, path)
    for name in _BLOB_FIELDS:
        if fields.optional(name) is not None:
            raise InvalidParams(fields.path_of(name), "there are no blob transactions on L2")
    wanted_chain = fields.optional_quantity("chainId", _UINT256)
    if wanted_chain not in (None, chain_id):
        raise server_error(f"chainId does not match node's (have={wanted_chain}, want={chain_id})")
    max_fee, max_priority_fee = _fees(fields)
    access_list, authorizations = fields.optional("accessList"), fields.optional("authorizationList")
    message = Message(
        gas_limit=0,
        sender=fields.optional_data("from", 20) or NO_ADDRESS,
        to=fields.optional_data("to", 20),
        max_fee=max_fee,
        max_priority_fee=max_priority_fee,
        value=fields.optional_quantity("value", _UINT256) or 0,
        data=_data(fields),
        access_list=() if access_list is None else _access_list(access_list, fields.path_of("accessList")),
        authorizations=None if authorizations is None else _authorizations(authorizations, fields.path_of("authorizationList")),
    )
    return message, fields.optional_quantity("gas")


def _data(fields: JsonFields) -> bytes:
    """`input` is the newer name of `data`; both at once are as good as one."""
    data, newer = fields.optional_data("data"), fields.optional_data("input")
    if data is not None and newer is not None and data != newer:
        raise server_error('both "data" and "input" are set and not equal. Please use "input" to pass transaction call data')
    return (data if newer is None else newer) or b""


def _fees(fields: JsonFields) -> tuple[int, int]:
    """Max fee and max priority fee in wei; a gas price is both."""
    gas_price = fields.optional_quantity("gasPrice", _UINT256)
    max_fee = fields.optional_quantity("maxFeePerGas", _UINT256)
    max_priority_fee = fields.optional_quantity("maxPriorityFeePerGas", _UINT256)
    if gas_price is None:
        return max_fee or 0, max_priority_fee or 0
    if max_fee is not None or max_priority_fee is not None:
        raise server_error("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    return gas_price, gas_price


def _access_list(value: object, path: str) -> tuple[AccessListEntry, ...]:
    entries = []
    for index, each in enumerate(parse_list(value, path)):
        entry = JsonFields(each, f"{path}[{index}]")
        keys = () if entry.optional("storageKeys") is None else entry.data_items("storageKeys")
        if any(len(key) != 32 for key in keys):
            raise InvalidParams(entry.path_of("storageKeys"), "32 bytes each were expected")
        entries.append(AccessListEntry(entry.data("address", 20), keys))
    return tuple(entries)


def _authorizations(value: object, path: str) -> tuple[Authorization, ...]:
    authorizations = []
    for index, each in enumerate(parse_list(value, path)):
        entry = JsonFields(each, f"{path}[{index}]")
        parity = entry.quantity("v" if entry.optional("yParity") is None else "yParity", 0xFF)
        r, s = entry.quantity("r", _UINT256), entry.quantity("s", _UINT256)
        chain_id, address = entry.quantity("chainId", _UINT256), entry.data("address", 20)
        authorizations.append(Authorization(chain_id, address, entry.quantity("nonce"), parity, r, s))
    return tuple(authorizations)


def parse_state_overrides(value: object, path: str) -> StateOverrides:
    """Accounts by address; None: none. Raises InvalidParams."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidParams(path, f"an object was expected, not {kind(value)}")
    overrides: dict[Address, AccountOverride] = {}
    for name, each in value.items():
        address = JsonFields({"address": name}, path).data("address", 20)
        overrides[address] = _account_override(JsonFields(each, f"{path}.{name}"))
    return overrides


def _account_override(fields: JsonFields) -> AccountOverride:
    override = AccountOverride(
        balance=fields.optional_quantity("balance", _UINT256),
        nonce=fields.optional_quantity("nonce"),
        code=fields.optional_data("code"),
        state=_slots(fields, "state"),
        state_diff=_slots(fields, "stateDiff"),
        move_precompile_to=fields.optional_data("movePrecompileToAddress", 20),
    )
    fields.finish()
    return override


def _slots(fields: JsonFields, name: str) -> dict[int, int] | None:
    value, path = fields.optional(name), fields.path_of(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidParams(path, f"an object was expected, not {kind(value)}")
    return {parse_word(slot, path): parse_word(each, f"{path}.{slot}") for slot, each in value.items()}


def parse_block_overrides(value: object, path: str) -> BlockOverrides | None:
    """What of the block is otherwise; None: nothing. Raises InvalidParams."""
    if value is None:
        return None
    fields = JsonFields(value, path)
    for name in _NO_OVERRIDES:
        if fields.optional(name) is not None:
            raise InvalidParams(fields.path_of(name), "cannot be overridden on this chain")
    given: dict[str, Any] = {
        "number": fields.optional_quantity("number"),
        "timestamp": fields.optional_quantity("time"),
        "gas_limit": fields.optional_quantity("gasLimit"),
        "fee_recipient": fields.optional_data("feeRecipient", 20),
        "prev_randao": fields.optional_data("prevRandao", 32),
        "base_fee": fields.optional_quantity("baseFeePerGas", _UINT256),
        "blob_base_fee": fields.optional_quantity("blobBaseFee", _UINT256),
    }
    fields.finish()
    return BlockOverrides(**given)
