"""eth_getLogs: which logs match, and how much may be asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.execution.small_chain import CHAIN_ID, KEYS
from tests.unit.rpc.eth.eth_chain import NEVER, EthChain, data, hash_at
from trinode.jsonrpc.fields import InvalidParams, JsonFields
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import DynamicFeeTransaction, encode_transaction, sign_transaction
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.log_filter import LogFilter, parse_log_filter

A, B, C = (bytes([number]) * 32 for number in (1, 2, 3))
HERE, THERE = b"\x0a" * 20, b"\x0b" * 20


def creation(nonce: int, *topics: int) -> bytes:
    """A creation whose initcode logs twice, with these topics."""
    log = b"".join(b"\x60" + bytes([topic]) for topic in reversed(topics)) + bytes([0x60, 4, 0x5F, 0xA0 + len(topics)])
    unsigned = DynamicFeeTransaction(CHAIN_ID, nonce, 1, 2_000, 200_000, None, 0, log + log + b"\x00")
    return encode_transaction(sign_transaction(unsigned, KEYS[0]))


def parsed(**fields: Any) -> LogFilter:
    return parse_log_filter(JsonFields(fields, "params[0]"))


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        ([], True),
        ([data(A)], True),
        ([data(B)], False),
        ([None, data(B)], True),
        ([[data(C), data(A)], [data(B)]], True),
        ([[], data(B)], True),
        ([[data(C), None]], True),
        ([data(A), data(B), None], False),
    ],
)
def test_topics_by_place(topics: list[Any], expected: bool) -> None:
    log = Log(HERE, (A, B), b"")
    wanted = parsed(topics=topics)
    assert wanted.matches(log) is expected
    assert wanted.blooms().may_be_in(logs_bloom([log])) or not expected


def test_addresses() -> None:
    log = Log(HERE, (), b"")
    for address, expected in ((data(HERE), True), (data(THERE), False), ([data(THERE), data(HERE)], True), ([], True), (None, True)):
        assert parsed(address=address).matches(log) is expected
        assert parsed(address=address).blooms().may_be_in(logs_bloom([log])) is expected


@pytest.mark.parametrize("fields", [{"topics": [None] * 5}, {"topics": "0x"}, {"topics": ["0x12"]}, {"address": "0x12"}, {"address": [1]}])
def test_what_is_no_filter(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams):
        parsed(**fields)


async def test_logs_are_those_of_the_receipts(chain: EthChain) -> None:
    for nonce in range(6):
        chain.add(creation(nonce, *range(nonce % 3 + 1)))
    eth = chain.eth()
    in_receipts = [log for number in range(7) for receipt in await eth("getBlockReceipts", hex(number)) for log in receipt["logs"]]
    assert len(in_receipts) == 12
    assert [log["logIndex"] for log in in_receipts[:4]] == ["0x0", "0x1", "0x0", "0x1"]
    assert await eth("getLogs", {"fromBlock": "earliest"}) == in_receipts
    assert await eth("getLogs", {"fromBlock": "0x2", "toBlock": "0x3"}) == in_receipts[2:6]
    assert await eth("getLogs", {"fromBlock": "0x2", "toBlock": "latest"}) == in_receipts[2:]
    assert await eth("getLogs", {}) == in_receipts[10:]
    assert await eth("getLogs", {"blockHash": data(hash_at(chain.store, 4))}) == in_receipts[6:8]
    second = [log for log in in_receipts if len(log["topics"]) > 1]
    assert await eth("getLogs", {"fromBlock": "0x0", "topics": [None, f"0x{1:064x}"]}) == second


async def test_too_much_is_refused_with_a_remedy(chain: EthChain) -> None:
    for nonce in range(6):
        chain.add(creation(nonce, 1))
    eth = chain.eth(limits=EthLimits(log_range=5, logs=8))
    assert len(await eth("getLogs", {"fromBlock": "0x1", "toBlock": "0x4"})) == 8
    range_error = await eth.error("getLogs", {"fromBlock": "0x1"})
    assert range_error["code"] == -32005
    assert range_error["message"].startswith("block range too large: 6 blocks are asked for, 5 at once are searched")
    assert "more than 8 logs" in (await eth.error("getLogs", {"fromBlock": "0x2"}))["message"]
    small = chain.eth(limits=EthLimits(log_bytes=1000))
    assert "1000 bytes" in (await small.error("getLogs", {"fromBlock": "0x1"}))["message"]


async def test_errors(chain: EthChain) -> None:
    chain.extend(2)
    eth = chain.eth()
    assert await eth.error("getLogs", {"blockHash": NEVER}) == {"code": -32000, "message": "unknown block"}
    assert (await eth.error("getLogs", {"fromBlock": "0x0", "blockHash": NEVER}))["code"] == -32602
    assert (await eth.error("getLogs", {"toBlock": "finalized"}))["message"] == "finalized block not found"


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("0x2", "0x1", "invalid block range params"),
        ("0x3", "latest", "invalid block range params"),
        ("latest", "0x2", "invalid block range params"),
        ("latest", "0x3", "invalid block range params"),
        ("latest", "earliest", "invalid block range params"),
        ("0x4", "0x3", "invalid block range params"),
        ("0x1", "0x3", "block range extends beyond current head block"),
        ("earliest", "0x3", "block range extends beyond current head block"),
        ("0x3", "0x4", "block range extends beyond current head block"),
        ("0x1", "pending", "pending logs are not supported"),
        ("pending", "0x1", "pending logs are not supported"),
    ],
)
async def test_ranges_that_are_none(chain: EthChain, first: str, last: str, words: str) -> None:
    """As op-geth (on geth 1.17.2) refused them on a chain of its own; `latest` comes after all that is named otherwise."""
    chain.extend(2)
    assert await chain.eth().error("getLogs", {"fromBlock": first, "toBlock": last}) == {"code": -32602, "message": words}
