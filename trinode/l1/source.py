"""L1 as derivation asks for it: whole blocks with receipts, blobs, labels; from several endpoints, all of it proved.

A block is proved by its header's hash, transactions root and receipts root, a blob by its commitment. Which block is the canonical
one of a number, and where the labels stand, is what an endpoint says: derivation follows parent hashes and resets where it was misled.
Nothing gets into the caches before it is proved.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from trinode.jsonrpc.calls import BATCH, JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, EndpointError, Retries, UnavailableError, WrongAnswerError
from trinode.jsonrpc.replies import JsonObject
from trinode.l1.beacon import Beacon, BlobsMissingError
from trinode.l1.cache import ByteCache
from trinode.l1.pool import AllFailedError, EndpointPool, Notice
from trinode.l1.receipts import ReceiptsReader
from trinode.l1.rpc_block import RpcBlock, RpcHeader, read_block, read_header
from trinode.protocol.block import L1Block, L1BlockRef
from trinode.protocol.bloom import bloom_may_contain
from trinode.protocol.types import Address, BlockId, Hash32

_PATIENCE = 5.0
"""Seconds without an answer after which another endpoint is asked too."""
_BLOCK_OVERHEAD = 1500
"""Bytes of a header and its fields in memory, about."""

T = TypeVar("T")


class WrongChainError(WrongAnswerError):
    """An endpoint is of another L1 than the configuration's."""


class L1Node:
    """One execution endpoint: JSON-RPC, and which receipts methods it has."""

    def __init__(self, endpoint: Endpoint, batch: int = BATCH) -> None:
        self.endpoint = endpoint
        self.rpc = JsonRpc(endpoint, batch=batch)
        self._receipts = ReceiptsReader(self.rpc)

    async def header(self, name: int | Hash32 | str) -> RpcHeader:
        """The header of a number, a hash or a label. Raises EndpointError."""
        method, parameter = _how_to_ask(name)
        return await self.rpc.call(method, [parameter, False], lambda result: read_header(result, name))

    async def block(self, name: int | Hash32) -> RpcBlock:
        """The block of a number or a hash, with its transactions. Raises EndpointError."""
        method, parameter = _how_to_ask(name)
        return await self.rpc.call(method, [parameter, True], lambda result: read_block(result, name))

    async def receipts(self, block: RpcBlock) -> tuple[bytes, ...]:
        """Its receipts, raw. Raises EndpointError."""
        return await self._receipts.receipts(block)

    async def chain_id(self) -> int:
        """What the endpoint says it is of. Raises EndpointError."""
        return await self.rpc.call("eth_chainId", [], lambda result: JsonObject({"": result}, "").quantity(""))


def _how_to_ask(name: int | Hash32 | str) -> tuple[str, str]:
    if isinstance(name, bytes):
        return "eth_getBlockByHash", "0x" + name.hex()
    return "eth_getBlockByNumber", hex(name) if isinstance(name, int) else name


