"""A chain with wrong hashes, as anvil has it, corrected and served with faults: our own L1 client reads what was recorded, or says what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from harness.anvil.chain import CorrectedChain
from harness.anvil.faults import Fault, Faults
from harness.anvil.proxy import L1Proxy
from harness.anvil.rollup import genesis_json, log_emitter
from tests.fake_endpoints import RecordedChains
from trinode.devnet.genesis import l2_genesis
from trinode.execution.genesis import build_genesis, parse_genesis
from trinode.jsonrpc.endpoint import Endpoint, EndpointError, Retries
from trinode.jsonrpc.replies import JsonObject, header_of
from trinode.jsonrpc.server import serve_app
from trinode.l1.beacon import Beacon
from trinode.l1.blob_hasher import BlobHasher
from trinode.l1.source import L1Source
from trinode.protocol.header import header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import BlockId

FIXTURE = Path(__file__).resolve().parents[3] / "fixtures" / "devnet" / "steady-karst.jsonl.gz"
CHAIN_ID = "0x384"
ONCE = Retries(1)


class MishashingAnvil:
    """A recorded L1, with transactions roots that are wrong where there are blobs, and hashes and parent hashes that follow from them."""

    def __init__(self, chains: RecordedChains) -> None:
        self._chains = chains
        self.blocks: dict[int, dict[str, Any]] = {}
        parent = ""
        for number, item in sorted(chains.l1.items()):
            block = chains.rpc("l1", "eth_getBlockByNumber", [hex(number), True])
            block["parentHash"] = parent or block["parentHash"]
            for tx in block["transactions"]:
                if tx.get("blobVersionedHashes"):
                    tx["blobs"] = ["0x" + item.blobs[bytes.fromhex(name[2:])].hex() for name in tx["blobVersionedHashes"]]
                    block["transactionsRoot"] = "0x" + keccak256(b"with blobs").hex()
            block["hash"] = parent = "0x" + header_hash(header_of(JsonObject(block, ""))).hex()
            self.blocks[number] = block

    async def call(self, method: str, *params: Any) -> Any:
        """As anvil answers."""
        await trio.lowlevel.checkpoint()
        if method == "eth_chainId":
            return CHAIN_ID
        if method == "eth_blockNumber":
            return hex(max(self.blocks))
        block = self._named(params[0])
        if block is None:
            return None
        number = int(block["number"], 16)
        if method == "eth_getBlockReceipts":
            receipts = self._chains.rpc("l1", method, ["0x" + self._chains.l1[number].block.hash.hex()])
            return None if receipts is None else [{**receipt, "blockHash": block["hash"], "blockNumber": block["number"]} for receipt in receipts]
        return block if params[1] else {**block, "transactions": [tx["hash"] for tx in block["transactions"]]}

    def _named(self, name: str) -> dict[str, Any] | None:
        if len(name) == 66:
            return next((block for block in self.blocks.values() if block["hash"] == name), None)
        return self.blocks.get(self._chains.labels[name] or 0 if name in self._chains.labels else int(name, 16))


class Endpoints:
    """Two endpoints over one chain, and our client over both, which prefers the first."""

    def __init__(self, recorded: RecordedChains, chain: CorrectedChain, faults: Faults, urls: list[str], hasher: BlobHasher) -> None:
        self.recorded = recorded
        self.chain = chain
        self.faults = faults
        self.urls = urls
        self.notices: list[EndpointError] = []
        options: dict[str, Any] = {"concurrency": 4, "timeout": 5, "retries": ONCE}
        self.opened = [Endpoint(role, url, **options) for role in ("L1", "beacon") for url in urls]
        beacon = Beacon(self.opened[2:], hasher, notice=self.notices.append)
        config = recorded.head.rollup_config
        contracts = (config.deposit_contract_address, config.l1_system_config_address)
        self.source = L1Source(self.opened[:2], beacon, contracts, rounds=ONCE, notice=self.notices.append)

    def with_blobs(self) -> int:
        return next(number for number, item in self.recorded.l1.items() if item.blobs)

    def with_receipts(self) -> int:
        return next(
            number
            for number, item in self.recorded.l1.items()
            if item.block.receipts is not None and any(receipt["logs"] for receipt in self._receipts(number))
        )

    def _receipts(self, number: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.recorded.rpc("l1", "eth_getBlockReceipts", ["0x" + self.recorded.l1[number].block.hash.hex()])
        return found


@pytest.fixture(scope="module")
def recorded() -> RecordedChains:
    return RecordedChains(FIXTURE)


@asynccontextmanager
async def endpoints(recorded: RecordedChains, *faults: Fault) -> AsyncIterator[Endpoints]:
    chain = CorrectedChain(MishashingAnvil(recorded), first=min(recorded.l1))
    proxies = [L1Proxy(chain, Faults(*faults)), L1Proxy(chain)]
    with BlobHasher() as hasher:
        async with trio.open_nursery() as nursery:
            urls = [(await nursery.start(serve_app, proxy, "127.0.0.1", 0))[0] for proxy in proxies]
            found = Endpoints(recorded, chain, proxies[0].faults, urls, hasher)
            yield found
            for endpoint in found.opened:
                await endpoint.close()
            nursery.cancel_scope.cancel()


async def test_the_hashes_are_those_of_the_protocol(recorded: RecordedChains) -> None:
    async with endpoints(recorded) as net:
        for number, item in recorded.l1.items():
            by_number = await net.source.block_by_number(number)
            assert by_number is not None and (by_number.header, by_number.hash) == (item.block.header, item.block.hash)
            assert by_number.transactions == item.block.transactions
        for number in (net.with_receipts(), net.with_blobs()):
            block = recorded.l1[number].block
            receipts = await net.chain.call("eth_getBlockReceipts", ["0x" + block.hash.hex()])
            assert {receipt["blockHash"] for receipt in receipts or ()} <= {"0x" + block.hash.hex()}
        item = recorded.l1[net.with_blobs()]
        names = tuple(item.blobs)
        assert await net.source.blobs(item.block.id, item.block.header.timestamp, names) == tuple(item.blobs.values())
        assert await net.source.block_by_hash(BlockId(1, b"\x01" * 32)) is None
        assert net.notices == []


NOTICED: list[tuple[Fault, str, str]] = [
    (Fault.HTTP_ERROR, "eth_getBlockByNumber", "HTTP 503"),
    (Fault.HANG_UP, "eth_getBlockByNumber", "no connection"),
    (Fault.TOO_MANY_REQUESTS, "eth_getBlockByNumber", "HTTP 429"),
    (Fault.SILENCE, "eth_getBlockByNumber", "no answer in time"),
    (Fault.WRONG_HEADER, "eth_getBlockByNumber", "hash"),
    (Fault.WRONG_TRANSACTION, "eth_getBlockByNumber", "transactions[0].hash"),
    (Fault.WRONG_RECEIPT, "eth_getBlockReceipts", "receipts"),
]


@pytest.mark.parametrize(("fault", "method", "said"), NOTICED, ids=lambda value: value.name if isinstance(value, Fault) else "")
async def test_what_is_wrong_with_an_endpoint_is_noticed(
    recorded: RecordedChains, autojump_clock: MockClock, fault: Fault, method: str, said: str
) -> None:
    autojump_clock.autojump_threshold = 0.2
    async with endpoints(recorded, fault) as net:
        block = recorded.l1[net.with_receipts()].block
        assert await net.source.block_by_number(block.header.number) == block
        assert net.faults.done[fault] == 1
        (error,) = net.notices
        assert (error.endpoint, error.method) == (f"L1 {net.urls[0]}", method)
        assert said in (error.field, error.message) or error.message.startswith(said)


async def test_what_an_endpoint_has_not_another_has(recorded: RecordedChains) -> None:
    async with endpoints(recorded, Fault.NO_RECEIPTS, Fault.NO_BLOBS, Fault.NO_BATCHES) as net:
        block = recorded.l1[net.with_receipts()].block
        assert await net.source.block_by_number(block.header.number) == block
        item = recorded.l1[net.with_blobs()]
        found = await net.source.blobs(item.block.id, item.block.header.timestamp, tuple(item.blobs))
        assert found == tuple(item.blobs.values())
        assert net.faults.done[Fault.NO_RECEIPTS] and net.faults.done[Fault.NO_BLOBS]
        assert net.notices == []


async def test_another_blob_is_noticed(recorded: RecordedChains) -> None:
    async with endpoints(recorded, Fault.WRONG_BLOB) as net:
        item = recorded.l1[net.with_blobs()]
        found = await net.source.blobs(item.block.id, item.block.header.timestamp, tuple(item.blobs))
        assert found == tuple(item.blobs.values())
        assert [(error.endpoint, error.field) for error in net.notices] == [(f"beacon {net.urls[0]}", "data")]


async def test_another_chain_is_noticed(recorded: RecordedChains) -> None:
    async with endpoints(recorded, Fault.HTTP_ERROR) as net:
        first = recorded.l1[min(recorded.l1)].block
        await net.source.check(int(CHAIN_ID, 16), first.id)
        net.faults.now = {Fault.WRONG_CHAIN}
        with trio.fail_after(30):
            while net.faults.done[Fault.WRONG_CHAIN] == 0:  # it rests for a second after its failure
                assert await net.source.head() is not None
                await trio.sleep(0.2)
        assert [error.method for error in net.notices] == ["eth_chainId", "eth_chainId"]
        assert "1, but the rollup's L1 is chain 900" in net.notices[1].message


async def test_an_endpoint_lags_behind(recorded: RecordedChains) -> None:
    async with endpoints(recorded) as net, httpx.AsyncClient() as client:
        newest = max(recorded.l1)
        net.faults.lag = 3

        async def ask(method: str, *params: Any) -> Any:
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            return (await client.post(net.urls[0], json=request)).json()["result"]

        assert await ask("eth_blockNumber") == hex(newest - 3)
        for label in ("latest", "safe"):
            assert (await ask("eth_getBlockByNumber", label, False))["number"] == hex(newest - 3)
        assert await ask("eth_getBlockByNumber", hex(newest - 2), False) is None
        assert await ask("eth_getBlockByHash", "0x" + recorded.l1[newest].block.hash.hex(), False) is None
        assert (await ask("eth_getBlockByNumber", hex(newest - 3), False))["hash"] == "0x" + recorded.l1[newest - 3].block.hash.hex()


def test_the_genesis_file_makes_the_genesis_block() -> None:
    rollup = l2_genesis(BlockId(0, b"\x01" * 32), 1_700_000_000, 2)
    block = build_genesis(parse_genesis(genesis_json(rollup.block, rollup.config)), rollup.config)
    assert (block.hash, block.header) == (rollup.block.hash, rollup.block.header)


def test_code_that_logs_its_calldata() -> None:
    # CALLDATALOAD of topics 3, 2 and 1, CALLDATASIZE - 96, CALLDATACOPY(0, 96, that), LOG3(0, that), STOP.
    assert log_emitter(3).hex() == "604035" "602035" "600035" "60603603" "8060606000" "37" "6000a300"
