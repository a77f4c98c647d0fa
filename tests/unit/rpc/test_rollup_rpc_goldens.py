"""`optimism_` and the errors of requests: as op-node and op-geth answered them on the recorded devnet."""

from __future__ import annotations

import gzip
from dataclasses import fields
from typing import Any

import msgspec
import pytest

from tests.shared import shared
from tests.unit.rpc.scripted_node import CLIENT_VERSION, ScriptedAdmin, ScriptedRollup, decode_payload, l1_ref
from trinode.jsonrpc.declared import Declared, declare
from trinode.jsonrpc.kinds import QUANTITY_RESULT
from trinode.protocol.output_root import output_root
from trinode.protocol.types import BlockId
from trinode.rollup.config import parse_rollup_config
from trinode.rollup.l2_block import L2BlockRef
from trinode.rpc.admin import AdminNamespace
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.net import NetNamespace
from trinode.rpc.node import OutputAtBlock, SyncStatus
from trinode.rpc.optimism import OptimismNamespace
from trinode.rpc.web3 import Web3Namespace

Golden = dict[str, Any]
OURS = {"optimism_version"}  # each program names itself
OTHERS = {"optimism_dependencySet"}  # interop is not here
# Go's words for the same problem: the code is the same.
IN_OTHER_WORDS = {"outputAtBlock/future": -32000, "outputAtBlock/bad-param": -32602}


@pytest.fixture(scope="module")
def goldens() -> list[Golden]:
    with gzip.open(shared("recordings/rpc-goldens.json.gz")) as file:
        found: list[Golden] = msgspec.json.decode(file.read())["rpc"]
        return found


def unhex(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def block_id(value: Golden) -> BlockId:
    return BlockId(value["number"], unhex(value["hash"]))


def l2_ref(value: Golden) -> L2BlockRef:
    parent, origin = unhex(value["parentHash"]), block_id(value["l1origin"])
    return L2BlockRef(unhex(value["hash"]), value["number"], parent, value["timestamp"], origin, value["sequenceNumber"])


def sync_status(value: Golden) -> SyncStatus:
    names = [field.name for field in fields(SyncStatus)]
    refs: dict[str, Any] = {name: l1_ref(value[name]) if "l1" in name else l2_ref(value[name]) for name in names}
    return SyncStatus(**refs)


def of_method(goldens: list[Golden], method: str) -> list[Any]:
    named = [golden for golden in goldens if isinstance(golden["request"], dict) and golden["request"]["method"] == method]
    return [golden["response"]["result"] for golden in named if "result" in golden["response"]]


class EthNamespace:
    """The one method that the goldens of requests ask for."""

    name = "eth"

    def __init__(self) -> None:
        self.methods: dict[str, Declared] = {"eth_chainId": declare(self._chain_id, "The chain's number", result=QUANTITY_RESULT)}

    async def _chain_id(self) -> str:
        return "0x385"


@pytest.fixture
def dispatcher(goldens: list[Golden]) -> Dispatcher:
    outputs = {}
    for value in of_method(goldens, "optimism_outputAtBlock"):
        ref, state_root, storage_root = l2_ref(value["blockRef"]), unhex(value["stateRoot"]), unhex(value["withdrawalStorageRoot"])
        outputs[ref.number] = OutputAtBlock(ref, output_root(state_root, storage_root, ref.hash), storage_root, state_root)
    pairs = {(block_id(value["l1Block"]), block_id(value["safeHead"])) for value in of_method(goldens, "optimism_safeHeadAtL1Block")}
    rollup = ScriptedRollup(sync_status(of_method(goldens, "optimism_syncStatus")[0]), outputs, sorted(pairs))
    config = parse_rollup_config(of_method(goldens, "optimism_rollupConfig")[0])
    admin = AdminNamespace(ScriptedAdmin(), decode_payload)
    namespaces = (OptimismNamespace(rollup, config, "v0.1.0"), admin, NetNamespace(901, lambda: 0), Web3Namespace(CLIENT_VERSION), EthNamespace())
    return Dispatcher(namespaces, ["optimism", "admin", "net", "web3", "eth"])


async def test_op_node_s_answers(goldens: list[Golden], dispatcher: Dispatcher) -> None:
    checked = 0
    for golden in goldens:
        if golden["server"] != "op-node" or golden["request"]["method"] in OURS | OTHERS:
            continue
        response = msgspec.json.decode(await dispatcher.answer(msgspec.json.encode(golden["request"])))
        code = IN_OTHER_WORDS.get(golden["name"])
        if code is None:
            assert response == golden["response"], golden["name"]
        else:
            assert response["error"]["code"] == golden["response"]["error"]["code"] == code
        checked += 1
    assert checked == 37


def test_op_node_s_answers_are_as_ours_are_declared(goldens: list[Golden], dispatcher: Dispatcher) -> None:
    from tests.declared_schemas import checked  # noqa: PLC0415 - skips where there is no validator

    compared = 0
    for golden in goldens:
        if golden["server"] == "op-node" and golden["request"]["method"] not in OTHERS and "result" in golden["response"]:
            schemas = checked(dispatcher.methods[golden["request"]["method"]])
            assert schemas.result(golden["response"]["result"]) == [], golden["name"]
            assert schemas.params(golden["request"].get("params") or []) == [], golden["name"]
            compared += 1
    assert compared == 33


async def test_op_geth_s_answers_to_what_is_no_request(goldens: list[Golden], dispatcher: Dispatcher) -> None:
    named = [golden for golden in goldens if isinstance(golden["request"], str)]
    assert len(named) == 8
    for golden in named:
        assert msgspec.json.decode(await dispatcher.answer(golden["request"].encode())) == golden["response"], golden["name"]


async def test_op_geth_s_answers_for_net_and_unknown_methods(goldens: list[Golden], dispatcher: Dispatcher) -> None:
    names = {"net_version", "eth_nothing", "personal_listAccounts"}
    named = [golden for golden in goldens if isinstance(golden["request"], dict) and golden["request"]["method"] in names]
    assert len(named) == 3
    for golden in named:
        assert msgspec.json.decode(await dispatcher.answer(msgspec.json.encode(golden["request"]))) == golden["response"]


async def test_before_anything_is_known(goldens: list[Golden]) -> None:
    config = parse_rollup_config(of_method(goldens, "optimism_rollupConfig")[0])
    optimism = OptimismNamespace(ScriptedRollup(SyncStatus(), {}, []), config, "v0.1.0")
    status = await optimism.methods["optimism_syncStatus"]([])
    zero = "0x" + "00" * 32
    l1_zero = {"hash": zero, "number": 0, "parentHash": zero, "timestamp": 0}
    l2_zero = l1_zero | {"l1origin": {"hash": zero, "number": 0}, "sequenceNumber": 0}
    assert len(status) == 10
    assert all(value == (l1_zero if "l1" in name else l2_zero) for name, value in status.items())
    dispatcher = Dispatcher([optimism], ["optimism"])
    body = b'{"jsonrpc":"2.0","id":1,"method":"optimism_safeHeadAtL1Block","params":["0x1"]}'
    assert msgspec.json.decode(await dispatcher.answer(body))["error"] == {"code": -32000, "message": "safe heads are not kept here"}
    assert await optimism.methods["optimism_version"]([]) == "v0.1.0"

