"""The Engine API as op-node and op-geth spoke it, in every fork: our codec, server and client against whole recorded exchanges."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from harness.execution.chain_files import read_chain_file
from harness.execution.run import genesis_of
from tests.shared import shared
from tests.unit.engine.api.eth_methods import EthMethods
from tests.unit.engine.api.scripted_engine import ScriptedEngine
from trinode.engine.api import codec
from trinode.engine.api.client import ExternalEngine, read_header
from trinode.engine.api.endpoint import EngineEndpoint
from trinode.engine.api.engine_methods import ClientVersion, EngineMethods
from trinode.engine.api.jwt import check_token
from trinode.engine.api.server import EngineApi
from trinode.engine.api.versions import methods_of
from trinode.engine.core import EngineCore
from trinode.engine.service import EngineService
from trinode.engine.status import ForkchoiceState, InvalidForkchoiceState, PayloadStatus, Status
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.block_object import block_object
from trinode.jsonrpc.requests import answer
from trinode.protocol.block import KnownBlock
from trinode.protocol.header import decode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.payload import PayloadEnvelope, payload_block_hash
from trinode.protocol.rlp_codec import decode_list, encode
from trinode.rollup.config import RollupConfig, parse_rollup_config
from trinode.rollup.fork import Fork
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

Json = dict[str, Any]
SECRET = b"\x11" * 32
CLIENT = ClientVersion("XX", "test", "0", bytes(4))


@pytest.fixture(scope="module")
def goldens() -> Json:
    with gzip.open(shared("recordings/rpc-goldens.json.gz")) as file:
        goldens: Json = msgspec.json.decode(file.read())
    return goldens


@pytest.fixture(scope="module")
def config(goldens: Json) -> RollupConfig:
    (found,) = [each for each in goldens["rpc"] if each["request"] and method_of(each["request"]) == "optimism_rollupConfig"]
    return parse_rollup_config(found["response"]["result"])


def method_of(request: Any) -> str | None:
    return request.get("method") if isinstance(request, dict) else None


def exchanges(goldens: Json) -> Iterator[tuple[Fork, list[Json]]]:
    """Begin, get, execute, adopt: of a first and of a busy block of each fork, by the sequencer and by a verifier."""
    for each in goldens["engine"]:
        if each["who"] != "probe":
            yield Fork[each["era"].upper()], each["exchange"]


def probe(goldens: Json, label: str) -> tuple[Json, Json]:
    (found,) = [each["exchange"][0] for each in goldens["engine"] if each["label"] == label]
    return found["request"], found["response"]


def without_nulls(value: Any) -> Any:
    """Null is as good as missing; op-geth shows both."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def expected_payload(result: Json, method: str) -> Json:
    """op-geth gives the fields of V3 in V2 too."""
    extra = ("blobsBundle", "shouldOverrideBuilder") if method.endswith("V2") else ()
    return {name: value for name, value in without_nulls(result).items() if name not in extra}


def test_there_are_exchanges_of_every_fork(goldens: Json, config: RollupConfig) -> None:
    forks = [fork for fork, _ in exchanges(goldens)]
    assert len(forks) == 40
    assert set(forks) == set(config.fork_times)


def test_what_op_node_asks_is_read_and_written_again(goldens: Json) -> None:
    for fork, (choose, _, execute, adopt) in exchanges(goldens):
        state, attributes = choose["request"]["params"]
        assert codec.encode_forkchoice_state(codec.decode_forkchoice_state(state, "state")) == state
        assert codec.encode_attributes(codec.decode_attributes(attributes, "attributes", fork)) == attributes
        payload = codec.decode_payload(execute["request"]["params"][0], "payload", fork)
        assert codec.encode_payload(payload) == execute["request"]["params"][0]
        root = bytes.fromhex(execute["request"]["params"][2][2:]) if fork >= Fork.ECOTONE else None
        assert payload_block_hash(PayloadEnvelope(payload, root)) == payload.block_hash
        state = adopt["request"]["params"][0]
        assert codec.encode_forkchoice_state(codec.decode_forkchoice_state(state, "state")) == state


def test_what_op_geth_answers_is_read_and_written_again(goldens: Json) -> None:
    for fork, (choose, get, execute, adopt) in exchanges(goldens):
        for each in (choose, adopt):
            result = each["response"]["result"]
            assert codec.encode_forkchoice_result(codec.decode_forkchoice_result(result, "result")) == result
        result, method = get["response"]["result"], get["request"]["method"]
        built = codec.decode_built_payload(result, "result", fork)
        assert without_nulls(codec.encode_built_payload(built, int(method[-1]))) == expected_payload(result, method)
        result = execute["response"]["result"]
        assert codec.encode_payload_status(codec.decode_payload_status(result, "result")) == result


