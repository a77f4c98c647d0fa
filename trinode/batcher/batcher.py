"""The batcher's service: takes the unsafe blocks of L2 into channels, sends these to L1, and watches that they become safe.

It keeps nothing on disk: what is not safe is packed and sent again after a restart. The same happens whenever something came
otherwise than it should (`Rebuild`): L2 or the safe head went back, a channel was not derived or came too late, somebody else used
the account. What is posted twice by that does no harm, derivation passes over it.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import trio

from trinode.batcher.channel_builder import ChannelBuilder
from trinode.batcher.channels import Channel, cut_channel
from trinode.batcher.encoding import OriginBlock, batcher_block_of
from trinode.batcher.l1_sender import L1Head, L1Sender, L1Unavailable
from trinode.batcher.news import News
from trinode.batcher.settings import MOST_BLOBS_PER_TRANSACTION, BatcherSettings
from trinode.batcher.signing import Signer
from trinode.batcher.submitter import Rebuild, Submitter
from trinode.protocol.block import KnownBlock
from trinode.protocol.frame import CHANNEL_ID_SIZE
from trinode.protocol.types import Address, BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.rollup.l2_block import l2_block_of

_LONGEST_DELAY = 60.0
"""Seconds between two beginnings that came to nothing, or two questions to an L1 that does not answer."""
_MOST_UNSENT = 3
"""Channels that wait to be sent, above which no more are made."""
_BLOCKS_AT_ONCE = 100


class BatcherError(Exception):
    """The batcher cannot work here at all."""


class L2Chain(Protocol):
    """The node whose blocks are posted."""

    async def current_l1(self) -> BlockId:
        """The L1 block that derivation reads: what all L1 blocks before it say is in `safe`."""

    async def safe(self) -> BlockId:
        """The safe head."""

    async def unsafe(self) -> BlockId:
        """The unsafe head."""

    async def block_by_number(self, number: int) -> KnownBlock | None:
        """The canonical block of this number."""


class BatcherStatus(NamedTuple):
    """Where it stands: L2 block numbers (`loaded`: the last in any channel, `posted`: in a closed one), and counts.

    `transactions_included`: those of channels that are safe. `is_synced`: not waiting for derivation or for an earlier run's transactions.
    """

    address: Address
    safe: int
    posted: int
    loaded: int
    channels: int
    transactions_waiting: int
    transactions_included: int
    rebuilds: int
    is_synced: bool


class Batcher:
    """Posts the blocks of one chain with one key (32 bytes). `log` takes lines for the operator; `clock` gives seconds."""

    def __init__(
        self,
        config: RollupConfig,
        l1_config: L1ChainConfig,
        key: bytes,
        l1: L1Sender,
        chain: L2Chain,
        settings: BatcherSettings | None = None,
        *,
        log: Callable[[str], None],
        clock: Callable[[], float] = trio.current_time,
        new_channel_id: Callable[[], bytes] = lambda: secrets.token_bytes(CHANNEL_ID_SIZE),
    ) -> None:
        self._config = config
        self._l1_config = l1_config
        self._l1 = l1
        self._chain = chain
        self._settings = settings or BatcherSettings()
        self._clock = clock
        self._new_channel_id = new_channel_id
        self._news = News(log)
        self._threads = trio.CapacityLimiter(1)
        signer = Signer(key, config.l1_chain_id, config.batch_inbox_address, self._threads)
        self._submitter = Submitter(signer, l1, l1_config, self._settings, clock, self._news)
        self._base = config.genesis.l2  # safe, and the parent of the first block that is kept here
        self._loaded = self._base  # the last block that is in a channel
        self._safe = self._base
        self._channels: list[Channel] = []
        self._builder: ChannelBuilder | None = None
        self._rebuilds = self._included = 0
        self._fruitless = 0
        self._is_synced = False

    def status(self) -> BatcherStatus:
        """What it is about."""
        return BatcherStatus(
            address=self._submitter.address,
            safe=self._safe.number,
            posted=self._channels[-1].last.number if self._channels else self._base.number,
            loaded=self._loaded.number,
            channels=len(self._channels),
            transactions_waiting=len(self._submitter.waiting),
            transactions_included=self._included,
            rebuilds=self._rebuilds,
            is_synced=self._is_synced,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Post blocks until cancelled. Raises BatcherError if the L1 endpoints are of another chain."""
        task_status.started()
        await self._patiently(self._check_chain)
        await self._check_address(await self._chain.safe())
        while True:
            await self._patiently(self._begin)
            try:
                while True:
                    await self._patiently(self._step)
                    await trio.sleep(self._settings.poll_interval)
            except Rebuild as reason:
                self._rebuilds += 1
                self._news.log(f"beginning again at the safe head: {reason}")
                self._is_synced = False
                await trio.sleep(min(self._settings.poll_interval * 2.0**self._fruitless, _LONGEST_DELAY))
                self._fruitless = min(self._fruitless + 1, 10)

    async def _patiently(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again while L1 does not answer."""
        delay = self._settings.poll_interval
        while True:
            try:
                await action()
            except L1Unavailable as error:
                self._news.say("L1", f"L1 does not answer: {error}")
                await trio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
            else:
                self._news.over("L1")
                return

    async def _check_chain(self) -> None:
        chain_id = await self._l1.chain_id()
        if chain_id != self._config.l1_chain_id:
            raise BatcherError(f"the batcher's L1 endpoint is of chain {chain_id}, not {self._config.l1_chain_id}")

    # ---- beginning ----

    async def _begin(self) -> None:
        """Stand at the safe head with nothing in flight, once derivation has read what was sent before."""
        self._channels, self._builder = [], None
        await self._submitter.settle()
        settled = (await self._l1.head()).number
        while (await self._chain.current_l1()).number < min(settled, (await self._l1.head()).number):
            self._news.say("sync", f"waiting until derivation has read L1 up to block {settled}")
            await trio.sleep(self._settings.poll_interval)
        self._news.over("sync")
        safe = await self._chain.safe()
        if safe != self._base:
            self._fruitless = 0
        self._base = self._loaded = self._safe = safe
        self._is_synced = True
        await self._check_address(safe)

    async def _check_address(self, safe: BlockId) -> None:
        block = await self._chain.block_by_number(safe.number)
        if block is None:
            return
        system_config = l2_block_of(self._config, block.header, block.hash, block.transactions).system_config
        if system_config.batcher_address != self._submitter.address:
            mine, wanted = self._submitter.address.hex(), system_config.batcher_address.hex()
            self._news.say("address", f"the batcher of the chain is 0x{wanted}, not 0x{mine}: what is sent will not be read")

    # ---- one round ----

    async def _step(self) -> None:
        """Raises Rebuild, L1Unavailable."""
        head = await self._l1.head()
        await self._submitter.track(head)
        # In this order: all that L1 blocks before `current_l1` say is in the safe head that is asked for later.
        current_l1 = (await self._chain.current_l1()).number
        self._judge(await self._chain.safe(), current_l1, head)
        await self._load(await self._chain.unsafe(), head)
        await self._send(head)

    def _judge(self, safe: BlockId, current_l1: int, head: L1Head) -> None:
        """Compare what was posted with the safe head, and forget what is safe. Raises Rebuild."""
        if safe.number < self._base.number or (safe.number == self._base.number and safe != self._base):
            raise Rebuild(f"the safe head went back to block {safe.number}")
        self._safe = safe
        if safe.number > self._loaded.number:
            if self._channels or self._builder is not None:
                raise Rebuild(f"the safe head is at block {safe.number}, beyond what was read for posting")
            self._base = self._loaded = safe
        while self._channels and self._channels[0].last.number <= safe.number:
            channel = self._channels.pop(0)
            self._included += len(channel.submissions)
            self._check_same(channel, safe)
            self._base = channel.last
            self._fruitless = 0
        for channel in self._channels:
            self._check_same(channel, safe)
            self._check_derived(channel, current_l1, head)

    def _check_same(self, channel: Channel, safe: BlockId) -> None:
        posted = channel.hash_at(safe.number)
        if posted is not None and posted != safe.hash:
            raise Rebuild(f"safe block {safe.number} is not the one that was posted")

    def _check_derived(self, channel: Channel, current_l1: int, head: L1Head) -> None:
        name = f"the channel with blocks {channel.blocks[0].number} to {channel.last.number}"
        completed, opened = channel.completed_in, channel.opened_in
        if completed is not None and completed < current_l1:
            raise Rebuild(f"derivation has passed L1 block {completed}, and {name} is not safe")
        timeout = self._config.channel_timeout_at(l1_inclusion_timestamp=head.timestamp)
        if completed is None and opened is not None and head.number >= opened + timeout:
            raise Rebuild(f"{name}, begun in L1 block {opened}, has timed out")

    async def _load(self, unsafe: BlockId, head: L1Head) -> None:
        """Take new blocks into channels, and close those that are due. Raises Rebuild where L2 has another chain than before."""
        await self._check_chain_stays(unsafe)
        while sum(not channel.begun for channel in self._channels) < _MOST_UNSENT:
            blocks = await self._next_blocks(unsafe)
            if blocks and self._builder is None:
                self._builder = ChannelBuilder(self._config, self._settings, head, self._clock())
            if blocks and self._builder is not None:
                taken = await trio.to_thread.run_sync(self._builder.fill, blocks, limiter=self._threads)
                self._loaded = blocks[taken - 1].id if taken else self._loaded
            closed = await self._close_if_due(head)
            if not blocks and not closed:
                return

    async def _check_chain_stays(self, unsafe: BlockId) -> None:
        loaded = self._loaded
        if unsafe == loaded:
            return
        block = await self._chain.block_by_number(loaded.number) if unsafe.number > loaded.number else None
        if block is None or block.hash != loaded.hash:
            raise Rebuild(f"L2 block {loaded.number} is not canonical any more")

    async def _next_blocks(self, unsafe: BlockId) -> list[OriginBlock]:
        """The blocks after the last one that is in a channel, up to the unsafe head."""
        blocks: list[OriginBlock] = []
        parent = self._loaded
        for number in range(parent.number + 1, min(unsafe.number, parent.number + _BLOCKS_AT_ONCE) + 1):
            known = await self._chain.block_by_number(number)
            if known is None:
                break
            if known.header.parent_hash != parent.hash:
                raise Rebuild(f"L2 block {number} does not follow the block before it")
            blocks.append(batcher_block_of(self._config, known))
            parent = blocks[-1].id
        return blocks

    async def _close_if_due(self, head: L1Head) -> bool:
        builder = self._builder
        reason = builder.due(head, self._clock()) if builder is not None else None
        if builder is None or reason is None:
            return False
        data = await trio.to_thread.run_sync(builder.encode, limiter=self._threads)
        quote = await self._submitter.quote(head)
        schedule = self._l1_config.blob_schedule_at(head.timestamp)
        most_blobs = MOST_BLOBS_PER_TRANSACTION if schedule is None else schedule.max
        channel_id = self._new_channel_id()
        channel = cut_channel(self._config, self._settings, channel_id, data, builder.blocks, head, quote, most_blobs)
        self._channels.append(channel)
        self._builder = None
        kind = "blobs" if channel.submissions[0].in_blobs else "calldata"
        what = f"blocks {channel.blocks[0].number} to {channel.last.number}, {len(data)} bytes"
        self._news.log(f"closed channel {channel_id.hex()} because {reason}: {what} in {len(channel.submissions)} transactions with {kind}")
        return True

    async def _send(self, head: L1Head) -> None:
        """Send what is packed, in order, as far as the settings allow."""
        limit = self._settings.max_pending_transactions
        for channel in self._channels:
            if channel.must_wait(self._config, head):
                return
            for submission in channel.submissions:
                if submission.nonce is not None:
                    continue
                waiting = self._submitter.waiting
                # L1's pools take transactions with blobs and without from one account only one after the other.
                other_kind = any(other.in_blobs != submission.in_blobs for other in waiting)
                refused = any(not other.accepted for other in waiting)
                if other_kind or refused or (limit and len(waiting) >= limit):
                    return
                await self._submitter.send(submission, head)
