"""`admin_` methods: how operators and op-conductor steer the node, as op-node has them. To be exposed to trusted callers alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from trinode.jsonrpc.declared import Declared, Param, Schema, declare
from trinode.jsonrpc.kinds import ANY_OBJECT, BOOLEAN, BOOLEAN_RESULT, HASH, HASH_RESULT, NULL_RESULT, STRING, custom, object_of, or_null
from trinode.jsonrpc.requests import SERVER_ERROR, RpcError
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.node import Admin, AdminRefused

T = TypeVar("T")

_ENVELOPE: Schema = {
    "title": "PayloadEnvelope",
    **object_of({"executionPayload": ANY_OBJECT}, optional={"parentBeaconBlockRoot": or_null(HASH.schema)}),
}


class AdminNamespace:
    """The methods over the node. `decode_payload` reads `{"executionPayload": ..., "parentBeaconBlockRoot": ...}`; it raises InvalidParams."""

    name = "admin"

    def __init__(self, admin: Admin, decode_payload: Callable[[object], PayloadEnvelope]) -> None:
        self._admin = admin
        payload = custom(_ENVELOPE, lambda value, path: decode_payload(value))
        self.methods: dict[str, Declared] = {
            "admin_resetDerivationPipeline": declare(
                self._reset_derivation_pipeline, "Derivation begins again from the safe head", result=NULL_RESULT
            ),
            "admin_startSequencer": declare(
                self._start_sequencer, "Sequencing begins on the unsafe head, which is named", Param("unsafeHead", HASH), result=NULL_RESULT
            ),
            "admin_stopSequencer": declare(self._stop_sequencer, "Sequencing ends; the unsafe head that it came to", result=HASH_RESULT),
            "admin_sequencerActive": declare(self._sequencer_active, "Whether blocks are sequenced here", result=BOOLEAN_RESULT),
            "admin_postUnsafePayload": declare(
                self._post_unsafe_payload, "Takes an unsafe block as if it came by gossip", Param("envelope", payload), result=NULL_RESULT
            ),
            "admin_overrideLeader": declare(self._override_leader, "Sequencing no longer asks the conductor who leads", result=NULL_RESULT),
            "admin_conductorEnabled": declare(
                self._conductor_enabled, "Whether a conductor decides on who sequences", result=BOOLEAN_RESULT
            ),
            "admin_setRecoverMode": declare(
                self._set_recover_mode, "Empty blocks until the sequencer has caught up with L1", Param("mode", BOOLEAN), result=NULL_RESULT
            ),
            "admin_setLogLevel": declare(self._set_log_level, "From here on, what is logged", Param("level", STRING), result=NULL_RESULT),
        }

    async def _reset_derivation_pipeline(self) -> None:
        await _unless_refused(self._admin.reset_derivation_pipeline())

    async def _start_sequencer(self, unsafe_head: Hash32) -> None:
        await _unless_refused(self._admin.start_sequencer(unsafe_head))

    async def _stop_sequencer(self) -> str:
        return to_hex(await _unless_refused(self._admin.stop_sequencer()))

    async def _sequencer_active(self) -> bool:
        return await _unless_refused(self._admin.sequencer_active())

    async def _post_unsafe_payload(self, envelope: PayloadEnvelope) -> None:
        await _unless_refused(self._admin.post_unsafe_payload(envelope))

    async def _override_leader(self) -> None:
        await _unless_refused(self._admin.override_leader())

    async def _conductor_enabled(self) -> bool:
        return await _unless_refused(self._admin.conductor_enabled())

    async def _set_recover_mode(self, mode: bool) -> None:
        await _unless_refused(self._admin.set_recover_mode(mode))

    async def _set_log_level(self, level: str) -> None:
        await _unless_refused(self._admin.set_log_level(level))


async def _unless_refused(done: Awaitable[T]) -> T:
    try:
        return await done
    except AdminRefused as error:
        raise RpcError(SERVER_ERROR, str(error)) from error
