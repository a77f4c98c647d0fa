"""The `eth_` methods of a node without a state: on the recorded chain of all forks, held against what op-geth replied, and beside a real op-geth
that it asks (`tox -e peers`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from harness.execution.chain_files import read_chain_file
from harness.execution.run import checked_genesis
from harness.node_process import ANY_PORTS, NodeProcess
from tests.conformance import test_rpc_eth_goldens
from tests.conformance.test_rpc_eth_goldens import FINALIZED, GAS_CAP, NOT_HERE, OWN_WORDS, Served, differences, goldens
from tests.integration import test_stateless_node
from tests.integration.test_stateless_node import FullNode, of_chain, wait_for_the_end
from tests.lying_proxy import Json, LyingProxy, honest
from tests.shared import shared
from tests.unit.engine.stateless.verified_node import LyingNode
from tests.unit.rpc.eth.eth_chain import Eth
from trinode.engine.stateless.headers import FINALIZED as FINALIZED_LABEL
from trinode.engine.stateless.headers import SAFE, HeaderChain
from trinode.engine.stateless.verified_chain import VerifiedChain
from trinode.jsonrpc.requests import answer
from trinode.protocol.block import KnownBlock
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace
from trinode.storage.identity import ChainIdentity

served = test_rpc_eth_goldens.served
full, proxy = test_stateless_node.full, test_stateless_node.proxy

SEED = 6
REQUESTS = 400
BLOCKS = 12
WORDS = ("0x0", "0x1", "0x2", "0x33", "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a50f3c9c5d5b1a8a5f")


# ---- op-geth's recorded replies ----


async def test_recorded_requests_are_answered_as_op_geth_answered_them(served: Served, tmp_path: Path) -> None:
    chain = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = checked_genesis(chain)
    headers = HeaderChain(tmp_path / "headers", ChainIdentity(chain.config.l2_chain_id, genesis.hash))
    headers.begin(KnownBlock(genesis.header, genesis.hash, ()))
    blocks = [KnownBlock(block.header, block.hash, block.transactions) for block in served.blocks]
    headers.adopt(0, blocks, {SAFE: blocks[-1].hash, FINALIZED_LABEL: blocks[FINALIZED - 1].hash})
    node = LyingNode(Eth(served.namespace))
    verified = VerifiedChain(chain.config, headers, [node.remote()])
    namespace = EthNamespace(chain.config, verified, progress=lambda: None, limits=EthLimits(gas_cap=GAS_CAP))
    found: list[str] = []
    compared = 0
    for golden in goldens():
        if golden.request["method"] in NOT_HERE:
            continue
        reply = msgspec.json.decode(await answer(msgspec.json.encode(golden.request), namespace.methods))
        theirs = golden.reply
        if golden.name in OWN_WORDS:
            reply, theirs = reply["error"]["code"], theirs["error"]["code"]
        compared += 1
        found += [f"{golden.name}{difference}" for difference in differences(reply, theirs)]
    print(node.asked, node.requests)
    headers.close()
    assert found == []
    assert compared == 568


# ---- beside a real op-geth ----


def stateless(full: FullNode, proxy: LyingProxy, folder: Path) -> NodeProcess:
    """The command, with time for calls that take all the gas of a block on a busy machine."""
    words = {"l2.witness": proxy.url, "datadir": folder, "rpc.evmtimeout": "60s", **of_chain(full.network)}
    return NodeProcess([*[f"--{name}={value}" for name, value in words.items()], *ANY_PORTS])


def reply_of(url: str, method: str, params: list[Any]) -> Json:
    """Result or error, as it came."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return httpx.post(url, json=body, timeout=90).raise_for_status().json()


def places_of(full: FullNode, chooser: random.Random) -> list[Any]:
    """Blocks by number and hash, and the labels that both set alike."""
    numbers = [chooser.randrange(full.network.last + 1) for _ in range(12)]
    by_hash = [{"blockHash": full.network.hash_of(max(number, 1))} for number in numbers[:6]]
    return ["latest", "safe", *map(hex, numbers), *by_hash, hex(full.network.last + 1), {"blockHash": "0x" + 32 * "12"}]


