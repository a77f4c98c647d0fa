"""Requests and batches: whatever comes, a JSON-RPC error goes back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.api.eth_methods import EthMethods
from tests.unit.engine.api.scripted_engine import ScriptedEngine
from tests.unit.engine.api.small_chain import CONFIG, make_blocks, make_payload
from trinode.engine.api.codec import encode_payload
from trinode.engine.api.engine_methods import MAX_BODIES, ClientVersion, EngineMethods
from trinode.engine.api.protocol_version import ProtocolVersion, SuperchainSignal, encode_protocol_version
from trinode.engine.api.server import EXPLAINED
from trinode.engine.status import InvalidForkchoiceState, InvalidPayloadAttributes, PayloadStatus, Status
from trinode.execution.errors import UnknownFork
from trinode.jsonrpc.requests import MAX_BATCH, answer
from trinode.storage.errors import StoreError

BLOCKS = make_blocks(5)
ZERO = "0x" + "00" * 32


class Served:
    """A scripted engine behind the methods."""

    def __init__(self) -> None:
        self.engine = ScriptedEngine(BLOCKS)
        self.signals: list[SuperchainSignal] = []
        methods = EngineMethods(self.engine, CONFIG, ClientVersion("TN", "trinode", "1.2", b"\x01\x02\x03\x04"), self.signals.append).methods
        self.methods = methods | EthMethods(self.engine, CONFIG.l2_chain_id).methods

    async def send(self, request: object) -> Any:
        body = request if isinstance(request, bytes) else msgspec.json.encode(request)
        response = await answer(body, self.methods, explained=EXPLAINED)
        return msgspec.json.decode(response) if response else None

    async def call(self, method: str, *params: object) -> Any:
        response = await self.send({"jsonrpc": "2.0", "id": "x", "method": method, "params": list(params)})
        assert (response.pop("jsonrpc"), response.pop("id")) == ("2.0", "x")
        (outcome,) = response.values()
        return outcome


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b'{"id":1e999}', -32700),
        (b"[" * 100_000, -32700),
        ([], -32600),
        (1, -32600),
        ({}, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "eth_chainId"}, -32600),
        ({"jsonrpc": "2.0", "id": 1}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, -32600),
        ({"jsonrpc": "2.0", "id": {}, "method": "eth_chainId"}, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "eth_chainId"}, -32600),
        ({"jsonrpc": "2.0", "id": 2**64, "method": "eth_chainId"}, -32600),
        ([{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}] * (MAX_BATCH + 1), -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "eth_nothing"}, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": {}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [1]}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "engine_getPayloadV3"}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "engine_newPayloadV4", "params": [None, None]}, -32602),
    ],
)
async def test_a_bad_request_has_its_code(served: Served, request_: object, code: int) -> None:
    assert (await served.send(request_))["error"]["code"] == code


async def test_a_batch_is_answered_in_order_and_notifications_are_not(served: Served) -> None:
    call = {"jsonrpc": "2.0", "method": "eth_blockNumber"}
    assert await served.send([call | {"id": 7}, call, call | {"id": None}, 5]) == [
        {"jsonrpc": "2.0", "id": 7, "result": "0x4"},
        {"jsonrpc": "2.0", "id": None, "result": "0x4"},
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "a request must be an object, not 5"}},
    ]
    assert await served.send([call]) is None
    assert await served.send(call) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8) | st.just(ZERO),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(["timestamp", "headBlockHash"]), inner),
    max_leaves=10,
)
METHODS = sorted(Served().methods)


@given(JSON)
def test_any_json_gets_an_error(value: Any) -> None:
    response = trio.run(Served().send, msgspec.json.encode(value) if fits(value) else b"")
    assert "error" in response if isinstance(response, dict) else all("error" in each for each in response)


def fits(value: Any) -> bool:
    try:
        msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError):
        return False
    return True


@given(st.binary(max_size=30))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    assert "error" in trio.run(Served().send, body)


@given(st.sampled_from(METHODS), st.lists(JSON, max_size=4))
def test_any_parameters_get_an_answer(method: str, params: list[Any]) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params if fits(params) else []}
    response = trio.run(Served().send, request)
    assert ("error" in response) != ("result" in response)
    if "error" in response:
        assert response["error"]["code"] in (-32602, -38001, -38003, -38005)


async def test_blocks_by_tag_number_and_hash(served: Served) -> None:
    for name, number in (("latest", 4), ("pending", 4), ("safe", 3), ("earliest", 0), ("0x2", 2)):
        block = await served.call("eth_getBlockByNumber", name, False)
        assert (block["number"], block["hash"]) == (hex(number), "0x" + BLOCKS[number].hash.hex())
        assert await served.call("eth_getBlockByHash", block["hash"], False) == block
    assert [await served.call("eth_getBlockByNumber", name, True) for name in ("finalized", "0x5")] == [None, None]
    assert await served.call("eth_getBlockByHash", ZERO, True) is None
    for bad in ("0x02", "newest", 2):
        assert (await served.call("eth_getBlockByNumber", bad, True))["code"] == -32602
    assert (await served.call("eth_getBlockByNumber", "0x1", "yes"))["code"] == -32602


async def test_payload_bodies(served: Served) -> None:
    bodies = [{"transactions": ["0x" + raw.hex() for raw in block.transactions], "withdrawals": []} for block in BLOCKS]
    asked = ["0x" + BLOCKS[1].hash.hex(), ZERO]
    assert await served.call("engine_getPayloadBodiesByHashV1", asked) == [bodies[1], None]
    assert await served.call("engine_getPayloadBodiesByRangeV1", "0x2", "0x9") == bodies[2:]
    assert await served.call("engine_getPayloadBodiesByRangeV1", "0x2", "0x1") == bodies[2:3]
    assert await served.call("engine_getPayloadBodiesByRangeV1", "0x5", "0x1") == []
    assert (await served.call("engine_getPayloadBodiesByRangeV1", "0x0", "0x1"))["code"] == -32602
    assert (await served.call("engine_getPayloadBodiesByRangeV1", "0x1", "0x0"))["code"] == -32602
    assert (await served.call("engine_getPayloadBodiesByRangeV1", "0x1", hex(MAX_BODIES + 1)))["code"] == -38004
    assert (await served.call("engine_getPayloadBodiesByHashV1", [ZERO] * (MAX_BODIES + 1)))["code"] == -38004


async def test_a_superchain_signal_is_passed_on(served: Served) -> None:
    recommended, required = ProtocolVersion(9, 1, 0, 3), ProtocolVersion(8)
    encoded = ["0x" + encode_protocol_version(version).hex() for version in (recommended, required)]
    supported = "0x" + encode_protocol_version(ProtocolVersion(9)).hex()
    assert await served.call("engine_signalSuperchainV1", dict(zip(("recommended", "required"), encoded, strict=True))) == supported
    assert await served.call("engine_signalSuperchainV1", {"recommended": "0x01" + "00" * 31, "required": encoded[1]}) == supported
    assert await served.call("engine_signalSuperchainV1", None) == supported
    assert served.signals == [(recommended, required), (None, required)]
    assert (await served.call("engine_signalSuperchainV1", {"recommended": "0x00", "required": encoded[1]}))["code"] == -32602


async def test_who_we_are(served: Served) -> None:
    expected = [{"code": "TN", "name": "trinode", "version": "1.2", "commit": "0x01020304"}]
    assert await served.call("engine_getClientVersionV1", {"code": "XX"}) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidForkchoiceState("not an ancestor"), {"code": -38002, "message": "Invalid forkchoice state", "data": {"err": "not an ancestor"}}),
        (InvalidPayloadAttributes("too old"), {"code": -38003, "message": "Invalid payload attributes", "data": {"err": "too old"}}),
        (UnknownFork("a fork that we lack"), {"code": -32603, "message": "a fork that we lack"}),
        (StoreError("the disk is full"), {"code": -32603, "message": "the disk is full"}),
    ],
)
async def test_what_the_engine_raises_has_its_code(served: Served, error: Exception, expected: object) -> None:
    served.engine.error = error
    state = {"headBlockHash": ZERO, "safeBlockHash": ZERO, "finalizedBlockHash": ZERO}
    assert await served.call("engine_forkchoiceUpdatedV3", state, None) == expected


async def test_an_unknown_payload(served: Served) -> None:
    assert await served.call("engine_getPayloadV3", "0x" + "01" * 8) == {"code": -38001, "message": "Unknown payload"}


async def test_l2_blocks_have_no_blobs(served: Served) -> None:
    payload = encode_payload(make_payload(1, bytes(32)).payload)
    for params, problem in (
        ([payload, [ZERO], ZERO], "invalid argument 1: L2 blocks have no blob versioned hashes"),
        ([payload, [], "0x00"], "invalid argument 2: 1 bytes, not 32"),
        ([payload, [], ZERO, []], "too many arguments, want at most 3"),
    ):
        assert problem in (await served.call("engine_newPayloadV3", *params))["message"]
    assert (await served.call("engine_newPayloadV4", payload, [], ZERO, ["0x00"]))["code"] == -38005
    assert served.engine.asked == []
    assert (await served.call("engine_newPayloadV3", payload, [], ZERO))["status"] == "SYNCING"


async def test_a_refused_parameter_never_reaches_the_engine(served: Served) -> None:
    served.engine.status = PayloadStatus(Status.VALID)
    assert "invalid argument 0: timestamp: missing" in (await served.call("engine_newPayloadV3", {}, [], ZERO))["message"]
    state = {"headBlockHash": ZERO, "safeBlockHash": ZERO}
    assert "invalid argument 0: finalizedBlockHash: missing" in (await served.call("engine_forkchoiceUpdatedV3", state))["message"]
    assert served.engine.asked == []
