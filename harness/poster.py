"""Brings L2 blocks to L1: chooses how each channel is packed, and keeps what waits for the next L1 blocks.

Left alone it keeps to the rules: data that a fork does not take yet is not sent, channels end before they time out or
before Holocene forgets them, and from Holocene on frames come in order. Damage and bad batches are for the caller to
ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from random import Random
from typing import NamedTuple

from harness.bad_batches import BadBatches
from harness.batcher import BatcherAccount, BatcherBlock, BatcherSettings, encode_batches, encode_channel, pack_frames
from harness.damage import Damage
from harness.fake_l1 import FakeL1, L1Transaction
from harness.sequencer import SequencedBlock
from trinode.protocol.blob import MAX_BLOB_DATA_SIZE
from trinode.protocol.channel import ChannelCompression
from trinode.protocol.frame import CHANNEL_ID_SIZE
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork

BLOBS_OF_OTHERS = 3
"""Blobs in an L1 block that are not the batcher's."""
_INTENSITIES = (0.05, 0.3, 0.9)  # chance of each frame of a damaged channel to be hit
_EAGER = 0.3  # of the channels with bad batches, those that are packed as only a later fork allows
_BLOCKS_PER_CHANNEL = 4  # L1 blocks that a channel is spread over at most


class PostingOptions(NamedTuple):
    """What of a scenario is the poster's; the names are the scenario's."""

    settings: BatcherSettings
    vary: bool = False
    payloads_per_block: int | None = None
    interleave: bool = False
    disorder: bool = False
    chaos: float = 0.0
    batch_chaos: float = 0.0


class _Waiting(NamedTuple):
    payload: bytes
    settings: BatcherSettings
    late: bool = False
    from_stranger: bool = False