def addresses_of(full: FullNode) -> list[str]:
    """Of the genesis, of transactions, of contracts that they made, and one that is nowhere."""
    found = dict.fromkeys(f"0x{address.removeprefix('0x')}" for address in sorted(full.network.genesis()["alloc"])[::97])
    for number in range(1, full.network.last + 1, 5):
        for receipt in full.geth.call("eth_getBlockReceipts", hex(number)):
            found.update(dict.fromkeys(receipt[name] for name in ("from", "to", "contractAddress") if receipt[name] is not None))
    return [*found, *PREDEPLOYS, "0x" + 20 * "77"]


PREDEPLOYS = tuple(f"0x42000000000000000000000000000000000000{number}" for number in ("15", "0F", "06"))
"""L1Block, GasPriceOracle, WETH."""
GETTERS = ("0x8381f58a", "0xb80777ea", "0x5cf24969", "0x09bd5a60", "0x18160ddd", "0x06fdde03", "0x54fd4d50", "0x519b4bd3", "0x5c60da1b")
"""number, timestamp, basefee, hash, totalSupply, name, version, l1BaseFee, implementation."""
WITH_A_WORD = ("0x70a08231", "0x49948e0e", "0x82e3702d")
"""balanceOf(address), getL1Fee(bytes), sentMessages(bytes32)."""


def requests_of(full: FullNode, chooser: random.Random) -> Iterator[tuple[str, list[Any]]]:
    """Random questions about the state, and some about blocks."""
    places, addresses = places_of(full, chooser), addresses_of(full)
    payers = [address for address in addresses if int(full.geth.call("eth_getBalance", address, "latest"), 16) > 10**19]
    assert len(payers) > 2
    for _ in range(REQUESTS):
        place, address = chooser.choice(places), chooser.choice(addresses)
        data = chooser.choice(("0x", *GETTERS, *(f"{name}{chooser.choice(addresses)[2:]:0>64}" for name in WITH_A_WORD)))
        message: Json = {"from": chooser.choice(addresses), "to": chooser.choice((address, *PREDEPLOYS)), "data": data}
        if chooser.random() < 0.2:
            message["value"] = hex(chooser.choice((1, 10**18, 10**30)))
        if chooser.random() < 0.1:
            message = {"from": message["from"], "data": "0x6001600155602a60005260206000f3"}
        yield chooser.choice(
            [
                ("eth_getBalance", [address, place]),
                ("eth_getTransactionCount", [address, place]),
                ("eth_getCode", [address, place]),
                ("eth_getStorageAt", [chooser.choice((address, *PREDEPLOYS)), chooser.choice(WORDS), place]),
                ("eth_getProof", [chooser.choice((address, *PREDEPLOYS)), list(WORDS[: chooser.randrange(5)]), place]),
                ("eth_call", [message, place]),
                ("eth_call", [message, place, {address: {"balance": hex(10**20), "nonce": "0x5"}}]),
                ("eth_estimateGas", [message, place]),
                ("eth_createAccessList", [message | {"from": chooser.choice(payers)}, place]),
            ]
        )
    for number in chooser.sample(range(full.network.last + 1), BLOCKS):
        yield from about_a_block(full, number)


def about_a_block(full: FullNode, number: int) -> Iterator[tuple[str, list[Any]]]:
    """Questions about one block, its transactions and its logs."""
    block = full.geth.call("eth_getBlockByNumber", hex(number), False)
    yield "eth_getBlockByNumber", [hex(number), True]
    yield "eth_getBlockByHash", [block["hash"], False]
    yield "eth_getHeaderByNumber", [hex(number)]
    yield "eth_getBlockReceipts", [hex(number)]
    yield "eth_getLogs", [{"fromBlock": hex(max(number - 10, 0)), "toBlock": hex(number)}]
    yield "eth_getLogs", [{"blockHash": block["hash"]}]
    yield "eth_feeHistory", ["0x4", hex(number), [10, 90]]
    for transaction in block["transactions"]:
        yield "eth_getTransactionByHash", [transaction]
        yield "eth_getTransactionReceipt", [transaction]