async def serve(engine: ScriptedEngine, config: RollupConfig, request: Json) -> Json:
    methods = EngineMethods(engine, config, CLIENT, lambda signal: None).methods
    response: Json = msgspec.json.decode(await answer(msgspec.json.encode(request), methods))
    return response


async def test_the_server_answers_as_op_geth_does(goldens: Json, config: RollupConfig) -> None:
    for fork, exchange in exchanges(goldens):
        choose, get, execute, adopt = exchange
        built = codec.decode_built_payload(get["response"]["result"], "", fork)
        for each in (choose, adopt):
            engine = ScriptedEngine(result=codec.decode_forkchoice_result(each["response"]["result"], ""))
            assert await serve(engine, config, each["request"]) == each["response"]
        response = await serve(ScriptedEngine(built=built), config, get["request"])
        assert without_nulls(response["result"]) == expected_payload(get["response"]["result"], get["request"]["method"])
        engine = ScriptedEngine(status=codec.decode_payload_status(execute["response"]["result"], ""))
        assert await serve(engine, config, execute["request"]) == execute["response"]
        assert engine.asked == [built.envelope], fork


async def body_of(request: httpx.Request) -> bytes:
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return b"".join([chunk async for chunk in request.stream])


async def test_the_client_asks_as_op_node_does(goldens: Json, config: RollupConfig) -> None:
    for fork, exchange in exchanges(goldens):
        asked: list[Json] = []
        responses = iter([each["response"]["result"] for each in exchange])

        async def handle(request: httpx.Request, asked: list[Json] = asked, responses: Iterator[Any] = responses) -> httpx.Response:
            check_token(request.headers["authorization"].removeprefix("Bearer "), SECRET, 1000.0)
            asked.append(msgspec.json.decode(await body_of(request)))
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": asked[-1]["id"], "result": next(responses)})

        transport = httpx.MockTransport(handle)
        async with EngineEndpoint("http://engine", SECRET, Path("jwt.txt"), clock=lambda: 1000.0, transport=transport) as endpoint:
            client = ExternalEngine(endpoint, config)
            choose, _, _, adopt = (each["request"] for each in exchange)
            state = codec.decode_forkchoice_state(choose["params"][0], "")
            begun = await client.forkchoice_updated(state, codec.decode_attributes(choose["params"][1], "", fork))
            assert begun.payload_id is not None
            built = await client.get_payload(begun.payload_id)
            status = await client.new_payload(built.envelope)
            assert status.latest_valid_hash == built.envelope.payload.block_hash
            await client.forkchoice_updated(codec.decode_forkchoice_state(adopt["params"][0], ""), None)
        assert [each["params"] for each in asked] == [each["request"]["params"] for each in exchange]
        methods = [each["request"]["method"] for each in exchange]
        if fork < Fork.CANYON:  # op-node takes the version of the attributes' fields; V2 takes the same
            methods[0] = methods_of(fork).forkchoice_updated
        assert [each["method"] for each in asked] == methods


@pytest.mark.parametrize(
    "label",
    [
        "getPayload/wrong-version",
        "newPayload/old-version",
        "fcu/unknown-safe",
        "fcu/attributes/eip1559Params",
        "fcu/attributes/gasLimit",
        "fcu/attributes/withdrawals",
        "fcu/attributes/parentBeaconBlockRoot",
        "fcu/attributes/minBaseFee",
        "fcu/attributes/timestamp",
    ],
)
async def test_the_server_refuses_what_op_geth_refuses(goldens: Json, config: RollupConfig, label: str) -> None:
    request, response = probe(goldens, label)
    built = [codec.decode_built_payload(exchange[1]["response"]["result"], "", fork) for fork, exchange in exchanges(goldens)][-1]
    engine = ScriptedEngine(built=built, error=InvalidForkchoiceState("not known") if label == "fcu/unknown-safe" else None)
    answered = (await serve(engine, config, request))["error"]
    assert {"code": answered["code"], "message": answered["message"]} == {name: response["error"][name] for name in ("code", "message")}
    if label.startswith("fcu/attributes/") and not label.endswith("timestamp"):
        assert label.rpartition("/")[2] in answered["data"]["err"]


