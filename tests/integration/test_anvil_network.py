"""A real anvil as L1, with blobs: our sequencer and batcher on one node, and a second one that has nothing but L1, through reorgs and behind
endpoints that fail, lie, limit and lag.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from harness.anvil.chain import CorrectedChain
from harness.anvil.faults import Fault, Faults
from harness.anvil.nodes import NodeProcess, running_node
from harness.anvil.process import AnvilL1, AnvilMissing, find_anvil, running_anvil
from harness.anvil.proxy import L1Proxy
from harness.anvil.rollup import AnvilRollup, emit, make_rollup
from harness.l1_logs import UserDeposit, deposit_log, gas_limit_update
from trinode.devnet.accounts import ACCOUNTS, ETHER, L1_CHAIN_ID, DevnetAccount
from trinode.jsonrpc.server import serve_app
from trinode.protocol.transaction import DynamicFeeTransaction, encode_transaction, sign_transaction

pytestmark = pytest.mark.peers

BLOCK_TIME = 2
EPOCH = 3
"""L1 blocks: those twice as far behind the head are final, so that no reorg here reaches them."""
PATIENCE = 120.0
"""Seconds for what takes a few."""
USERS, DEPOSITOR = ACCOUNTS[:3], ACCOUNTS[8]
RECIPIENT = b"\xd0" * 20
DEPOSITED = ETHER // 7
GAS_LIMIT = 61_000_000


class Users:
    """Transactions to the sequencer, deposits and a change of the system config on L1, without a pause."""

    def __init__(self, anvil: AnvilL1, rollup: AnvilRollup, node: NodeProcess) -> None:
        self._anvil = anvil
        self._rollup = rollup
        self._node = node
        self.accepted: list[str] = []
        self.deposits: list[str] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        config = self._rollup.config
        await emit(self._anvil, gas_limit_update(config.l1_system_config_address, GAS_LIMIT), DEPOSITOR)
        deposit = UserDeposit(DEPOSITOR.address, RECIPIENT, DEPOSITED, DEPOSITED, 50_000, is_creation=False, data=b"")
        nonce = 0
        while True:
            for user in USERS:
                self.accepted.append(await self._node.call("eth_sendRawTransaction", "0x" + self._transfer(user, nonce).hex()))
            if nonce % 3 == 0:
                self.deposits.append(await emit(self._anvil, deposit_log(config.deposit_contract_address, deposit), DEPOSITOR))
            nonce += 1
            await trio.sleep(BLOCK_TIME)

    def _transfer(self, user: DevnetAccount, nonce: int) -> bytes:
        to = bytes(19) + b"\xee"
        return encode_transaction(
            sign_transaction(DynamicFeeTransaction(self._rollup.config.l2_chain_id, nonce, 10**9, 10**11, 50_000, to, 1, b""), user.key)
        )


class Network:
    """anvil, its endpoints, and the nodes. What was final on either node is looked at all the time: it must stay, and be the same on both."""

    def __init__(self, folder: Path, anvil: AnvilL1, chain: CorrectedChain, rollup: AnvilRollup, nursery: trio.Nursery) -> None:
        self._folder = folder
        self._chain = chain
        self._nursery = nursery
        self.anvil = anvil
        self.rollup = rollup
        self.files = rollup.write(folder)
        self.nodes: list[NodeProcess] = []
        self._final: dict[int, str] = {}

    async def endpoint(self, *faults: Fault) -> tuple[str, Faults]:
        """Another endpoint: its URL, and what is wrong with it."""
        proxy = L1Proxy(self._chain, Faults(*faults))
        (url,) = await self._nursery.start(serve_app, proxy, "127.0.0.1", 0)
        return url, proxy.faults

    @asynccontextmanager
    async def node(self, name: str, options: dict[str, object]) -> AsyncIterator[NodeProcess]:
        """A node on these endpoints."""
        intervals = {"l1.http-poll-interval": "500ms", "l1.epoch-poll-interval": "2s"}
        async with running_node(self._folder, name, {**self.files, **intervals, **options}) as node:
            self.nodes.append(node)
            yield node

    async def statuses(self) -> list[dict[str, Any]]:
        """optimism_syncStatus of each node, whose heads must be in order."""
        found = [await node.call("optimism_syncStatus") for node in self.nodes]
        for node, status in zip(self.nodes, found, strict=True):
            finalized, safe, unsafe = (status[f"{label}_l2"]["number"] for label in ("finalized", "safe", "unsafe"))
            assert finalized <= safe, (node.name, status)
            assert safe <= unsafe or not unsafe, (node.name, status)  # 0: it is being sought
            head = status["finalized_l2"]
            if head["number"]:
                assert self._final.setdefault(head["number"], head["hash"]) == head["hash"], (node.name, status)
        return found

    async def until(self, what: str, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Wait until it holds of the nodes' statuses."""
        statuses: list[dict[str, Any]] = []
        with trio.move_on_after(PATIENCE):
            while True:
                statuses = await self.statuses()
                if holds(statuses):
                    return statuses
                await trio.sleep(0.5)
        logs = "\n".join(f"---- {node.name}\n{node.log[-3000:]}" for node in self.nodes)
        raise AssertionError(f"{what}: never.\n{[heads_of(status) for status in statuses]}\n{logs}")

    async def agree(self, beyond: int) -> int:
        """Wait until the safe heads of all nodes are beyond that block; the newest block that is safe on all of them, which is the same."""
        statuses = await self.until(f"safe beyond {beyond}", lambda found: all(each["safe_l2"]["number"] > beyond for each in found))
        number = min(status["safe_l2"]["number"] for status in statuses)
        hashes = {(await node.call("eth_getBlockByNumber", hex(number), False))["hash"] for node in self.nodes}
        assert len(hashes) == 1, number
        return int(number)