@pytest.mark.peers
def test_every_answer_is_that_of_op_geth(full: FullNode, proxy: LyingProxy, tmp_path: Path) -> None:
    chooser = random.Random(SEED)
    with stateless(full, proxy, tmp_path / "data") as node:
        wait_for_the_end(full, node)
        url = node.address("http")
        differing: list[str] = []
        asked = []
        for method, params in requests_of(full, chooser):
            theirs, ours = reply_of(full.geth.url, method, params), reply_of(url, method, params)
            if method == "eth_createAccessList" and "error" in ours:  # the hash of a transaction that is none is in op-geth's words
                theirs, ours = theirs["error"]["code"], ours["error"]["code"]
            differing += [f"{method} {params}{each}" for each in differences(ours, theirs)]
            asked.append(method)
        print(f"{Counter(asked)}; asked of op-geth for them: {dict(proxy.asked)}")
        assert differing == []
        assert len(asked) > REQUESTS


@pytest.mark.peers
def test_lies_are_told_to_who_asks(full: FullNode, proxy: LyingProxy, tmp_path: Path) -> None:
    """Each is an error that names the remote, the method, the block and the account; the same question is answered when nobody lies."""
    weth = PREDEPLOYS[2]
    balance_of = {"to": weth, "data": f"0x70a08231{weth[2:]:0>64}"}

    def lie(method: str, params: list[Json], result: Json) -> Json:
        if method == "eth_getProof":
            return result | {"accountProof": [*result["accountProof"][:-1], result["accountProof"][-1][:-2] + "ff"]}
        return result[:-2] + "ff" if method == "eth_getCode" else result

    with stateless(full, proxy, tmp_path / "data") as node:
        wait_for_the_end(full, node)
        url, last = node.address("http"), full.network.last
        place = f"L2 block {last} {full.network.hash_of(last)}"
        proxy.lie = lie
        for method, params in (
            ("eth_getBalance", [weth, "latest"]),
            ("eth_getProof", [weth, ["0x0"], "latest"]),
            ("eth_call", [balance_of, "latest"]),
            ("eth_estimateGas", [balance_of, "latest"]),
        ):
            error = reply_of(url, method, params)["error"]
            assert error["code"] == -32000
            assert error["message"].startswith(f"L2 http://{proxy.address}: eth_getProof: accountProof: {place}: account 0x")
        proxy.lie = lambda method, params, result: lie(method, params, result) if method == "eth_getCode" else result
        error = reply_of(url, "eth_getCode", [weth, "latest"])["error"]
        assert error["message"].startswith(f"L2 http://{proxy.address}: eth_getCode: result: {place}: account {weth.lower()}: its ")
        assert any("eth_getProof: accountProof: " in line for line in node.lines), "the operator is told, too"
        proxy.lie = honest
        for method, params in (("eth_getCode", [weth, "latest"]), ("eth_call", [balance_of, "latest"])):
            assert reply_of(url, method, params) == reply_of(full.geth.url, method, params)
        assert node.stop()[0] == 0


@pytest.mark.peers
def test_a_call_takes_few_round_trips(full: FullNode, proxy: LyingProxy, tmp_path: Path) -> None:
    """What it touches, the proofs of all that, the codes: whatever the call reads."""
    weth = PREDEPLOYS[2]
    with stateless(full, proxy, tmp_path / "data") as node:
        wait_for_the_end(full, node)
        url = node.address("http")
        before = proxy.requests
        balance_of = {"to": weth, "data": f"0x70a08231{weth[2:]:0>64}"}
        assert "result" in reply_of(url, "eth_call", [balance_of, "latest"])
        assert proxy.requests - before == 3
        reply_of(url, "eth_call", [balance_of, "latest"])
        reply_of(url, "eth_estimateGas", [balance_of, "latest"])
        assert proxy.requests - before == 3