class Poster:
    """A queue of payloads for the inbox."""

    def __init__(
        self, config: RollupConfig, l1: FakeL1, random: Random, options: PostingOptions, bad_batches: BadBatches
    ) -> None:
        self._config = config
        self._l1 = l1
        self._random = random
        self._options = options
        self._bad_batches = bad_batches
        self._queue: list[_Waiting] = []
        self._late: list[_Waiting] = []
        self._per_block = 0

    @property
    def idle(self) -> bool:
        """Whether all that was packed has been sent."""
        return not self._queue and not self._late

    def forget(self) -> None:
        """Drop what waits."""
        self._queue, self._late = [], []

    def pack(self, blocks: Sequence[SequencedBlock], history: Sequence[SequencedBlock], l1_timestamp: int) -> None:
        """Queue these blocks, in one or two channels, for an L1 block of that time and those after it."""
        ordered = self._config.is_active(Fork.HOLOCENE, l1_inclusion_timestamp=l1_timestamp)
        groups: list[Sequence[SequencedBlock]] = [blocks]
        spans = True
        if self._options.interleave and len(blocks) > 1:
            at = self._random.randrange(1, len(blocks))
            groups = [blocks[:at], blocks[at:]]
            spans = self._spans_may_be_early(blocks[0])
        channels = []
        for group in groups:
            settings = self._settings(l1_timestamp)
            settings = settings if spans else replace(settings, span_blocks=None)
            channels.append(self._channel(group, history, settings, ordered=ordered))
        self._queue += channels[0] if len(channels) == 1 else self._merge(channels, ordered=ordered)
        share = -(-len(self._queue) // _BLOCKS_PER_CHANNEL)
        self._per_block = max(share, self._options.payloads_per_block or len(self._queue))

    def _spans_may_be_early(self, first: SequencedBlock) -> bool:
        """Whether a later span may be read before the blocks that it builds on.

        A span that comes too early is kept, but not where derivation itself is still at an L1 origin before Delta.
        """
        before = self._l1.by_number(first.batch.epoch_number - 1)
        return before is not None and self._config.is_active(Fork.DELTA, l1_origin_timestamp=before.header.timestamp)

    def _merge(self, channels: list[list[_Waiting]], *, ordered: bool) -> list[_Waiting]:
        """The payloads of both channels, each in its order; from Holocene on one after the other."""
        if ordered:
            return [waiting for channel in channels for waiting in channel]
        merged, left = [], [list(reversed(channel)) for channel in channels if channel]
        while left:
            channel = self._random.choice(left)
            merged.append(channel.pop())
            left = [channel for channel in left if channel]
        return merged

    def _channel(
        self,
        blocks: Sequence[SequencedBlock],
        history: Sequence[SequencedBlock],
        settings: BatcherSettings,
        *,
        ordered: bool,
    ) -> list[_Waiting]:
        before = [_batcher_block(block) for block in history]
        batches = []
        for span_blocks, group in self._groups(blocks, settings):
            taken = [_batcher_block(block) for block in group]
            if self._random.random() < self._options.batch_chaos:
                batches += self._bad_batches.encode(taken, span_blocks, before)
            else:
                batches += encode_batches(self._config, taken, span_blocks)
        frames = encode_channel(settings, self._random.randbytes(CHANNEL_ID_SIZE), batches)
        damage = self._damage()
        frames = damage.frames(frames, self._random)
        if self._options.disorder and not ordered:
            self._random.shuffle(frames)
        payloads = damage.payloads(pack_frames(frames, settings.frames_per_payload), self._random)
        random = self._random
        return [
            _Waiting(payload, settings, random.random() < damage.delay, random.random() < damage.stranger)
            for payload in payloads
        ]

    def _damage(self) -> Damage:
        """What happens to a channel: to most of them nothing, to the others a little or a lot."""
        if self._random.random() >= self._options.chaos:
            return Damage()
        return Damage.everything(self._random.choice(_INTENSITIES))

    def _groups(
        self, blocks: Sequence[SequencedBlock], settings: BatcherSettings
    ) -> list[tuple[int | None, Sequence[SequencedBlock]]]:
        """The blocks by how they are batched: spans only from the first block on whose L1 origin is in Delta."""
        if settings.span_blocks is None:
            return [(None, blocks)]
        origins = [self._l1.by_hash[block.batch.epoch_hash].header.timestamp for block in blocks]
        delta = [self._config.is_active(Fork.DELTA, l1_origin_timestamp=time) for time in origins]
        at = delta.index(True) if True in delta else len(blocks)
        groups: list[tuple[int | None, Sequence[SequencedBlock]]] = [(None, blocks[:at])]
        return [*groups, (settings.span_blocks, blocks[at:])]

    def _settings(self, l1_timestamp: int) -> BatcherSettings:
        settings, random = self._options.settings, self._random
        if self._options.vary:
            settings = BatcherSettings(
                span_blocks=random.choice((None, 1, 3, 10, 1000)),
                compression=random.choice(list(ChannelCompression)),
                level=random.choice((None, 0, 1, 6)),
                frame_size=random.choice((60, 300, 1000, 1000, 100_000)),
                frames_per_payload=random.choice((1, 1, 2, 5)),
                blobs_per_transaction=random.choice((None, 1, 2, 6)),
                legacy=random.random() < 0.3,
            )
            if settings.frames_per_payload * settings.frame_size > MAX_BLOB_DATA_SIZE // 2:
                settings = replace(settings, frames_per_payload=1)
        if self._random.random() < self._options.batch_chaos * _EAGER:
            return settings  # what a fork does not take yet
        if not self._config.is_active(Fork.FJORD, l1_inclusion_timestamp=l1_timestamp):
            settings = replace(settings, compression=ChannelCompression.ZLIB)
        if not self._config.is_active(Fork.DELTA, l1_inclusion_timestamp=l1_timestamp):
            settings = replace(settings, span_blocks=None)
        return settings

    def send(
        self, account: BatcherAccount, stranger: BatcherAccount, l1_timestamp: int, *, flush: bool
    ) -> list[L1Transaction]:
        """The transactions for an L1 block of that time; all that waits if `flush`."""
        count = len(self._queue) if flush else self._per_block
        waiting, self._queue = self._late + self._queue[:count], self._queue[count:]
        self._late = [item._replace(late=False) for item in waiting if item.late]
        schedule = self._l1.chain_config.blob_schedule_at(l1_timestamp)
        ecotone = self._config.is_active(Fork.ECOTONE, l1_inclusion_timestamp=l1_timestamp)
        room = schedule.max - BLOBS_OF_OTHERS if schedule is not None and ecotone else 0
        sent: list[L1Transaction] = []
        on_time = [item for item in waiting if not item.late]
        for (from_stranger, settings), run in groupby(on_time, key=lambda item: (item.from_stranger, item.settings)):
            payloads = [item.payload for item in run]
            transactions = _transactions(payloads, settings, stranger if from_stranger else account, room)
            room -= sum(len(tx.blobs) for tx in transactions)
            sent += transactions
        return sent


def _transactions(
    payloads: list[bytes], settings: BatcherSettings, sender: BatcherAccount, room: int
) -> list[L1Transaction]:
    """The payloads in blobs, as far as there is `room` for blobs in the L1 block, and then as calldata."""
    in_blobs = 0 if settings.blobs_per_transaction is None else room
    sent = sender.send(payloads[:in_blobs], settings)
    return sent + sender.send(payloads[in_blobs:], replace(settings, blobs_per_transaction=None))


def _batcher_block(block: SequencedBlock) -> BatcherBlock:
    return BatcherBlock(block.batch, block.sequence_number)