def heads_of(status: dict[str, Any]) -> dict[str, int]:
    return {name: ref["number"] for name, ref in status.items() if ref}


@asynccontextmanager
async def network(folder: Path) -> AsyncIterator[Network]:
    """anvil with a rollup on it, and no node yet."""
    try:
        find_anvil()
    except AnvilMissing as missing:
        pytest.skip(str(missing))
    async with running_anvil(L1_CHAIN_ID, block_time=BLOCK_TIME, epoch=EPOCH) as anvil, trio.open_nursery() as nursery:
        chain = CorrectedChain(anvil)
        rollup = await make_rollup(anvil, chain, block_time=BLOCK_TIME)
        yield Network(folder, anvil, chain, rollup, nursery)
        nursery.cancel_scope.cancel()


def lines_with(log: str, *parts: str) -> list[str]:
    return [line for line in log.splitlines() if all(part in line for part in parts)]


async def start_sequencer(net: Network, folder: Path, stack: AsyncExitStack) -> tuple[NodeProcess, Faults]:
    """The node that sequences and posts, behind two endpoints; what is wrong with the one that it prefers."""
    key = folder / "batcher.key"
    key.write_text(net.rollup.batcher.key.hex())
    (first, faults), (second, _) = await net.endpoint(), await net.endpoint()
    options: dict[str, object] = {"l1": f"{first},{second}", "l1.beacon": first, "l1.beacon-fallbacks": second}
    options |= {"sequencer.enabled": "true", "sequencer.l1-confs": 0, "batcher.key": key, "batcher.resubmission-timeout": "10s"}
    return await stack.enter_async_context(net.node("sequencer", options)), faults


async def start_verifier(net: Network, stack: AsyncExitStack) -> tuple[NodeProcess, list[tuple[str, Faults]]]:
    """The node that has only L1, and its endpoints."""
    endpoints = [await net.endpoint(*faults) for faults in LIARS]
    urls = [url for url, _ in endpoints]
    options: dict[str, object] = {"l1": ",".join(urls), "l1.beacon": urls[0], "l1.beacon-fallbacks": ",".join(urls[1:])}
    node = await stack.enter_async_context(net.node("verifier", options))
    endpoints[3][1].now = {Fault.WRONG_CHAIN}
    return node, endpoints


