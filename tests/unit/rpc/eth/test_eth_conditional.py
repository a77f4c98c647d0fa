"""eth_sendRawTransactionConditional; codes and words as op-geth gave them when it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.engine.block_tree import WRITER
from tests.unit.execution.small_chain import transfer
from tests.unit.rpc.eth.eth_chain import EthChain, data
from trinode.jsonrpc.fields import InvalidParams
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Hash32
from trinode.rpc.eth.namespace import EthNamespace
from trinode.rpc.eth.sending.conditional import Conditions
from trinode.rpc.node import TransactionRefused

RAW = transfer(0, 0)
METHOD = "eth_sendRawTransactionConditional"
NOBODY = "0x" + "77" * 20
WORD = "0x" + "11" * 32


async def keep(raw: bytes, conditions: Conditions) -> Hash32:
    """Takes all."""
    return transaction_hash(raw)


async def send(chain: EthChain, conditions: object) -> Any:
    eth = EthNamespace(chain.tree.config, chain.store, progress=lambda: None, conditional=True, keep=keep)
    return await eth.methods[METHOD]([data(RAW), conditions])


def zeros(count: int) -> dict[str, Any]:
    return {NOBODY: {f"0x{slot:064x}": f"0x{0:064x}" for slot in range(count)}}


async def test_conditions_that_hold(chain: EthChain) -> None:
    chain.extend(2)
    header = chain.blocks[-1].header
    time = header.timestamp
    held: list[dict[str, Any]] = [
        {},
        {"blockNumberMin": "0x2", "blockNumberMax": "0x2"},
        {"timestampMin": hex(time), "timestampMax": time},
        {"knownAccounts": {NOBODY: data(EMPTY_TRIE_ROOT), data(b"\x66" * 20): None, data(WRITER): {}}},
        {"knownAccounts": zeros(999)},
        {"knownAccounts": zeros(998), "blockNumberMin": "0x0", "blockNumberMax": "0x5"},
    ]
    for conditions in held:
        assert await send(chain, conditions) == data(transaction_hash(RAW))


@pytest.mark.parametrize(
    ("conditions", "code", "message"),
    [
        ({"blockNumberMin": "0x3"}, -32003, "failed header check: failed block number minimum constraint"),
        ({"blockNumberMax": "0x1"}, -32003, "failed header check: failed block number maximum constraint"),
        ({"timestampMax": "0x1"}, -32003, "failed header check: failed timestamp maximum constraint"),
        ({"timestampMin": 2**60}, -32003, "failed header check: failed timestamp minimum constraint"),
        (
            {"blockNumberMin": "0x5", "blockNumberMax": "0x1"},
            -32003,
            "failed conditional validation: block number minimum constraint must be less than the maximum",
        ),
        (
            {"timestampMin": "0x5", "timestampMax": "0x1"},
            -32003,
            "failed conditional validation: timestamp minimum constraint must be less than the maximum",
        ),
        (
            {"knownAccounts": {NOBODY: WORD}},
            -32003,
            f"failed state check: failed account storage root constraint. Got {data(EMPTY_TRIE_ROOT)}, Expected {WORD}",
        ),
        (
            {"knownAccounts": {NOBODY: {f"0x{0:064x}": WORD}}},
            -32003,
            f"failed state check: failed account storage slot key 0x{0:064x} constraint. Got 0x{0:064x}, Expected {WORD}",
        ),
        ({"knownAccounts": zeros(1000)}, -32005, "conditional cost, 1001, exceeded max: 1000"),
        ({"knownAccounts": zeros(999), "blockNumberMin": "0x0"}, -32005, "conditional cost, 1001, exceeded max: 1000"),
        (
            {"knownAccounts": zeros(998), "blockNumberMin": "0x0", "timestampMin": "0x0"},
            -32005,
            "conditional cost, 1001, exceeded max: 1000",
        ),
    ],
)
async def test_conditions_that_do_not(chain: EthChain, conditions: dict[str, Any], code: int, message: str) -> None:
    chain.extend(2)
    with pytest.raises(RpcError) as caught:
        await send(chain, conditions)
    assert caught.value.to_json() == {"code": code, "message": message}


async def test_what_the_last_block_has_brought_about_does_not_count_yet(chain: EthChain) -> None:
    chain.extend(2)
    proof = await chain.eth()("getProof", data(WRITER), [], "latest")
    with pytest.raises(RpcError, match="failed account storage root constraint"):
        await send(chain, {"knownAccounts": {data(WRITER): proof["storageHash"]}})


@pytest.mark.parametrize(
    "conditions",
    [{"knownAccounts": {"0x11": WORD}}, {"knownAccounts": {NOBODY: 5}}, {"knownAccounts": {NOBODY: {"0x0": WORD}}}, {"timestampMin": -1}, 7],
)
async def test_what_is_no_condition(chain: EthChain, conditions: object) -> None:
    with pytest.raises(InvalidParams):
        await send(chain, conditions)


async def test_it_is_served_where_it_is_asked_for_alone(chain: EthChain) -> None:
    assert METHOD not in chain.eth().namespace.methods


async def test_who_takes_no_transactions_says_so(chain: EthChain) -> None:
    eth = EthNamespace(chain.tree.config, chain.store, progress=lambda: None, conditional=True)
    with pytest.raises(RpcError, match="takes no transactions"):
        await eth.methods[METHOD]([data(RAW), {}])


async def test_a_sequencer_elsewhere_is_given_the_conditions_as_they_are(chain: EthChain) -> None:
    asked: list[Mapping[str, Any]] = []

    async def forward(raw: bytes, conditions: Mapping[str, Any]) -> Hash32:
        asked.append(conditions)
        if "blockNumberMin" in conditions:
            raise TransactionRefused(-32003, "failed header check: too early")
        return transaction_hash(raw)

    eth = EthNamespace(chain.tree.config, chain.store, progress=lambda: None, conditional=True, forward=forward)
    odd = {"knownAccounts": {NOBODY: WORD}, "paysCoinbase": "0x1"}
    assert await eth.methods[METHOD]([data(RAW), odd]) == data(transaction_hash(RAW))
    assert asked == [odd]
    with pytest.raises(RpcError, match="too early"):
        await eth.methods[METHOD]([data(RAW), {"blockNumberMin": "0x5"}])
