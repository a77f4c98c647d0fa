"""Batches that break a rule, overlap with earlier ones, or do not decode (OP Stack specification: derivation, "Batch
Queue"; delta/span-batches, "Span Batch Validity"; holocene/derivation, "Span Batches").

A batch is broken so that a reader must find the very rule: everything else about it is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from harness.batcher import BatcherBlock, encode_span
from harness.damage import flipped
from harness.fake_l1 import FakeL1
from harness.l2_transactions import TransactionMaker
from trinode.protocol.batch import SingularBatch, encode_singular_batch
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork

_DEPOSIT, _POST_EXECUTION = b"\x7e", b"\x7d"
_CHECK_START = 60  # a span's prefix lies in so many bytes, whatever its numbers
_LARGE = 2**64 - 1
_TEMPTATION = 0.5  # chance that a batch for a block that must be empty is broken in just that
_OTHERS = 0.05  # chance of another batch to be broken too


class BadBatches:
    """Encodes blocks as a batcher does, but breaks one of the batches, and now and then others."""

    def __init__(self, config: RollupConfig, l1: FakeL1, random: Random, maker: TransactionMaker) -> None:
        self._config = config
        self._random = random
        self._maker = maker
        self._l1 = l1

    def encode(
        self, blocks: Sequence[BatcherBlock], span_blocks: int | None, history: Sequence[BatcherBlock]
    ) -> list[bytes]:
        """The batches with their type byte, like `batcher.encode_batches`.

        `history`: all blocks sequenced so far, in order, for overlaps and repetitions.
        """
        batches: list[bytes] = []
        step = span_blocks or 1
        starts = range(0, len(blocks), step)
        chosen = self._random.choice(starts) if starts else 0
        for start in starts:
            group = list(blocks[start : start + step])
            broken = start == chosen or self._random.random() < _OTHERS
            if span_blocks is None:
                block = group[0].batch
                batches += self._bad_singular(block, history) if broken else [encode_singular_batch(block)]
            else:
                batches += self._bad_span(group, history) if broken else [encode_span(self._config, group)]
        return batches

    # ---- singular ----

    def _bad_singular(self, block: SingularBatch, history: Sequence[BatcherBlock]) -> list[bytes]:
        random, right = self._random, encode_singular_batch(block)
        if self._must_be_empty(block) and random.random() < _TEMPTATION:
            return [encode_singular_batch(self._filled(block)), right][: random.randint(1, 2)]
        kind = random.randrange(12)
        if kind == 0:
            return [right, right]
        if kind == 1 and history:
            return [encode_singular_batch(random.choice(history).batch), right]
        if kind == 2:
            return [self._undecodable(right)]
        if kind == 3:
            return [self._undecodable(right), right]
        if kind == 4:  # the bad one first, then the right one
            return [encode_singular_batch(self._wrong(block)), right]
        return [encode_singular_batch(self._wrong(block))]

    def _wrong(self, block: SingularBatch) -> SingularBatch:
        random = self._random
        kind = random.randrange(9)
        if kind == 0:
            return block._replace(timestamp=max(0, block.timestamp + random.randint(-3, 4)))
        if kind == 1:
            return block._replace(timestamp=random.choice((0, _LARGE, block.timestamp + 2 * self._config.block_time)))
        if kind == 2:
            return block._replace(epoch_number=max(0, block.epoch_number + random.randint(-2, 2)))
        if kind == 3:
            return block._replace(epoch_hash=random.randbytes(32))
        if kind == 4:
            return block._replace(parent_hash=random.randbytes(32))
        if kind == 5:  # the next L1 origin, which may come too early
            following = self._origin_hash(block.epoch_number + 1)
            return (
                block
                if following is None
                else block._replace(epoch_number=block.epoch_number + 1, epoch_hash=following)
            )
        if kind == 6:
            return block._replace(transactions=())
        return block._replace(transactions=self._with_wrong_transaction(block.transactions))

    def _must_be_empty(self, block: SingularBatch) -> bool:
        """Whether a rule of its own forbids transactions: the drift, or an activation block."""
        origin = self._l1.by_hash.get(block.epoch_hash)
        if origin is None:
            return False
        time = origin.header.timestamp
        late = block.timestamp > time + self._config.max_sequencer_drift_at(l1_origin_timestamp=time)
        activated = self._config.activated_forks(l2_timestamp=block.timestamp)
        return late or any(fork >= Fork.JOVIAN for fork in activated)

    def _filled(self, block: SingularBatch) -> SingularBatch:
        return block._replace(transactions=(*block.transactions, self._maker.make(set_code=False)))

    def _origin_hash(self, number: int) -> Hash32 | None:
        """Hash of the canonical L1 block of a number, if there is one."""
        block = self._l1.by_number(number)
        return None if block is None else block.hash

    def _with_wrong_transaction(self, transactions: tuple[bytes, ...]) -> tuple[bytes, ...]:
        random = self._random
        wrong = random.choice(
            (
                b"",
                _DEPOSIT + random.randbytes(32),
                _POST_EXECUTION + random.randbytes(32),
                random.randbytes(random.choice((1, 32))),
                self._maker.make_set_code(),
                self._maker.make_set_code(),
                self._maker.make_blob(),
            )
        )
        at = random.randint(0, len(transactions))
        return (*transactions[:at], wrong, *transactions[at:])

    # ---- span ----

    def _bad_span(self, blocks: list[BatcherBlock], history: Sequence[BatcherBlock]) -> list[bytes]:
        right = encode_span(self._config, blocks)
        tempting = [index for index, block in enumerate(blocks) if self._must_be_empty(block.batch)]
        if tempting and self._random.random() < _TEMPTATION:
            at = self._random.choice(tempting)
            filled = blocks[at]._replace(batch=self._filled(blocks[at].batch))
            return [encode_span(self._config, [*blocks[:at], filled, *blocks[at + 1 :]])]
        kind = self._random.randrange(15)
        if kind < 5:
            try:
                return [encode_span(self._config, self._overlapping(blocks, history, kind))]
            except ValueError:  # an earlier block came from a bad singular batch, with what no span can hold
                return [right]
        if kind == 5:
            return [encode_span(self._config, self._wrong_origins(blocks))]
        if kind == 6:
            return [encode_span(self._config, self._wrong_block(blocks))]
        if kind == 7:  # the first blocks are missing: in the future
            first = self._random.randint(min(1, len(blocks) - 1), len(blocks) - 1)
            return [encode_span(self._config, blocks[first:])]
        if kind == 8:
            return [right, right]
        if kind == 9:
            return [self._wrong_prefix(right)]
        if kind == 10:
            return [self._wrong_prefix(right), right]
        if kind == 11:
            return [self._undecodable(right), right]
        if kind == 12:  # blocks as singular batches, and then the whole span again
            return [*(encode_singular_batch(block.batch) for block in blocks[: self._random.randint(1, 3)]), right]
        if kind == 13:
            return [encode_span(self._config, self._shifted(blocks))]
        return [self._undecodable(right)]

    def _shifted(self, blocks: list[BatcherBlock]) -> list[BatcherBlock]:
        """All times a little off."""
        off = self._random.choice((-self._config.block_time, -1, 1, self._config.block_time))
        return [block._replace(batch=block.batch._replace(timestamp=block.batch.timestamp + off)) for block in blocks]

    def _overlapping(
        self, blocks: list[BatcherBlock], history: Sequence[BatcherBlock], kind: int
    ) -> list[BatcherBlock]:
        """The span with up to four of the blocks before it; they may differ from what they were."""
        at = next((index for index, block in enumerate(history) if block.batch == blocks[0].batch), 0)
        before = list(history[max(0, at - self._random.randint(1, 4)) : at])
        if not before or kind < 2:
            return before + blocks
        index = self._random.randrange(len(before))
        batch = before[index].batch
        if kind == 2:
            batch = batch._replace(transactions=batch.transactions[1:])
        elif kind == 3:
            batch = batch._replace(transactions=(*batch.transactions, self._maker.make(set_code=False)))
        else:
            batch = batch._replace(epoch_number=batch.epoch_number - 1)
        before[index] = before[index]._replace(batch=batch)
        return before + blocks

    def _wrong_origins(self, blocks: list[BatcherBlock]) -> list[BatcherBlock]:
        """From some block on, each L1 origin is one later."""
        at = self._random.randrange(len(blocks))
        later = []
        for block in blocks[at:]:
            number = block.batch.epoch_number + 1
            origin_hash = self._origin_hash(number) or block.batch.epoch_hash
            later.append(block._replace(batch=block.batch._replace(epoch_number=number, epoch_hash=origin_hash)))
        return blocks[:at] + later

    def _wrong_block(self, blocks: list[BatcherBlock]) -> list[BatcherBlock]:
        """One block has a transaction more (of type 4, if not only then), or none."""
        at = self._random.randrange(len(blocks))
        batch = blocks[at].batch
        added = self._random.choice((self._maker.make_set_code(), self._maker.make(set_code=False), None))
        batch = batch._replace(transactions=() if added is None else (*batch.transactions, added))
        return [*blocks[:at], blocks[at]._replace(batch=batch), *blocks[at + 1 :]]

    def _wrong_prefix(self, span: bytes) -> bytes:
        """One bit of time, L1 origin, checks or block count is wrong."""
        return span[:1] + flipped(span[1:_CHECK_START], self._random) + span[_CHECK_START:]

    def _undecodable(self, batch: bytes) -> bytes:
        """Damaged, cut short, too long, of another type, or empty."""
        random = self._random
        kind = random.randrange(6)
        if kind == 0:
            return batch[: random.randrange(len(batch))]
        if kind == 1:
            return batch + random.randbytes(random.randint(1, 3))
        if kind == 2:
            return bytes([random.randrange(256)]) + batch[1:]
        if kind == 3:
            return b""
        return flipped(batch, random)