class L1Source:
    """Blocks, blobs and labels of L1.

    `endpoints`: in the order of preference, each with Retries of one attempt: here another endpoint is the second attempt. `contracts`:
    receipts are had where a header's bloom may contain a log of these. `rounds`: how often all endpoints are asked before a call raises.
    `cache_bytes`: for blocks, and once more for blobs. `batch`: calls in one request. `notice` is
    told of each failure, also where another endpoint stood in.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        beacon: Beacon | None,
        contracts: Sequence[Address],
        *,
        rounds: Retries | None = None,
        cache_bytes: int = 128 << 20,
        batch: int = BATCH,
        notice: Notice | None = None,
    ) -> None:
        self.cache_bytes = cache_bytes
        self._pool = EndpointPool([L1Node(endpoint, batch) for endpoint in endpoints], rounds=rounds or Retries(4), patience=_PATIENCE, notice=notice)
        self._beacon = beacon
        self._contracts = tuple(contracts)
        self._blocks: ByteCache[L1Block] = ByteCache(cache_bytes, size_of)
        self._blobs: ByteCache[bytes] = ByteCache(cache_bytes, len)
        self._canonical: dict[int, Hash32] = {}
        self._settled: set[int] = set()  # numbers in `_canonical` that were finalized already when they were learned
        self._under_way: dict[int | Hash32, trio.Event] = {}
        self._finalized: L1BlockRef | None = None

    async def check(self, chain_id: int, genesis: BlockId) -> None:
        """Hold every endpoint against the configuration: its chain id, and the L1 block that the rollup begins after.

        An endpoint that does not answer now is checked before it is first used. Raises WrongChainError for one of another chain, and
        AllFailedError if none answers.
        """

        async def admit(node: L1Node) -> None:
            found = await node.chain_id()
            if found != chain_id:
                raise WrongChainError(node.endpoint.name, "eth_chainId", "", f"{found}, but the rollup's L1 is chain {chain_id}")
            header = await node.header(genesis.number)
            if header.hash != genesis.hash:
                message = f"block {genesis.number} is 0x{header.hash.hex()}, but the rollup's genesis is 0x{genesis.hash.hex()}"
                raise WrongChainError(node.endpoint.name, "eth_getBlockByNumber", "hash", message)

        self._pool.admit = admit
        failures: list[EndpointError] = []
        for node in self._pool.members:
            try:
                await self._pool.ask_one(node, _nothing_more)
            except WrongChainError:
                raise
            except EndpointError as error:
                failures.append(error)
        if len(failures) == len(self._pool.members):
            raise AllFailedError(failures)

    async def block_by_number(self, number: int) -> L1Block | None:
        """The canonical block of a number; None if L1 has none yet. Raises AllFailedError.

        A block that was fetched before is not fetched again; but unless it is finalized, that it is still canonical is asked.
        """
        async with self._one_at_a_time(number):
            return await self._block_by_number(number)

    @asynccontextmanager
    async def _one_at_a_time(self, key: int | Hash32) -> AsyncIterator[None]:
        """Who asks for what is under way already waits, and then finds it in a cache."""
        while key in self._under_way:
            await self._under_way[key].wait()
        done = self._under_way[key] = trio.Event()
        try:
            yield
        finally:
            del self._under_way[key]
            done.set()

    async def _block_by_number(self, number: int) -> L1Block | None:
        is_final = self._finalized is not None and number <= self._finalized.number
        known = self._canonical.get(number)
        cached = None if known is None else self._blocks.get(known)
        if cached is not None and number in self._settled:
            return cached
        if cached is None:
            found = await self._ask(lambda node: _whole(node, number))
            block = None if found is None else await self._complete(*found)
        else:
            header = await self._ask(lambda node: node.header(number))
            block = None if header is None else await self.block_by_hash(BlockId(number, header.hash))
        if block is not None:
            self._remember(block.id, is_final)
        return block

    def _remember(self, block: BlockId, is_final: bool) -> None:
        self._canonical.pop(block.number, None)
        self._canonical[block.number] = block.hash
        if is_final:
            self._settled.add(block.number)
        while len(self._canonical) > max(1024, 2 * len(self._blocks)):
            oldest = next(iter(self._canonical))
            del self._canonical[oldest]
            self._settled.discard(oldest)

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        """The block of that hash; None if no endpoint has it. Raises AllFailedError."""
        cached = self._blocks.get(block.hash)
        if cached is not None:
            return cached
        # By hash, so that an endpoint behind a load balancer cannot mix two blocks.
        found = await self._ask(lambda node: _whole(node, block.hash))
        return None if found is None else await self._complete(*found)

    async def _complete(self, node: L1Node, block: RpcBlock) -> L1Block:
        """The block with its receipts, which are asked for by its hash: first of who had the block."""
        receipts = None
        if any(bloom_may_contain(block.header.logs_bloom, address) for address in self._contracts):
            try:
                receipts = await self._pool.ask_one(node, lambda one: one.receipts(block))
            except EndpointError:
                receipts = await self._pool.ask(lambda one: one.receipts(block))
        whole = L1Block(block.hash, block.header, block.transactions, receipts)
        self._blocks.put(whole.hash, whole)
        return whole

    async def blobs(self, block: BlockId, timestamp: int, hashes: Sequence[Hash32]) -> tuple[bytes, ...] | None:
        """The blobs (131,072 bytes each) of these versioned hashes in the L1 block of that time, in that order.

        None if they are gone with their block, which is no longer canonical. Raises BlobsMissingError where the block is canonical and
        all beacon endpoints lack a blob, or another EndpointError.
        """
        async with self._one_at_a_time(block.hash):
            return await self._blobs_of(block, timestamp, hashes)

    async def _blobs_of(self, block: BlockId, timestamp: int, hashes: Sequence[Hash32]) -> tuple[bytes, ...] | None:
        found = {name: blob for name in hashes if (blob := self._blobs.get(name)) is not None}
        missing = [name for name in dict.fromkeys(hashes) if name not in found]
        if missing:
            try:
                fetched = await self._fetch_blobs(block, timestamp, missing)
            except BlobsMissingError:
                header = await self._ask(lambda node: node.header(block.number))
                if header is None or header.hash != block.hash:
                    return None
                raise
            for name, blob in fetched.items():
                self._blobs.put(name, blob)
            found |= fetched
        return tuple([found[name] for name in hashes])

    async def _fetch_blobs(self, block: BlockId, timestamp: int, hashes: Sequence[Hash32]) -> dict[Hash32, bytes]:
        if self._beacon is None:
            raise EndpointError("beacon", "", "", f"L1 block {block.number} has blobs for the rollup, and no beacon endpoint is configured")
        return await self._beacon.blobs(timestamp, hashes)

    async def head(self) -> L1BlockRef | None:
        """The newest block; an endpoint that is behind the finalized one is passed over. Raises AllFailedError."""

        async def fresh(node: L1Node) -> L1BlockRef:
            ref = ref_of(await node.header("latest"))
            if self._finalized is not None and ref.number < self._finalized.number:
                message = f"its head {ref.number} is before the finalized block {self._finalized.number}"
                raise UnavailableError(node.endpoint.name, "eth_getBlockByNumber", message, None)
            return ref

        return await self._ask(fresh)

    async def safe(self) -> L1BlockRef | None:
        """The block labelled safe; None before there is one. Raises AllFailedError."""
        header = await self._ask(lambda node: node.header("safe"))
        return None if header is None else ref_of(header)

    async def finalized(self) -> L1BlockRef | None:
        """The finalized block; None before there is one. It never goes back. Raises AllFailedError."""

        async def finalized(node: L1Node) -> L1BlockRef:
            ref = ref_of(await node.header("finalized"))
            known = self._finalized
            if known is not None and ref.number == known.number and ref.hash != known.hash:
                message = f"the finalized block {ref.number} is 0x{ref.hash.hex()}, and was 0x{known.hash.hex()}"
                raise WrongAnswerError(node.endpoint.name, "eth_getBlockByNumber", "hash", message)
            return ref

        ref = await self._ask(finalized)
        if ref is not None and (self._finalized is None or ref.number > self._finalized.number):
            self._finalized = ref
        return self._finalized

    async def _ask(self, work: Callable[[L1Node], Awaitable[T]]) -> T | None:
        """The first answer; None where some endpoint says that there is no such thing and no other one has it."""
        try:
            return await self._pool.ask(work)
        except AllFailedError as error:
            if error.some_not_found:
                return None
            raise


def ref_of(header: RpcHeader) -> L1BlockRef:
    """What is kept of a header."""
    return L1BlockRef(header.hash, header.header.number, header.header.parent_hash, header.header.timestamp)


async def _whole(node: L1Node, name: int | Hash32) -> tuple[L1Node, RpcBlock]:
    return node, await node.block(name)


async def _nothing_more(node: L1Node) -> None:
    """Admission is all that is wanted of an endpoint at the start."""


def size_of(block: L1Block) -> int:
    """Bytes that a block takes in memory, about."""
    return _BLOCK_OVERHEAD + sum(map(len, block.transactions)) + sum(map(len, block.receipts or ()))


