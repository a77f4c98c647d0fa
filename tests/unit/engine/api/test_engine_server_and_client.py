"""Our client against our server: in memory, and over loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.unit.engine.api.eth_methods import EthMethods
from tests.unit.engine.api.scripted_engine import ScriptedEngine
from tests.unit.engine.api.small_chain import CONFIG, make_blocks, make_payload
from trinode.engine.api.client import ExternalEngine, UnfitEngine
from trinode.engine.api.endpoint import (
    EngineAnswerError,
    EngineEndpoint,
    EngineRefusedToken,
    EngineRpcError,
    EngineUnavailable,
)
from trinode.engine.api.engine_methods import ClientVersion, EngineMethods
from trinode.engine.api.jwt import make_token
from trinode.engine.api.server import EngineApi
from trinode.engine.status import (
    BuiltPayload,
    ForkchoiceResult,
    ForkchoiceState,
    InvalidForkchoiceState,
    InvalidPayloadAttributes,
    PayloadStatus,
    Status,
    UnknownPayload,
)
from trinode.jsonrpc.server import serve_app
from trinode.protocol.block import KnownHeader
from trinode.protocol.payload import PayloadAttributes

SECRET = b"\x11" * 32
SECRET_FILE = Path("/etc/trinode/jwt.hex")
NOW = 1_700_000_000.0
BLOCKS = make_blocks(4)
ATTRIBUTES = PayloadAttributes(2000, bytes(32), bytes(20), (), bytes(32), (b"\x7e",), True, 30_000_000, bytes(8))
STATE = ForkchoiceState(BLOCKS[3].hash, BLOCKS[2].hash, bytes(32))
Respond = Callable[[str], httpx.Response]


def app_of(engine: ScriptedEngine, chain_id: int = CONFIG.l2_chain_id, **settings: Any) -> EngineApi:
    methods = EngineMethods(engine, CONFIG, ClientVersion("TN", "trinode", "0", bytes(4)), lambda signal: None).methods
    return EngineApi(methods | EthMethods(engine, chain_id).methods, SECRET, clock=lambda: NOW, **settings)


@asynccontextmanager
async def client_of(app: EngineApi, **settings: Any) -> AsyncIterator[ExternalEngine]:
    transport = httpx.ASGITransport(app)
    async with EngineEndpoint("http://engine:8551", SECRET, SECRET_FILE, transport=transport, **{"clock": lambda: NOW, **settings}) as endpoint:
        yield ExternalEngine(endpoint, CONFIG)


@asynccontextmanager
async def client_hearing(respond: Callable[[httpx.Request], Any]) -> AsyncIterator[ExternalEngine]:
    transport = httpx.MockTransport(respond)
    async with EngineEndpoint("http://engine:8551/key?k=v", SECRET, SECRET_FILE, transport=transport) as endpoint:
        yield ExternalEngine(endpoint, CONFIG)


async def test_what_is_asked_and_answered_goes_through_whole() -> None:
    engine = ScriptedEngine(BLOCKS)
    async with client_of(app_of(engine)) as client:
        await client.check()
        envelope = make_payload(4, BLOCKS[3].hash)
        engine.status = PayloadStatus(Status.INVALID, BLOCKS[3].hash, "gas_used: 5, not 7")
        assert await client.new_payload(envelope) == engine.status
        engine.result = ForkchoiceResult(PayloadStatus(Status.VALID, BLOCKS[3].hash), b"\x03" + bytes(7))
        assert await client.forkchoice_updated(STATE, None) == engine.result
        assert await client.forkchoice_updated(STATE, ATTRIBUTES) == engine.result
        engine.built = BuiltPayload(envelope, 12345)
        assert await client.get_payload(b"\x03" + bytes(7)) == engine.built
        assert engine.asked == [envelope, (STATE, None), (STATE, ATTRIBUTES), b"\x03" + bytes(7)]


async def test_blocks_go_through_whole() -> None:
    async with client_of(app_of(ScriptedEngine(BLOCKS))) as client:
        assert await client.head() == KnownHeader(*BLOCKS[3][:2])
        assert await client.safe() == KnownHeader(*BLOCKS[2][:2])
        assert await client.finalized() is None
        assert await client.block(BLOCKS[1].hash) == BLOCKS[1]
        assert await client.block_by_number(2) == BLOCKS[2]
        assert await client.block(bytes(32)) is None
        assert await client.block_by_number(4) is None


@pytest.mark.parametrize("error", [InvalidForkchoiceState("safe: no ancestor"), InvalidPayloadAttributes("timestamp: 5")])
async def test_the_engine_s_errors_come_back_as_they_were(error: Exception) -> None:
    async with client_of(app_of(ScriptedEngine(error=error))) as client:
        with pytest.raises(type(error), match=str(error)):
            await client.forkchoice_updated(STATE, ATTRIBUTES)


async def test_an_engine_that_lost_a_state_does_not_call_the_attributes_invalid() -> None:
    error = InvalidPayloadAttributes("missing trie node 0afd4ace (path ) state 0x0afd4ace is not available")
    async with client_of(app_of(ScriptedEngine(error=error))) as client:
        with pytest.raises(EngineAnswerError, match=r"it has lost a state: missing trie node 0afd4ace .* Start it again"):
            await client.forkchoice_updated(STATE, ATTRIBUTES)


async def test_an_unknown_payload() -> None:
    engine = ScriptedEngine(result=ForkchoiceResult(PayloadStatus(Status.VALID, STATE.head), bytes(8)))
    async with client_of(app_of(engine)) as client:
        with pytest.raises(UnknownPayload, match="was begun at engine http://engine:8551"):
            await client.get_payload(bytes(8))
        await client.forkchoice_updated(STATE, ATTRIBUTES)
        with pytest.raises(UnknownPayload, match="Unknown payload"):
            await client.get_payload(bytes(8))


async def test_another_secret_names_our_file() -> None:
    async with client_of(app_of(ScriptedEngine(BLOCKS)), clock=lambda: NOW - 100) as client:
        with pytest.raises(EngineRefusedToken, match=r"401: issued 100 s ago.*jwt\.hex must hold the same JWT secret") as caught:
            await client.check()
        assert str(caught.value).startswith("engine http://engine:8551: engine_exchangeCapabilities: ")


async def test_an_engine_that_is_too_old_or_of_another_chain_is_unfit() -> None:
    old = b'{"id":1,"result":["engine_forkchoiceUpdatedV1","engine_newPayloadV1"]}'
    async with client_hearing(lambda request: httpx.Response(200, content=old)) as client:
        with pytest.raises(UnfitEngine, match=r"does not have engine_forkchoiceUpdatedV2, .*, engine_newPayloadV3, which"):
            await client.check()
    async with client_of(app_of(ScriptedEngine(BLOCKS), chain_id=10)) as client:
        with pytest.raises(UnfitEngine, match="its chain is 10, not 901"):
            await client.check()
    async with client_of(app_of(ScriptedEngine(make_blocks(5)[1:]))) as client:
        with pytest.raises(UnfitEngine, match=f"its block 0 is 0x{BLOCKS[1].hash.hex()}, not 0x{BLOCKS[0].hash.hex()}"):
            await client.check()


async def test_a_proof_is_asked_for_by_the_blocks_hash() -> None:
    asked = []

    async def respond(request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        call = msgspec.json.decode(b"".join([chunk async for chunk in request.stream]))
        asked.append((call["method"], call["params"]))
        return httpx.Response(200, json={"id": call["id"], "result": {"accountProof": ["0xc0", "0x01ff"], "storageProof": []}})

    async with client_hearing(respond) as client:
        assert await client.account_proof(b"\x42" * 20, BLOCKS[1].hash) == (b"\xc0", b"\x01\xff")
    assert asked == [("eth_getProof", ["0x" + "42" * 20, [], "0x" + BLOCKS[1].hash.hex()])]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "not JSON"),
        (b"[]", "not an object"),
        (b'{"id":1}', "no result"),
        (b'{"id":2,"result":null}', "another id"),
        (b'{"id":1,"error":5}', "without a code"),
        (b'{"id":1,"result":{"status":"GREAT"}}', r"result\.status: 'GREAT' is no status"),
        (b'{"id":1,"result":{"status":{}}}', r"result\.status: an object is no status"),
        (b'{"id":1,"result":{"status":"VALID","latestValidHash":"0x12"}}', r"result\.latestValidHash: 1 bytes, not 32"),
        (b'{"id":1,"result":{"status":"VALID","validationError":7}}', r"result\.validationError: a string"),
    ],
)
async def test_a_wrong_answer_is_named(content: bytes, problem: str) -> None:
    async with client_hearing(lambda request: httpx.Response(200, content=content)) as client:
        with pytest.raises(EngineAnswerError, match=f"^engine http://engine:8551: engine_newPayloadV3: .*{problem}"):
            await client.new_payload(make_payload(1, bytes(32)))


async def test_a_block_that_is_another_one_is_no_answer() -> None:
    class Liar(ScriptedEngine):
        async def block(self, block_hash: bytes) -> Any:
            found = BLOCKS[1]
            return found if block_hash != found.hash else found._replace(transactions=BLOCKS[2].transactions)

    async with client_of(app_of(Liar(BLOCKS))) as client:
        with pytest.raises(EngineAnswerError, match=r"eth_getBlockByHash: .* came for"):
            await client.block(BLOCKS[2].hash)
        with pytest.raises(EngineAnswerError, match="not the transactions of block"):
            await client.block(BLOCKS[1].hash)


async def test_an_error_of_the_engine_has_its_words() -> None:
    error = b'{"id":1,"error":{"code":-38005,"message":"Unsupported fork","data":{"err":"too early"}}}'
    async with client_hearing(lambda request: httpx.Response(200, content=error)) as client:
        with pytest.raises(EngineRpcError, match=r"Unsupported fork \(-38005\): too early") as caught:
            await client.new_payload(make_payload(1, bytes(32)))
        assert caught.value.code == -38005


async def test_an_engine_without_a_safe_block() -> None:
    error = b'{"id":1,"error":{"code":-39001,"message":"safe block not found"}}'
    async with client_hearing(lambda request: httpx.Response(200, content=error)) as client:
        assert await client.safe() is None
        with pytest.raises(EngineRpcError, match="safe block not found"):
            await client.head()


async def test_an_engine_that_is_not_there(autojump_clock: MockClock) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    async def hang(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    for respond, problem in ((refuse, "no connection: connection refused"), (hang, "no answer within 10 s")):
        async with client_hearing(respond) as client:
            with pytest.raises(EngineUnavailable, match=f"^engine http://engine:8551: eth_getBlockByNumber: {problem}"):
                await client.head()
    async with client_hearing(lambda request: httpx.Response(503, content=b"starting")) as client:
        with pytest.raises(EngineUnavailable, match=r"HTTP 503 starting$"):
            await client.head()
    async with client_hearing(lambda request: httpx.Response(403, content=b"invalid host specified\n")) as client:
        with pytest.raises(EngineUnavailable, match=r"HTTP 403 invalid host specified.*vhosts"):
            await client.head()


async def raw(app: EngineApi, method: str = "POST", body: bytes = b"{}", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        return await client.request(method, "http://engine", content=body, headers=headers)


async def test_http_statuses() -> None:
    app = app_of(ScriptedEngine(BLOCKS), max_body=100)
    good = f"Bearer {make_token(SECRET, NOW)}"
    assert (await raw(app, authorization=good)).status_code == 200
    assert (await raw(app, "GET", authorization=good)).status_code == 405
    response = await raw(app)
    assert (response.status_code, "no token" in response.text) == (401, True)
    response = await raw(app, authorization=f"Bearer {make_token(bytes(32), NOW)}")
    assert (response.status_code, "same JWT secret file" in response.text) == (401, True)
    assert (await raw(app, body=b" " * 100, authorization=good)).status_code == 200
    assert (await raw(app, body=b" " * 101, authorization=good)).status_code == 413


async def test_a_body_without_a_length_is_bounded_too() -> None:
    sent: list[dict[str, Any]] = []
    app = app_of(ScriptedEngine(BLOCKS), max_body=100)
    scope = {"type": "http", "method": "POST", "headers": [(b"Authorization", f"Bearer {make_token(SECRET, NOW)}".encode())]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b" " * 60, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 413

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    await app(scope, gone, send)
    assert len(sent) == 2
    await app({"type": "websocket"}, gone, send)
    assert sent[2]["type"] == "websocket.close"


async def test_over_loopback_and_until_cancelled(capfd: pytest.CaptureFixture[str]) -> None:
    engine = ScriptedEngine(BLOCKS)
    async with trio.open_nursery() as nursery:
        app = app_of(engine)
        (address,) = await nursery.start(lambda task_status: serve_app(app, "127.0.0.1", 0, task_status=task_status))
        async with EngineEndpoint(address, SECRET, SECRET_FILE, clock=lambda: NOW) as endpoint:
            client = ExternalEngine(endpoint, CONFIG)
            await client.check()
            assert await client.block_by_number(3) == BLOCKS[3]
            assert (await client.new_payload(make_payload(1, bytes(32)))).status is Status.SYNCING
            nursery.cancel_scope.cancel()
    assert capfd.readouterr() == ("", "")
    async with EngineEndpoint(address, SECRET, SECRET_FILE) as endpoint:
        with pytest.raises(EngineUnavailable, match="Does the engine run"):
            await endpoint.call("eth_chainId", [])


async def test_a_port_that_is_taken() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listeners[0] as listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await serve_app(app_of(ScriptedEngine(BLOCKS)), "127.0.0.1", port)
