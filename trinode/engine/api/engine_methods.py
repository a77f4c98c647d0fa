"""The `engine_` methods (Engine API: paris to osaka, identification; OP Stack specification: exec-engine, "Engine API")."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from trinode.engine.api import codec, versions
from trinode.engine.api.codes import INVALID_FORKCHOICE_STATE, INVALID_PAYLOAD_ATTRIBUTES, TOO_LARGE_REQUEST, UNKNOWN_PAYLOAD, UNSUPPORTED_FORK
from trinode.engine.api.interface import Engine
from trinode.engine.api.protocol_version import (
    SUPPORTED_VERSION,
    ProtocolVersion,
    SuperchainSignal,
    UnknownVersionType,
    decode_protocol_version,
    encode_protocol_version,
)
from trinode.engine.status import InvalidForkchoiceState, InvalidPayloadAttributes, UnknownPayload
from trinode.jsonrpc.fields import InvalidParams, JsonFields, parse_data, parse_list, parse_quantity
from trinode.jsonrpc.requests import Method, RpcError, take_params
from trinode.protocol.block import KnownBlock
from trinode.protocol.payload import PayloadEnvelope
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.json_fields import to_hex

MAX_BODIES = 1024
"""Bodies that are given at once; the specification asks for 32 or more."""


class ClientVersion(NamedTuple):
    """Who we are. `code`: two letters, `commit`: 4 bytes."""

    code: str
    name: str
    version: str
    commit: bytes


class EngineMethods:
    """The methods over an engine. `on_signal` is told what L1 recommends and requires, each time a rollup node passes it on."""

    def __init__(self, engine: Engine, config: RollupConfig, client_version: ClientVersion, on_signal: Callable[[SuperchainSignal], None]) -> None:
        self._engine = engine
        self._config = config
        self._client_version = client_version
        self._on_signal = on_signal
        self.methods = self._methods()

    def _methods(self) -> dict[str, Method]:
        methods: dict[str, Method] = {
            versions.EXCHANGE_CAPABILITIES: self._exchange_capabilities,
            versions.CLIENT_VERSION: self._get_client_version,
            versions.BODIES_BY_HASH: self._get_payload_bodies_by_hash,
            versions.BODIES_BY_RANGE: self._get_payload_bodies_by_range,
            versions.SIGNAL_SUPERCHAIN: self._signal_superchain,
        }
        handlers = {
            versions.FORKCHOICE_UPDATED: self._forkchoice_updated,
            versions.GET_PAYLOAD: self._get_payload,
            versions.NEW_PAYLOAD: self._new_payload,
        }
        for name in versions.VERSIONED_METHODS:
            methods[name] = partial(handlers[name[:-1]], int(name[-1]))
        return methods

    # -- fork choice and payloads

    async def _forkchoice_updated(self, version: int, params: list[Any]) -> dict[str, Any]:
        state_json, attributes_json = take_params(params, 1, 1)
        state = codec.decode_forkchoice_state(state_json, "params[0]")
        try:
            attributes = None
            if attributes_json is not None:
                fork = self._checked_fork(versions.FORKCHOICE_UPDATED, version, attributes_json, "params[1]")
                attributes = codec.decode_attributes(attributes_json, "params[1]", fork)
            result = await self._engine.forkchoice_updated(state, attributes)
        except InvalidForkchoiceState as error:
            raise RpcError(INVALID_FORKCHOICE_STATE, "Invalid forkchoice state", str(error)) from error
        except InvalidPayloadAttributes as error:
            raise RpcError(INVALID_PAYLOAD_ATTRIBUTES, "Invalid payload attributes", str(error)) from error
        return codec.encode_forkchoice_result(result)

    async def _new_payload(self, version: int, params: list[Any]) -> dict[str, Any]:
        payload_json, *others = take_params(params, {3: 3, 4: 4}.get(version, 1))
        fork = self._checked_fork(versions.NEW_PAYLOAD, version, payload_json, "params[0]")
        payload = codec.decode_payload(payload_json, "params[0]", fork)
        for index, name in ((0, "blob versioned hashes"), (2, "execution requests")):
            if len(others) > index and parse_list(others[index], f"params[{index + 1}]"):
                raise InvalidParams(f"params[{index + 1}]", f"L2 blocks have no {name}")
        root = parse_data(others[1], "params[2]", 32) if others else None
        return codec.encode_payload_status(await self._engine.new_payload(PayloadEnvelope(payload, root)))

    async def _get_payload(self, version: int, params: list[Any]) -> dict[str, Any]:
        (payload_id,) = take_params(params, 1)
        try:
            built = await self._engine.get_payload(codec.parse_payload_id(payload_id, "params[0]"))
        except UnknownPayload as error:
            raise RpcError(UNKNOWN_PAYLOAD, "Unknown payload", str(error) or None) from error
        self._check_version(versions.GET_PAYLOAD, version, self._fork(built.envelope.payload.timestamp))
        return codec.encode_built_payload(built, version)

    def _checked_fork(self, method: str, version: int, value: object, path: str) -> Fork:
        """The fork of a payload or of attributes, which is the one of the method's version. Raises RpcError, InvalidParams."""
        fork = self._fork(JsonFields(value, path).quantity("timestamp"))
        self._check_version(method, version, fork)
        return fork

    @staticmethod
    def _check_version(method: str, version: int, fork: Fork) -> None:
        try:
            versions.check_version(method, version, fork)
        except versions.UnsupportedFork as error:
            raise RpcError(UNSUPPORTED_FORK, "Unsupported fork", str(error)) from error

    def _fork(self, timestamp: int) -> Fork:
        return self._config.fork_at(l2_timestamp=timestamp)

    # -- bodies

    async def _get_payload_bodies_by_hash(self, params: list[Any]) -> list[dict[str, Any] | None]:
        hashes = parse_list(take_params(params, 1)[0], "params[0]")
        _check_count(len(hashes))
        asked = [parse_data(each, f"params[0][{index}]", 32) for index, each in enumerate(hashes)]
        return [_body(await self._engine.block(each)) for each in asked]

    async def _get_payload_bodies_by_range(self, params: list[Any]) -> list[dict[str, Any] | None]:
        """Nothing comes after the head, and null where an older block is missing."""
        start, count = (parse_quantity(each, f"params[{index}]") for index, each in enumerate(take_params(params, 2)))
        for index, each in enumerate((start, count)):
            if each < 1:
                raise InvalidParams(f"params[{index}]", "must be at least 1")
        _check_count(count)
        head = await self._engine.head()
        last = min(head.header.number, start + count - 1)
        return [_body(await self._engine.block_by_number(number)) for number in range(start, last + 1)]

    # -- identification

    async def _exchange_capabilities(self, params: list[Any]) -> list[str]:
        for index, name in enumerate(parse_list(take_params(params, 1)[0], "params[0]")):
            if not isinstance(name, str):
                raise InvalidParams(f"params[0][{index}]", "the name of a method was expected")
        return sorted(name for name in self.methods if name != versions.EXCHANGE_CAPABILITIES)

    async def _get_client_version(self, params: list[Any]) -> list[dict[str, str]]:
        JsonFields(take_params(params, 1)[0], "params[0]")  # who asks; nothing depends on it
        code, name, version, commit = self._client_version
        return [{"code": code, "name": name, "version": version, "commit": to_hex(commit)}]

    async def _signal_superchain(self, params: list[Any]) -> str:
        (signal,) = take_params(params, 0, 1)
        if signal is not None:
            fields = JsonFields(signal, "params[0]")
            self._on_signal(SuperchainSignal(_version(fields, "recommended"), _version(fields, "required")))
        return to_hex(encode_protocol_version(SUPPORTED_VERSION))


def _version(fields: JsonFields, name: str) -> ProtocolVersion | None:
    try:
        return decode_protocol_version(fields.data(name, 32))
    except UnknownVersionType:
        return None


def _body(block: KnownBlock | None) -> dict[str, Any] | None:
    """An ExecutionPayloadBodyV1; L2 blocks have no withdrawals, and no list of them before Canyon."""
    if block is None:
        return None
    withdrawals: list[Any] | None = None if block.header.withdrawals_root is None else []
    return {"transactions": [to_hex(raw) for raw in block.transactions], "withdrawals": withdrawals}


def _check_count(count: int) -> None:
    if count > MAX_BODIES:
        raise RpcError(TOO_LARGE_REQUEST, "Too large request", f"{count} bodies; at most {MAX_BODIES} at once")
