"""A Legacy Geth that is slow, broken, lying or gone: callers are told so, in time and by name."""

from __future__ import annotations

import pytest
import trio

from tests.unit.rpc.historical.bedrock_chain import LAST_LEGACY, NEVER, SOON, BedrockChain, client_of, client_over
from tests.unit.rpc.historical.legacy_geth import BEDROCK, HOLDER, LegacyGeth
from trinode.jsonrpc.requests import RpcError
from trinode.rollup.chains import chain_by_name
from trinode.rpc.historical.legacy import Legacy, open_legacy
from trinode.rpc.historical.start import WrongHistoryError, check_has_history, check_legacy

ASKED = ("eth_getBalance", HOLDER, "0x7")


async def test_its_own_errors_are_passed_on(chain: BedrockChain, server: LegacyGeth) -> None:
    async with client_over(chain, server) as client:
        error = {"code": 3, "message": "execution reverted: no data", "data": "0x08c379a0"}
        assert await client("eth_call", {"to": HOLDER}, "0x7") == error
        too_many = {"code": -32602, "message": "too many arguments, want at most 3"}
        assert await client("eth_call", {"to": HOLDER}, "0x7", {}, {}) == too_many
        missing = await client("eth_createAccessList", {"to": HOLDER}, "0x7")
        assert missing["code"] == -32601
        assert missing["message"].startswith("historical backend error: Legacy Geth http://127.0.0.1:")
        assert "secret-key" not in missing["message"]
        assert server.posts == 3  # none of them was asked twice
        server.status = 400  # some providers say with a status what others say with 200
        assert await client("eth_call", {"to": HOLDER}, "0x7") == error


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<html>", 200, "the reply is not JSON"),
        (b"[]", 200, "an object was expected"),
        (b"{}", 200, "reply.result: missing"),
        (b'{"jsonrpc":"2.0","id":999,"result":"0x1"}', 200, "reply.id: 999, not 1"),
        (b'{"jsonrpc":"2.0","id":1,"error":"no"}', 200, "an object with code and message was expected"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":429,"message":"slow down"}}', 200, "error 429: slow down, 3 times"),
        (b"no key", 403, "HTTP 403"),
        (b"", 503, "HTTP 503, 3 times"),
    ],
)
async def test_nonsense_is_named(chain: BedrockChain, server: LegacyGeth, body: bytes, status: int, words: str) -> None:
    server.body, server.status = body, status
    async with open_legacy(server.url, seconds=5.0, retries=SOON) as legacy:
        error = await client_of(chain, legacy)(*ASKED)
        assert error["code"] == -32000
        assert error["message"].startswith("historical backend error: Legacy Geth http://127.0.0.1:")
        assert words in error["message"]
        assert "secret-key" not in error["message"]
        assert (legacy.health.state, legacy.health.failures) == ("failing", 1)
        assert legacy.health.last_error is not None and words in legacy.health.last_error


async def test_what_passes_is_tried_again(chain: BedrockChain, server: LegacyGeth) -> None:
    async with open_legacy(server.url, seconds=5.0, retries=SOON) as legacy:
        client = client_of(chain, legacy)
        assert legacy.health.state == "unknown"
        server.status, server.spoiled = 503, 2
        assert await client(*ASKED) == "0x3ef"
        assert server.posts == 3
        server.status, server.cut, server.spoiled = 200, True, 1
        assert await client(*ASKED) == "0x3ef"
        server.status, server.cut, server.spoiled = 503, False, 3
        assert "HTTP 503" in (await client(*ASKED))["message"]
        assert legacy.health.state == "failing"
        assert await client(*ASKED) == "0x3ef"
        shown = legacy.health.to_json()
        assert (shown["state"], shown["answers"], shown["failures"]) == ("ok", 3, 1)
        assert shown["lastError"].endswith("eth_getBalance: HTTP 503, 3 times")
        assert shown["lastFailure"] <= shown["lastAnswer"]


async def test_a_slow_one_is_given_up_in_time(chain: BedrockChain, server: LegacyGeth) -> None:
    server.delay = 0.5
    async with client_over(chain, server, seconds=0.2) as client:
        error = await client(*ASKED)
        assert error["code"] == -32000
        assert error["message"].endswith("eth_getBalance: no answer in 0.2 s")
        assert (await client("eth_getBalance", HOLDER, "latest")) == "0x0"  # what is here is not held up


async def test_one_that_is_gone(chain: BedrockChain) -> None:
    with LegacyGeth() as server:
        url = server.url
    async with open_legacy(url, seconds=5.0, retries=SOON) as legacy:
        client = client_of(chain, legacy)
        assert "no connection" in (await client(*ASKED))["message"]
        # It might have them, so null would be a guess.
        assert "no connection" in (await client("eth_getTransactionReceipt", NEVER))["message"]
        assert (await client("eth_getBlockByNumber", "latest", False))["number"] == hex(BEDROCK + 3)
        line = await check_legacy(legacy, chain.tree.config, LAST_LEGACY)
        assert line is not None and line.startswith("rollup.historicalrpc: not checked: historical backend error: Legacy Geth http://127.0.0.1:")


async def test_too_many_at_once_are_refused(chain: BedrockChain, server: LegacyGeth) -> None:
    server.delay = 0.2
    codes: list[int | None] = []
    async with open_legacy(server.url, seconds=5.0, retries=SOON) as open_one:
        legacy = Legacy(open_one.endpoint, seconds=5.0, waiting=4)

        async def ask() -> None:
            try:
                await legacy.forward("eth_chainId", [])
                codes.append(None)
            except RpcError as error:
                codes.append(error.code)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(ask)
    assert sorted(code or 0 for code in codes) == [-32005] * 6 + [0] * 4


async def test_a_client_that_goes_ends_the_request(chain: BedrockChain, server: LegacyGeth) -> None:
    server.delay = 0.5
    async with open_legacy(server.url, seconds=5.0, retries=SOON) as legacy:
        with trio.move_on_after(0.1) as scope:
            await legacy.forward("eth_chainId", [])
        assert scope.cancelled_caught
        assert (legacy.health.state, legacy.health.failures) == ("unknown", 0)


async def test_the_check_at_the_start(chain: BedrockChain, server: LegacyGeth) -> None:
    config = chain.tree.config
    check_has_history(config)
    with pytest.raises(ValueError, match=r"^rollup.historicalrpc: chain 11155420 has no history before Bedrock"):
        check_has_history(chain_by_name("op-sepolia"))
    check_has_history(chain_by_name("op-mainnet"))
    async with open_legacy(server.url, seconds=5.0, retries=SOON) as legacy:
        assert await check_legacy(legacy, config, LAST_LEGACY) is None
        assert await check_legacy(legacy, config, None) is None
        with pytest.raises(WrongHistoryError, match=r"has block 0x.* as block 19, before Bedrock comes 0x1212"):
            await check_legacy(legacy, config, bytes.fromhex(NEVER[2:]))
        server.changed = {"eth_getBlockByNumber": lambda params: None}
        with pytest.raises(WrongHistoryError, match="lacks block 19, the last one before Bedrock"):
            await check_legacy(legacy, config, LAST_LEGACY)
        server.changed = {"eth_chainId": lambda params: "0xa"}
        with pytest.raises(WrongHistoryError, match="is of chain 10, not 901"):
            await check_legacy(legacy, config, LAST_LEGACY)
