"""Who signs unsafe blocks, read with proofs from the devnet's L1 as its owner changes it; and what endpoints that lie or fail make of it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.unit.devnet.devnet_chain import SetClock, encoded, l1_transaction, opened
from trinode.devnet.accounts import ACCOUNTS, SEQUENCER, SYSTEM_CONFIG
from trinode.devnet.devnet import Devnet
from trinode.jsonrpc.endpoint import Endpoint, EndpointError, Retries
from trinode.l1.unsafe_block_signer import SIGNER_SLOT, L1UnsafeBlockSigner, SignerSettings
from trinode.l1.watch import L1Heads
from trinode.protocol.block import L1BlockRef
from trinode.protocol.types import Address, Hash32

NEW, NEWER = ACCOUNTS[7].address, ACCOUNTS[8].address
ONCE = Retries(1)
Damage = Callable[[str, Any], Any]


class Transport(httpx.ASGITransport):
    """The devnet's L1 in this process; counts methods, and lets a test change answers."""

    def __init__(self, devnet: Devnet) -> None:
        super().__init__(devnet.l1_app)
        self.asked: list[str] = []
        self.damage: Damage = lambda method, result: result

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = json.loads(b"".join([chunk async for chunk in request.stream]))  # type: ignore[union-attr]
        self.asked.append(call["method"])
        answer = await super().handle_async_request(httpx.Request("POST", request.url, json=call))
        reply = json.loads(await answer.aread())
        if "result" in reply:
            reply["result"] = self.damage(call["method"], reply["result"])
        return httpx.Response(answer.status_code, json=reply)


class Followed:
    """A devnet's L1 and who follows its signer. It is told of blocks that are `behind` blocks old."""

    def __init__(self, devnet: Devnet, clock: SetClock) -> None:
        self.devnet = devnet
        self.clock = clock
        self.transport = Transport(devnet)
        self.told: list[Address | None] = []
        self.notices: list[EndpointError] = []
        self.behind = 0
        self.nonce = 0
        self._send, self._receive = trio.open_memory_channel[L1Heads](10)

    async def updates(self) -> AsyncIterator[L1Heads]:
        async with self._receive.clone() as heads:
            async for each in heads:
                yield each

    def change(self, signer: Address) -> None:
        data = encoded("setUnsafeBlockSigner(address)", signer)
        self.devnet.l1.add_transaction(l1_transaction(SYSTEM_CONFIG, nonce=self.nonce, data=data))
        self.nonce += 1

    def other_setting(self) -> None:
        self.devnet.l1.add_transaction(l1_transaction(SYSTEM_CONFIG, nonce=self.nonce, data=encoded("setGasLimit(uint64)", 40_000_000 + self.nonce)))
        self.nonce += 1

    async def mine(self, *, tell: bool = True) -> list[str]:
        """The methods that the next block makes it ask."""
        self.clock.time += 3
        self.devnet.l1.mine()
        return await self.tell() if tell else []

    async def tell(self, head: Hash32 | None = None) -> list[str]:
        """Says where L1 is (under another hash if given); the methods that this makes it ask."""
        stored = self.devnet.l1.head
        number = stored.header.number
        self.transport.asked.clear()
        ref = L1BlockRef(head or stored.hash, number - self.behind, stored.header.parent_hash, stored.header.timestamp)
        await self._send.send(L1Heads(ref, None, None, 0))
        while self._receive.statistics().current_buffer_used or not self._receive.statistics().tasks_waiting_receive:
            await trio.to_thread.run_sync(time.sleep, 0.001)  # the L1 works in threads, of which the clock of the test knows nothing
        return [method for method in self.transport.asked if method != "eth_chainId"]


@asynccontextmanager
async def following(path: Path, chain_id: int | None = None, **settings: Any) -> AsyncIterator[Followed]:
    clock = SetClock()
    devnet = opened(path, clock)
    followed = Followed(devnet, clock)
    endpoint = Endpoint("L1", "http://devnet", concurrency=2, timeout=5, retries=ONCE, transport=followed.transport)
    source = L1UnsafeBlockSigner(
        [endpoint],
        devnet.rollup_config.l1_chain_id if chain_id is None else chain_id,
        devnet.rollup_config.l1_system_config_address,
        followed,
        changed=followed.told.append,
        notice=followed.notices.append,
        settings=SignerSettings(rounds=ONCE, **settings),
    )
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(source.run)
            yield followed
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await endpoint.close()
        devnet.close()


BOTH = ["eth_getBlockByNumber", "eth_getProof"]
HEADER = ["eth_getBlockByNumber"]


def test_the_slot_is_the_specification_s() -> None:
    assert f"0x{SIGNER_SLOT:064x}" == "0x65a7ed542fb37fe237fdfbdd70b31598523fe5b32879e307bae27a0bd9581c08"


