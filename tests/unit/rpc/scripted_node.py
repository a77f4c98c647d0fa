"""A node that says what it is told to, behind the RPC server's own namespaces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.fields import JsonFields, parse_data
from trinode.jsonrpc.kinds import STRING_RESULT
from trinode.jsonrpc.requests import Limits
from trinode.protocol.block import L1BlockRef
from trinode.protocol.payload import ExecutionPayload, PayloadEnvelope
from trinode.protocol.types import BlockId, Hash32
from trinode.rpc.admin import AdminNamespace
from trinode.rpc.dispatch import DEFAULT_LIMITS, Dispatcher, Namespace
from trinode.rpc.eth.kinds import COUNT
from trinode.rpc.net import NetNamespace
from trinode.rpc.node import AdminRefused, OutputAtBlock, SyncStatus
from trinode.rpc.server import RpcServer, ServerSettings
from trinode.rpc.web3 import Web3Namespace

CLIENT_VERSION = "trinode/v0.1.0/linux/python3.11"
PAYLOAD = ExecutionPayload(*[bytes(32), bytes(20), *[bytes(32)] * 2, bytes(256), bytes(32), 7, 8, 0, 9, b"", 1, bytes(32), ()])  # type: ignore[arg-type]


class ScriptedRollup:
    """`outputs`, and `safe_heads` by L1 block, as they were given."""

    def __init__(self, status: SyncStatus, outputs: dict[int, OutputAtBlock], safe_heads: list[tuple[BlockId, BlockId]]) -> None:
        self._status = status
        self._outputs = outputs
        self._safe_heads = safe_heads

    def sync_status(self) -> SyncStatus:
        return self._status

    async def safe_head_at_l1(self, number: int) -> tuple[BlockId, BlockId] | None:
        if not self._safe_heads:
            raise LookupError("safe heads are not kept here")
        return next((pair for pair in reversed(self._safe_heads) if pair[0].number <= number), None)

    async def output_at_block(self, number: int) -> OutputAtBlock:
        if number not in self._outputs:
            raise LookupError(f"no L2 block {number}")
        return self._outputs[number]


class ScriptedAdmin:
    """Notes what it is asked for; refuses where `refusal` says why."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.refusal: str | None = None

    def _note(self, *what: Any) -> None:
        if self.refusal is not None:
            raise AdminRefused(self.refusal)
        self.asked.append(what)

    async def reset_derivation_pipeline(self) -> None:
        self._note("reset")

    async def start_sequencer(self, unsafe_head: Hash32) -> None:
        self._note("start", unsafe_head)

    async def stop_sequencer(self) -> Hash32:
        self._note("stop")
        return b"\x07" * 32

    async def sequencer_active(self) -> bool:
        self._note("active")
        return False

    async def post_unsafe_payload(self, envelope: PayloadEnvelope) -> None:
        self._note("post", envelope)

    async def override_leader(self) -> None:
        self._note("override")

    async def conductor_enabled(self) -> bool:
        self._note("conductor")
        return True

    async def set_recover_mode(self, mode: bool) -> None:
        self._note("recover", mode)

    async def set_log_level(self, level: str) -> None:
        self._note("level", level)


class ScriptedReadiness:
    """Not ready for `reason`."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def not_ready(self) -> str | None:
        return self.reason


class TestMethods:
    """`test_` methods, to see what requests come to."""

    __test__ = False
    name = "test"

    def __init__(self) -> None:
        self.begun = 0
        self.given_up = 0
        self.go_on = trio.Event()
        self.methods: dict[str, Declared] = {
            "test_wait": declare(self._wait, "Waits until it is to go on", result=STRING_RESULT),
            "test_large": declare(self._large, "So many bytes", Param("size", COUNT), result=STRING_RESULT),
            "test_crash": declare(self._crash, "Crashes", result=STRING_RESULT),
        }

    async def _wait(self) -> str:
        self.begun += 1
        try:
            await self.go_on.wait()
        except trio.Cancelled:
            self.given_up += 1
            raise
        return "done"

    async def _large(self, size: int) -> msgspec.Raw:
        return msgspec.Raw(b'"' + b"x" * size + b'"')

    async def _crash(self) -> str:
        return str(1 // 0)


def decode_payload(value: object) -> PayloadEnvelope:
    """Reads the root alone."""
    fields = JsonFields(value, "params[0]")
    JsonFields(fields.required("executionPayload"), fields.path_of("executionPayload"))
    return PayloadEnvelope(PAYLOAD, parse_data(fields.required("parentBeaconBlockRoot"), fields.path_of("parentBeaconBlockRoot"), 32))


class Served:
    """A server over scripted parts."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS, max_in_flight: int = 512, **settings: Any) -> None:
        self.methods = TestMethods()
        self.admin = ScriptedAdmin()
        self.readiness = ScriptedReadiness()
        admin = AdminNamespace(self.admin, decode_payload)
        namespaces: list[Namespace] = [NetNamespace(901, lambda: 3), Web3Namespace(CLIENT_VERSION), admin, self.methods]
        self.dispatcher = Dispatcher(namespaces, ["net", "web3", "admin", "test"], limits, max_in_flight=max_in_flight)
        whole = ServerSettings(**{"port": 0, "websocket": True, **settings})
        told = {"legacyGeth": {"state": "ok"}}
        self.server = RpcServer(self.dispatcher, self.readiness, whole, version="0.1.0", told=lambda: told)

    async def call(self, method: str, *params: object) -> Any:
        """The result, or the error object."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        response = msgspec.json.decode(await self.dispatcher.answer(msgspec.json.encode(request)))
        return response["result"] if "result" in response else response["error"]


@asynccontextmanager
async def listening(served: Served) -> AsyncIterator[int]:
    """The port on loopback."""
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(lambda task_status: served.server.run(task_status=task_status))
        yield int(address.rpartition(":")[2])
        nursery.cancel_scope.cancel()


def l1_ref(value: dict[str, Any]) -> L1BlockRef:
    """Of op-node's JSON."""
    return L1BlockRef(bytes.fromhex(value["hash"][2:]), value["number"], bytes.fromhex(value["parentHash"][2:]), value["timestamp"])