async def test_what_is_sequenced_is_derived_through_reorgs_and_from_bad_endpoints(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        net = await stack.enter_async_context(network(tmp_path))
        sequencer, of_sequencer = await start_sequencer(net, tmp_path, stack)
        verifier, endpoints = await start_verifier(net, stack)
        users = Users(net.anvil, net.rollup, sequencer)
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(users.run)

        await name_the_liars(net, verifier, endpoints)
        for _, faults in endpoints:
            faults.now.clear()
        await go_through_reorgs(net, of_sequencer, endpoints[-1][1])
        nursery.cancel_scope.cancel()
        await look_at_the_end(net, users)
    for node in net.nodes:
        assert "Traceback" not in node.log and "[error]" not in node.log, node.log


LIARS = (
    (Fault.WRONG_HEADER, Fault.WRONG_BLOB),
    (Fault.WRONG_TRANSACTION, Fault.NO_BLOBS),
    (Fault.WRONG_RECEIPT,),
    (Fault.HTTP_ERROR,),
    (),
)
"""The verifier's endpoints as it starts, in the order of preference. The fourth is of another chain, but not there yet."""
NAMED = (
    (0, "L1", "eth_getBlockByNumber:", "hash:"),
    (1, "L1", "eth_getBlockByNumber:", "transactions"),
    (2, "L1", "eth_getBlockReceipts:", "receipts:"),
    (3, "L1", "eth_chainId:", ""),
    (0, "beacon", "blobs/", "data:"),
)
"""Who tells which lie: endpoint, method and field in the log."""


async def name_the_liars(net: Network, verifier: NodeProcess, endpoints: list[tuple[str, Faults]]) -> None:
    """The verifier follows all the same, and says of each lie who told it, and where."""
    await net.agree(beyond=5)

    def unnamed() -> list[Any]:
        wanted = [(f"{role} {endpoints[index][0]}: ", method, field) for index, role, method, field in NAMED]
        return [each for each in wanted if not lines_with(verifier.log, *each)]

    await net.until("every lie is named", lambda _: not unnamed())
    for _, faults in endpoints[:4]:
        assert all(faults.done[fault] for fault in faults.now), faults.done


TROUBLES: tuple[tuple[int, int, frozenset[Fault]], ...] = (
    (1, 0, frozenset((Fault.HTTP_ERROR,))),
    (2, 2, frozenset((Fault.NO_BATCHES, Fault.NO_BLOCK_RECEIPTS))),
    (3, 0, frozenset((Fault.TOO_MANY_REQUESTS,))),
    (4, 0, frozenset((Fault.HANG_UP,))),
    (5, 3, frozenset((Fault.NO_RECEIPTS, Fault.NO_BLOBS))),
    (2, 0, frozenset((Fault.SILENCE,))),
)
"""How deep a reorg is, and what an endpoint of each node does meanwhile: how far it lags, and its faults."""


async def go_through_reorgs(net: Network, *endpoints: Faults) -> None:
    """After each reorg of L1, both nodes' safe heads go on over the same blocks."""
    for depth, lag, faults in TROUBLES:
        for endpoint in endpoints:
            endpoint.lag, endpoint.now = lag, set(faults)
        await net.anvil.reorg(depth)
        sequenced = (await net.nodes[0].call("optimism_syncStatus"))["unsafe_l2"]["number"]
        await net.agree(beyond=sequenced)
        await met(net, faults, endpoints)
        for endpoint in endpoints:
            endpoint.lag, endpoint.now = 0, set()


async def met(net: Network, faults: Iterable[Fault], endpoints: Sequence[Faults]) -> None:
    """Wait until a node has met each of the faults."""
    await net.until(f"{faults} are met", lambda _: all(any(endpoint.done[fault] for endpoint in endpoints) for fault in faults))


async def look_at_the_end(net: Network, users: Users) -> None:
    """All that was accepted is in safe blocks of both nodes, and that becomes final."""
    with trio.move_on_after(PATIENCE):
        while await missing(users.accepted, net.nodes[0]):
            await trio.sleep(1)
    lost = await missing(users.accepted, net.nodes[0])
    assert not lost, f"{len(lost)} of {len(users.accepted)} transactions were lost"
    unsafe = (await net.nodes[0].call("optimism_syncStatus"))["unsafe_l2"]["number"]
    number = await net.agree(beyond=unsafe)
    await net.until("that is final", lambda found: all(each["finalized_l2"]["number"] >= unsafe for each in found))
    for node in net.nodes:
        receipts = [await node.call("eth_getTransactionReceipt", name) for name in users.accepted]
        assert all(receipt["status"] == "0x1" and int(receipt["blockNumber"], 16) <= number for receipt in receipts)
    block = await net.nodes[1].call("eth_getBlockByNumber", hex(number), True)
    assert int(block["gasLimit"], 16) == GAS_LIMIT
    origin = await origin_of(net.nodes[1], number)
    included = [await net.anvil.call("eth_getTransactionReceipt", name) for name in users.deposits]
    canonical = [receipt for receipt in included if receipt is not None and int(receipt["blockNumber"], 16) <= origin]
    balance = await net.nodes[1].call("eth_getBalance", "0x" + RECIPIENT.hex(), hex(number))
    assert canonical and int(balance, 16) == DEPOSITED * len(canonical)


async def missing(names: list[str], node: NodeProcess) -> list[str]:
    return [name for name in names if await node.call("eth_getTransactionReceipt", name) is None]


async def origin_of(node: NodeProcess, number: int) -> int:
    output = await node.call("optimism_outputAtBlock", hex(number))
    return int(output["blockRef"]["l1origin"]["number"])