async def test_the_signer_is_read_once_and_again_when_it_changes(tmp_path: Path, mock_clock: MockClock) -> None:
    async with following(tmp_path) as l1:
        assert await l1.mine() == BOTH
        assert l1.told == [SEQUENCER.address]
        assert await l1.mine() == HEADER
        l1.other_setting()
        assert await l1.mine() == HEADER, "another event of the same contract"
        assert await l1.tell() == [], "only a label has moved"
        l1.change(NEW)
        assert await l1.mine() == BOTH
        assert l1.told == [SEQUENCER.address, NEW]
        l1.change(NEWER)
        l1.change(NEW)
        assert await l1.mine() == BOTH, "twice in one block: the last counts, and it is who it was"
        assert l1.told == [SEQUENCER.address, NEW]
        assert l1.notices == []


async def test_blocks_that_were_not_looked_at(tmp_path: Path, mock_clock: MockClock) -> None:
    async with following(tmp_path) as l1:
        await l1.mine()
        l1.change(NEW)
        await l1.mine(tell=False)
        assert await l1.mine() == BOTH
        assert l1.told == [SEQUENCER.address, NEW]


async def test_a_head_of_another_hash_is_looked_at(tmp_path: Path, mock_clock: MockClock) -> None:
    async with following(tmp_path) as l1:
        await l1.mine()
        assert await l1.tell(head=b"\x01" * 32) == HEADER


async def test_it_is_read_again_after_a_while(tmp_path: Path, mock_clock: MockClock) -> None:
    async with following(tmp_path, reload=600.0) as l1:
        await l1.mine()
        mock_clock.jump(590)
        assert await l1.mine() == HEADER
        mock_clock.jump(10)
        assert await l1.mine() == BOTH
        assert l1.told == [SEQUENCER.address]


async def test_nobody_and_dirty_words(tmp_path: Path, mock_clock: MockClock) -> None:
    async with following(tmp_path) as l1:
        await l1.mine()
        l1.change(bytes(20))
        await l1.mine()
        assert l1.told == [SEQUENCER.address, None]
        l1.change(NEW)
        await l1.mine()
        assert l1.told == [SEQUENCER.address, None, NEW]


def _other_value(method: str, result: Any) -> Any:
    """A proof that says another signer, in the leaf itself."""
    if method == "eth_getProof":
        slot = result["storageProof"][0]
        told = SEQUENCER.address.hex()
        slot["value"] = slot["value"].replace(told.lstrip("0"), NEW.hex())
        slot["proof"] = [node.replace(told, NEW.hex()) for node in slot["proof"]]
    return result


def _lacks_nodes(method: str, result: Any) -> Any:
    return result | {"accountProof": result["accountProof"][:-1]} if method == "eth_getProof" else result


def _no_object(method: str, result: Any) -> Any:
    return None if method == "eth_getProof" else result


def _other_state(method: str, result: Any) -> Any:
    return result | {"stateRoot": "0x" + "11" * 32} if method == "eth_getBlockByNumber" else result


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_other_value, r"^L1 http://devnet: eth_getProof: accountProof: does not lead to the state root 0x[0-9a-f]{64}: "),
        (_lacks_nodes, r"^L1 http://devnet: eth_getProof: accountProof: does not lead to the state root"),
        (_no_object, r"^L1 http://devnet: eth_getProof: result: an object was expected, not null"),
        (_other_state, r"^L1 http://devnet: eth_getBlockByNumber: hash: "),
    ],
)
async def test_an_endpoint_that_lies_is_named_and_not_believed(tmp_path: Path, mock_clock: MockClock, damage: Damage, message: str) -> None:
    async with following(tmp_path) as l1:
        l1.transport.damage = damage
        await l1.mine()
        assert l1.told == []
        with pytest.raises(EndpointError, match=message):
            raise l1.notices[0]
        l1.transport.damage = lambda method, result: result
        assert await l1.mine() == BOTH
        assert l1.told == [SEQUENCER.address]


async def test_while_l1_fails_the_signer_stays_and_no_change_is_lost(tmp_path: Path, mock_clock: MockClock) -> None:
    async with following(tmp_path) as l1:
        await l1.mine()
        l1.change(NEW)
        l1.transport.damage = _no_object
        assert await l1.mine() == BOTH
        assert l1.told == [SEQUENCER.address] and len(l1.notices) == 1
        l1.transport.damage = lambda method, result: result
        assert await l1.tell() == BOTH, "the next change of L1, be it only of a label, is the next try"
        assert l1.told == [SEQUENCER.address, NEW]


async def test_an_l1_without_that_state(tmp_path: Path, mock_clock: MockClock) -> None:
    async with following(tmp_path) as l1:
        l1.behind = 1  # the devnet keeps the newest state only
        await l1.mine()
        assert l1.told == []
        with pytest.raises(EndpointError, match="eth_getProof: error -32000: the devnet's L1 keeps the state of its newest block only"):
            raise l1.notices[0]


async def test_an_endpoint_of_another_chain(tmp_path: Path, mock_clock: MockClock) -> None:
    async with following(tmp_path, chain_id=1) as l1:
        assert await l1.mine() == []
        assert l1.told == []
        with pytest.raises(EndpointError, match="eth_chainId: 900, but the rollup's L1 is chain 1"):
            raise l1.notices[0]