async def test_the_server_is_asked_who_it_is_as_op_geth_was(goldens: Json, config: RollupConfig) -> None:
    request, response = probe(goldens, "getClientVersion")
    (ours,), (theirs,) = (await serve(ScriptedEngine(), config, request))["result"], response["result"]
    assert {name: type(value) for name, value in ours.items()} == {name: type(value) for name, value in theirs.items()}
    assert len(ours["commit"]) == len(theirs["commit"])
    request, response = probe(goldens, "exchangeCapabilities")
    capabilities = (await serve(ScriptedEngine(), config, request))["result"]
    assert set(capabilities) < set(response["result"])
    assert {method for fork in Fork for method in methods_of(fork)} < set(capabilities)


def raw_blocks(goldens: Json) -> Iterator[KnownBlock]:
    for each in goldens["rpc"]:
        if method_of(each["request"]) == "debug_getRawBlock":
            header, transactions, *_ = decode_list(bytes.fromhex(each["response"]["result"][2:]))
            assert isinstance(transactions, list)
            rlp = encode(header)
            yield KnownBlock(decode_header(rlp), keccak256(rlp), tuple([tx if isinstance(tx, bytes) else encode(tx) for tx in transactions]))


def test_blocks_are_shown_as_op_geth_shows_them(goldens: Json) -> None:
    blocks = {block.hash: block for block in raw_blocks(goldens)}
    compared = 0
    for request, result in shown_blocks(goldens):
        found = read_header(result, "result")
        assert found is not None
        block = blocks.get(found.hash)
        if block is not None:
            compared += 1
            assert found.header == block.header
            assert block_object(block, whole=request["params"][1]) == result
    assert len(blocks) == 10
    assert compared >= 20


def shown_blocks(goldens: Json) -> Iterator[tuple[Json, Json]]:
    """Requests for blocks, and op-geth's results without what stands in receipts."""
    for each in goldens["rpc"]:
        if (method_of(each["request"]) or "").startswith("eth_getBlockBy") and each["response"].get("result"):
            result = each["response"]["result"] | {"transactions": [without_receipt(tx) for tx in each["response"]["result"]["transactions"]]}
            yield each["request"], result


def without_receipt(tx: Any) -> Any:
    if isinstance(tx, str) or tx["type"] != "0x7e":
        return tx
    return {name: value for name, value in tx.items() if name not in ("nonce", "depositReceiptVersion")}


@pytest.mark.parametrize(("count", "shown"), [(75, 20), pytest.param(None, 50, marks=pytest.mark.long)])
async def test_our_engine_behind_our_server_under_our_client_makes_the_recorded_chain(
    goldens: Json, tmp_path: Path, count: int | None, shown: int
) -> None:
    """`shown`: blocks that op-geth was asked for, five of each fork."""
    case = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = genesis_of(case.path, case.genesis, case.config)
    with Store.create(tmp_path / "store", ChainIdentity(case.config.l2_chain_id, genesis.hash), genesis, history=None) as store:
        service = EngineService(EngineCore(store, BlockExecutor(case.config, FastEngine())))
        methods = EngineMethods(service, case.config, CLIENT, lambda signal: None).methods | EthMethods(service, case.config.l2_chain_id).methods
        transport = httpx.ASGITransport(EngineApi(methods, SECRET))
        async with EngineEndpoint("http://engine", SECRET, Path("jwt.txt"), transport=transport) as endpoint:
            client = ExternalEngine(endpoint, case.config)
            await client.check()
            head = (await client.head()).hash
            for block in case.blocks[:count]:
                begun = await client.forkchoice_updated(ForkchoiceState(head, head, genesis.hash), block.attributes)
                assert begun.payload_id is not None
                built = await client.get_payload(begun.payload_id)
                head = built.envelope.payload.block_hash
                assert head == block.hash
                assert await client.new_payload(built.envelope) == PayloadStatus(Status.VALID, head)
                assert (await client.forkchoice_updated(ForkchoiceState(head, head, genesis.hash), None)).payload_status.status is Status.VALID
                found = await client.block(head)
                assert found == await client.block_by_number(built.envelope.payload.block_number)
                assert found is not None and found.transactions == built.envelope.payload.transactions
            compared = 0
            for request, result in shown_blocks(goldens):
                if str(request["params"][0]).startswith("0x") and int(result["number"], 16) <= (count or len(case.blocks)):
                    compared += 1
                    assert await endpoint.call(request["method"], request["params"]) == result
            assert compared == shown
        await service.close()
