"""`admin_` methods: how operators and op-conductor steer the node, as op-node has them. To be exposed to trusted callers alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from trinode.jsonrpc.fields import InvalidParams, kind, parse_data
from trinode.jsonrpc.requests import SERVER_ERROR, RpcError, take_params
from trinode.protocol.payload import PayloadEnvelope
from trinode.rollup.json_fields import to_hex
from trinode.rpc.dispatch import Handler
from trinode.rpc.node import Admin, AdminRefused

T = TypeVar("T")


class AdminNamespace:
    """The methods over the node. `decode_payload` reads `{"executionPayload": ..., "parentBeaconBlockRoot": ...}`; it raises InvalidParams."""

    name = "admin"

    def __init__(self, admin: Admin, decode_payload: Callable[[object], PayloadEnvelope]) -> None:
        self._admin = admin
        self._decode_payload = decode_payload
        self.methods: dict[str, Handler] = {
            "admin_resetDerivationPipeline": self._reset_derivation_pipeline,
            "admin_startSequencer": self._start_sequencer,
            "admin_stopSequencer": self._stop_sequencer,
            "admin_sequencerActive": self._sequencer_active,
            "admin_postUnsafePayload": self._post_unsafe_payload,
            "admin_overrideLeader": self._override_leader,
            "admin_conductorEnabled": self._conductor_enabled,
            "admin_setRecoverMode": self._set_recover_mode,
            "admin_setLogLevel": self._set_log_level,
        }

    async def _reset_derivation_pipeline(self, params: list[Any]) -> None:
        take_params(params, 0)
        await _unless_refused(self._admin.reset_derivation_pipeline())

    async def _start_sequencer(self, params: list[Any]) -> None:
        (unsafe_head,) = take_params(params, 1)
        await _unless_refused(self._admin.start_sequencer(parse_data(unsafe_head, "params[0]", 32)))

    async def _stop_sequencer(self, params: list[Any]) -> str:
        take_params(params, 0)
        return to_hex(await _unless_refused(self._admin.stop_sequencer()))

    async def _sequencer_active(self, params: list[Any]) -> bool:
        take_params(params, 0)
        return await _unless_refused(self._admin.sequencer_active())

    async def _post_unsafe_payload(self, params: list[Any]) -> None:
        (envelope,) = take_params(params, 1)
        await _unless_refused(self._admin.post_unsafe_payload(self._decode_payload(envelope)))

    async def _override_leader(self, params: list[Any]) -> None:
        take_params(params, 0)
        await _unless_refused(self._admin.override_leader())

    async def _conductor_enabled(self, params: list[Any]) -> bool:
        take_params(params, 0)
        return await _unless_refused(self._admin.conductor_enabled())

    async def _set_recover_mode(self, params: list[Any]) -> None:
        (mode,) = take_params(params, 1)
        if not isinstance(mode, bool):
            raise InvalidParams("params[0]", f"true or false was expected, not {kind(mode)}")
        await _unless_refused(self._admin.set_recover_mode(mode))

    async def _set_log_level(self, params: list[Any]) -> None:
        (level,) = take_params(params, 1)
        if not isinstance(level, str):
            raise InvalidParams("params[0]", f"a string was expected, not {kind(level)}")
        await _unless_refused(self._admin.set_log_level(level))


async def _unless_refused(done: Awaitable[T]) -> T:
    try:
        return await done
    except AdminRefused as error:
        raise RpcError(SERVER_ERROR, str(error)) from error
