"""Whatever parameters come, there is a result or an error of JSON-RPC's; and every method is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rpc.eth.eth_chain import NEVER, EthChain, data
from trinode.jsonrpc.fields import InvalidParams
from trinode.jsonrpc.requests import RpcError
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace

METHODS = [
    "accounts",
    "baseFee",
    "blobBaseFee",
    "blockNumber",
    "call",
    "chainId",
    "config",
    "createAccessList",
    "estimateGas",
    "feeHistory",
    "gasPrice",
    "getBalance",
    "getBlockByHash",
    "getBlockByNumber",
    "getBlockReceipts",
    "getBlockTransactionCountByHash",
    "getBlockTransactionCountByNumber",
    "getCode",
    "getHeaderByHash",
    "getHeaderByNumber",
    "getLogs",
    "getProof",
    "getRawTransactionByBlockHashAndIndex",
    "getRawTransactionByBlockNumberAndIndex",
    "getRawTransactionByHash",
    "getStorageAt",
    "getStorageValues",
    "getTransactionByBlockHashAndIndex",
    "getTransactionByBlockNumberAndIndex",
    "getTransactionByHash",
    "getTransactionCount",
    "getTransactionReceipt",
    "getUncleByBlockHashAndIndex",
    "getUncleByBlockNumberAndIndex",
    "getUncleCountByBlockHash",
    "getUncleCountByBlockNumber",
    "maxPriorityFeePerGas",
    "pendingTransactions",
    "sendRawTransaction",
    "sendRawTransactionConditional",
    "sendRawTransactionSync",
    "simulateV1",
    "syncing",
]
FIELDS = ["from", "to", "gas", "gasPrice", "maxFeePerGas", "value", "data", "input", "accessList", "address", "topics", "fromBlock", "toBlock"]
FIELDS += ["blockHash", "blockNumber", "code", "state", "stateDiff", "storageKeys", "authorizationList", "requireCanonical", "time", "number"]

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "0x", "0x0", "0x1", "0x2", "latest", "safe", "pending", "earliest", NEVER, "0x" + 20 * "05", "0x" + 70 * "f", "\ud7ff"]),
    st.text(max_size=4),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*FIELDS, NEVER, "0x" + 20 * "05"]), inner, max_size=4)),
    max_leaves=8,
)


class Heads:
    """That never move."""

    async def next_head(self) -> None:
        await trio.sleep_forever()


def whole(chain: EthChain) -> EthNamespace:
    """With the methods that not every node serves."""
    limits = EthLimits(gas_cap=1_000_000)
    return EthNamespace(chain.tree.config, chain.store, progress=lambda: None, limits=limits, heads=Heads(), conditional=True)


def test_all_methods_are_there(chain: EthChain) -> None:
    assert sorted(whole(chain).methods) == [f"eth_{name}" for name in METHODS]


@pytest.fixture(scope="module")
def any_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EthChain]:
    chain = EthChain(tmp_path_factory.mktemp("any") / "store")
    with chain.store:
        chain.extend(2)
        yield chain


@given(method=st.sampled_from(METHODS), params=st.lists(values, max_size=4))
def test_any_parameters(any_chain: EthChain, method: str, params: list[Any]) -> None:
    async def ask() -> None:
        try:
            msgspec.json.encode(await whole(any_chain).methods[f"eth_{method}"](params))
        except (RpcError, InvalidParams):
            return

    trio.run(ask)


async def test_a_closed_store_is_an_error(chain: EthChain) -> None:
    eth = chain.eth()
    chain.store.close()
    error = await eth.error("getBalance", data(bytes(20)))
    assert "the store is closed" in error["message"]
