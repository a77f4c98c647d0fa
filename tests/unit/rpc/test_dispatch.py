"""Requests to the RPC server's own namespaces, without a socket."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.unit.rpc.scripted_node import CLIENT_VERSION, PAYLOAD, Served
from trinode.jsonrpc.requests import Limits
from trinode.protocol.keccak import keccak256
from trinode.protocol.payload import PayloadEnvelope
from trinode.rpc.dispatch import Dispatcher, Namespace
from trinode.rpc.net import NetNamespace
from trinode.rpc.web3 import Web3Namespace

HASH = "0x" + "5a" * 32


async def test_net_and_web3() -> None:
    served = Served()
    assert await served.call("net_version") == "901"
    assert await served.call("net_listening") is True
    assert await served.call("net_peerCount") == "0x3"
    assert await served.call("web3_clientVersion") == CLIENT_VERSION
    assert await served.call("web3_sha3", "0x68656c6c6f") == "0x" + keccak256(b"hello").hex()
    assert await served.call("web3_sha3", "0x123") == {"code": -32602, "message": "invalid argument 0: '0x123' is not hex, two digits a byte"}
    assert await served.call("net_version", 1) == {"code": -32602, "message": "too many arguments, want at most 0"}


async def test_admin() -> None:
    served = Served()
    assert await served.call("admin_resetDerivationPipeline") is None
    assert await served.call("admin_startSequencer", HASH) is None
    assert await served.call("admin_stopSequencer") == "0x" + "07" * 32
    assert await served.call("admin_sequencerActive") is False
    assert await served.call("admin_postUnsafePayload", {"executionPayload": {}, "parentBeaconBlockRoot": HASH}) is None
    assert await served.call("admin_overrideLeader") is None
    assert await served.call("admin_conductorEnabled") is True
    assert await served.call("admin_setRecoverMode", True) is None
    assert await served.call("admin_setLogLevel", "debug") is None
    head = bytes.fromhex(HASH[2:])
    posted = ("post", PayloadEnvelope(PAYLOAD, head))
    expected = [("reset",), ("start", head), ("stop",), ("active",), posted, ("override",), ("conductor",), ("recover", True), ("level", "debug")]
    assert served.admin.asked == expected


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("admin_startSequencer", [], "missing value for required argument 0"),
        ("admin_startSequencer", [None], "missing value for required argument 0"),
        ("admin_startSequencer", ["0x12"], "invalid argument 0: 1 bytes, not 32"),
        ("admin_setRecoverMode", ["yes"], "invalid argument 0: true or false was expected, not 'yes'"),
        ("admin_setLogLevel", [5], "invalid argument 0: a string was expected, not 5"),
        ("admin_postUnsafePayload", [7], "invalid argument 0: an object was expected, not 7"),
        ("admin_postUnsafePayload", [{}], "invalid argument 0: executionPayload: missing"),
        ("admin_stopSequencer", [1], "too many arguments, want at most 0"),
    ],
)
async def test_admin_refuses_what_it_cannot_read(method: str, params: list[Any], message: str) -> None:
    served = Served()
    assert await served.call(method, *params) == {"code": -32602, "message": message}
    assert served.admin.asked == []


async def test_what_the_node_refuses_has_its_reason() -> None:
    served = Served()
    served.admin.refusal = "no sequencer here"
    params: dict[str, list[Any]] = {"admin_startSequencer": [HASH], "admin_setRecoverMode": [False], "admin_setLogLevel": ["info"]}
    params["admin_postUnsafePayload"] = [{"executionPayload": {}, "parentBeaconBlockRoot": HASH}]
    methods = [name for name in served.dispatcher.methods if name.startswith("admin_")]
    assert len(methods) == 9
    for name in methods:
        assert await served.call(name, *params.get(name, [])) == {"code": -32000, "message": "no sequencer here"}


async def test_only_what_is_exposed_is_there() -> None:
    namespaces: list[Namespace] = [NetNamespace(901, lambda: 0), Web3Namespace(CLIENT_VERSION)]
    dispatcher = Dispatcher(namespaces, ["net"])
    assert sorted(dispatcher.methods) == ["net_listening", "net_peerCount", "net_version", "rpc.discover", "rpc_modules"]
    with pytest.raises(ValueError, match="no RPC namespace debug, personal; there are net, web3"):
        Dispatcher(namespaces, ["net", "personal", "debug"])


def call(method: str, id: int, *params: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": list(params)}


async def test_a_batch_is_bounded() -> None:
    served = Served(Limits(batch=3, batch_response_bytes=1000))
    answered = msgspec.json.decode(await served.dispatcher.answer(msgspec.json.encode([call("net_version", 1)] * 4)))
    assert answered["error"] == {"code": -32600, "message": "batch too large"}
    batch = [call("test_large", 1, 700), call("test_large", 2, 700), call("net_version", 3)]
    first, second, third = msgspec.json.decode(await served.dispatcher.answer(msgspec.json.encode(batch)))
    assert (len(first["result"]), len(second["result"])) == (700, 700)
    assert third == {"jsonrpc": "2.0", "id": 3, "error": {"code": -32003, "message": "response too large"}}
    odd = [call("test_large", 1, 2000), 5, {"jsonrpc": "2.0", "method": "net_version"}]
    first, second = msgspec.json.decode(await served.dispatcher.answer(msgspec.json.encode(odd)))
    assert (len(first["result"]), second["error"]["code"]) == (2000, -32600)


async def test_a_batch_ends_in_time(autojump_clock: MockClock) -> None:
    served = Served(Limits(seconds=10.0))
    batch = [call("net_version", 1), call("test_wait", 2), call("test_wait", 3)]
    first, *others = msgspec.json.decode(await served.dispatcher.answer(msgspec.json.encode(batch)))
    assert first["result"] == "901"
    assert [each["error"] for each in others] == [{"code": -32002, "message": "request timed out"}] * 2
    assert trio.current_time() < 15


async def test_a_crash_is_answered_and_logged(capsys: pytest.CaptureFixture[str]) -> None:
    served = Served()
    assert await served.call("test_crash") == {"code": -32603, "message": "method handler crashed"}
    logged = capsys.readouterr().out
    assert "test_crash" in logged
    assert "ZeroDivisionError" in logged


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text("0x1a\u20ac"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["executionPayload", "parentBeaconBlockRoot", "id"]), inner),
    max_leaves=10,
)
METHODS = ["admin_startSequencer", "admin_postUnsafePayload", "admin_setLogLevel", "web3_sha3", "net_version", "rpc.discover", "rpc_modules"]


@given(st.sampled_from(METHODS), st.lists(JSON, max_size=3) | JSON, JSON)
def test_any_request_is_answered(method: str, params: Any, identifier: Any) -> None:
    request = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
    response = msgspec.json.decode(trio.run(Served().dispatcher.answer, msgspec.json.encode(request)))
    assert ("error" in response) != ("result" in response)
    assert "error" not in response or response["error"]["code"] in (-32600, -32602)
