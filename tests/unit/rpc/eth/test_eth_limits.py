"""Limits that are configured: of eth_getLogs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.rpc.eth.eth_chain import EthChain, data
from trinode.jsonrpc.fields import InvalidParams
from trinode.rpc.discover import openrpc_document
from trinode.rpc.eth.limits import EthLimits

TOPIC, ADDRESS = data(bytes(32)), data(bytes(20))


@pytest.mark.parametrize("most", [2, 1500])
async def test_addresses_and_topics_of_one_search(chain: EthChain, most: int) -> None:
    eth = chain.eth(limits=EthLimits(log_choices=most))
    taken: list[dict[str, Any]] = [{"address": [ADDRESS] * most}, {"topics": [[TOPIC] * most, [TOPIC] * most]}]
    for fields in taken:
        assert await eth("getLogs", fields) == []
    refused: list[dict[str, Any]] = [{"address": [ADDRESS] * (most + 1)}, {"topics": [None, [TOPIC] * (most + 1)]}]
    for fields in refused:
        with pytest.raises(InvalidParams, match=f"{most + 1} values, at most {most} are taken"):
            await eth("getLogs", fields)
    document = openrpc_document(eth.namespace.methods, "0")
    assert document["components"]["schemas"]["LogQuery"]["properties"]["address"]["anyOf"][0]["anyOf"][1]["maxItems"] == most


async def test_any_number_of_blocks(chain: EthChain) -> None:
    chain.extend(3)
    limits = EthLimits(log_range=2)
    wanted = {"fromBlock": "0x0", "toBlock": "0x3"}
    assert (await chain.eth(limits=limits).error("getLogs", wanted))["code"] == -32005
    assert isinstance(await chain.eth(limits=replace(limits, log_range=0))("getLogs", wanted), list)
