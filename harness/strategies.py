"""Hypothesis strategies for derivation: chains, ways of batching, and what may stand in the inbox, from right to nonsense.

What is drawn from is small on purpose: channel ids, frame numbers and times that meet each other find more than random ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

import brotli
import msgspec
from hypothesis import strategies as st

from harness.batcher import BatcherBlock, BatcherSettings, encode_span
from harness.damage import extended, flipped, foreign_version, truncated
from harness.scenario import BatcherSpec, Scenario
from trinode.protocol.batch import SPAN_BATCH_TYPE, SingularBatch, encode_singular_batch
from trinode.protocol.blob import BLOB_SIZE, encode_blob
from trinode.protocol.channel import BROTLI_VERSION, ChannelCompression, compress_channel
from trinode.protocol.frame import CHANNEL_ID_SIZE, Frame, encode_frames
from trinode.protocol.rlp_codec import encode_bytes
from trinode.protocol.span_batch_fields import encode_uvarint
from trinode.protocol.types import UINT64
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

T = TypeVar("T")
LAST_FORK = Fork.KARST
FORKS = tuple(fork for fork in Fork if fork <= LAST_FORK)
_CHANNEL_IDS = tuple(bytes([number]) * CHANNEL_ID_SIZE for number in range(1, 4))


# ---- chains ----


@st.composite
def fork_schedules(draw: st.DrawFn) -> dict[str, int]:
    """Seconds after genesis: some forks at genesis, some together, some in the same L1 gap, some never."""
    last = draw(st.sampled_from(FORKS))
    forks = [fork for fork in SCHEDULED_FORKS if fork <= last]
    at_genesis = draw(st.integers(0, len(forks)))
    gaps = draw(st.lists(st.sampled_from((0, 1, 6, 12, 13, 30, 61)), min_size=len(forks), max_size=len(forks)))
    times = accumulate(0 if index < at_genesis else gap for index, gap in enumerate(gaps))
    return {fork.label: time for fork, time in zip(forks, times, strict=True)}


@st.composite
def batcher_specs(draw: st.DrawFn) -> BatcherSpec:
    """A batcher of a scenario; the poster keeps it to what each L1 block's fork takes."""
    return BatcherSpec(
        vary=draw(st.booleans()),
        span_blocks=draw(st.sampled_from((None, 1, 2, 7, 1000))),
        compression=draw(st.sampled_from(("zlib", "brotli"))),
        level=draw(st.sampled_from((None, 0, 5))),
        frame_size=draw(st.integers(40, 2000)),
        frames_per_payload=draw(st.integers(1, 4)),
        blobs_per_transaction=draw(st.sampled_from((None, 1, 3))),
        legacy=draw(st.booleans()),
    )


@st.composite
def scenarios(draw: st.DrawFn, *, chaos: bool = False) -> Scenario:
    """A short chain; without `chaos` all that is posted is derived. Blocks come seldom, to keep it fast."""
    scenario = Scenario(
        l1_blocks=draw(st.integers(8, 16 if chaos else 24)),
        missed_slot_chance=draw(st.sampled_from((0.0, 0.15))),
        block_time=draw(st.sampled_from((3, 4, 6, 12))),
        seq_window=draw(st.integers(12, 30)),
        max_sequencer_drift=draw(st.sampled_from((30, 600))),
        forks=draw(fork_schedules()),
        transactions=draw(st.integers(0, 3)),
        batcher=draw(batcher_specs()),
        submit_every=draw(st.integers(1, 4)),
        payloads_per_block=draw(st.sampled_from((None, 1, 3))),
        interleave=draw(st.booleans()),
        disorder=draw(st.booleans()),
        config_every=draw(st.sampled_from((0, 4))),
        change_batcher=draw(st.booleans()),
        strays=draw(st.booleans()),
    )
    return _with_chaos(draw, scenario) if chaos else scenario


def _with_chaos(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    changes = {
        "chaos": draw(st.sampled_from((0.0, 0.3))),
        "batch_chaos": draw(st.sampled_from((0.0, 0.2))),
        "outage_every": draw(st.sampled_from((0, 9))),
        "reorg_every": draw(st.sampled_from((0, 6))),
        "reorg_depth": draw(st.integers(1, 5)),
        "seq_window": draw(st.integers(4, 12)),
        "invalid_blocks": draw(st.lists(st.integers(1, 40), max_size=3)),
        "reject_undecodable": draw(st.booleans()),
    }
    return msgspec.structs.replace(scenario, **changes)


# ---- right data ----


@st.composite
def batcher_settings(draw: st.DrawFn, fork: Fork) -> BatcherSettings:
    """A way of batching that `fork` takes, if it was there from the beginning; frames are cut elsewhere."""
    compressions = list(ChannelCompression) if fork >= Fork.FJORD else [ChannelCompression.ZLIB]
    return BatcherSettings(
        span_blocks=draw(st.sampled_from((None, 1, 3, 1000))) if fork >= Fork.DELTA else None,
        compression=draw(st.sampled_from(compressions)),
        level=draw(st.sampled_from((None, 0, 5))),
        blobs_per_transaction=draw(st.sampled_from((None, 1, 2))) if fork >= Fork.ECOTONE else None,
        legacy=draw(st.booleans()),
    )


@st.composite
def groups(draw: st.DrawFn, items: Sequence[T], most: int) -> list[list[T]]:
    """The items in order, in at most `most` groups, of which any may be empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(items)), max_size=most - 1)))
    return [list(items[start:end]) for start, end in zip([0, *cuts], [*cuts, len(items)], strict=True)]


# ---- wrong data ----


def damaged_payloads(payload: bytes) -> st.SearchStrategy[bytes]:
    """A payload cut, lengthened, or with a bit inverted."""
    changes: tuple[Callable[[bytes, Random], bytes], ...] = (truncated, extended, flipped, foreign_version)
    return st.builds(lambda change, seed: change(payload, Random(seed)), st.sampled_from(changes), st.integers(0, 1 << 20))


def any_frames() -> st.SearchStrategy[list[Frame]]:
    """Frames that meet each other: few channels, small numbers."""
    numbers = st.integers(0, 4) | st.sampled_from((0, 1, 65535))
    frame = st.builds(Frame, st.sampled_from(_CHANNEL_IDS), numbers, st.binary(max_size=60), st.booleans())
    return st.lists(frame, min_size=1, max_size=8)


def _near(value: int) -> st.SearchStrategy[int]:
    off = st.integers(-6, 6).map(lambda off: max(0, value + off)) | st.sampled_from((0, 2**63, UINT64))
    return st.one_of(st.just(value), st.just(value), st.just(value), off)


_raw_transactions = st.binary(max_size=40) | st.sampled_from((b"", b"\x7e\x01", b"\x7d\x01", b"\x04\x01", b"\x02\xc0", b"\xc0"))


def any_singular(like: SingularBatch) -> st.SearchStrategy[bytes]:
    """A singular batch whose fields are near those of a right one, or extreme."""
    changed = st.builds(
        SingularBatch,
        st.sampled_from((like.parent_hash,) * 4 + (bytes(32),)),
        _near(like.epoch_number),
        st.sampled_from((like.epoch_hash,) * 4 + (bytes(32),)),
        _near(like.timestamp),
        st.just(like.transactions) | st.lists(_raw_transactions, max_size=3).map(tuple),
    )
    return changed.map(encode_singular_batch)


@st.composite
def any_span(draw: st.DrawFn, config: RollupConfig, like: BatcherBlock) -> bytes:
    """A span batch of the right shape, written column by column: also what no encoder would make."""
    batch = like.batch
    count = draw(st.integers(1, 5) | st.sampled_from((0, 40, 4000, 2**32, UINT64)))
    held = min(count, 4000)
    transactions = draw(st.binary(max_size=80))
    pieces = [
        bytes([SPAN_BATCH_TYPE]),
        encode_uvarint(draw(_near(batch.timestamp - config.genesis.l2_time))),
        # Not far beyond L1: before Holocene a batch that waits for its last L1 origin blocks all others until L1 is there.
        encode_uvarint(draw(st.integers(-4, 3).map(lambda off: max(0, batch.epoch_number + off)) | st.sampled_from((0, 1)))),
        draw(st.sampled_from((batch.parent_hash,) * 4 + (bytes(20),)))[:20],
        draw(st.sampled_from((batch.epoch_hash,) * 4 + (bytes(20),)))[:20],
        encode_uvarint(count),
        draw(st.sampled_from((b"\x00", b"\x00", b"\xff"))) * -(-held // 8),
        bytes(held) if not transactions else draw(st.binary(min_size=min(held, 5), max_size=5)),
        transactions,
    ]
    return b"".join(pieces)


@st.composite
def wrong_spans(draw: st.DrawFn, config: RollupConfig, blocks: Sequence[BatcherBlock]) -> bytes:
    """A span of right blocks, one of which has other fields than it should: overlaps and gaps included."""
    start = draw(st.integers(0, len(blocks) - 1))
    taken = list(blocks[start : start + draw(st.integers(1, 6))])
    index = draw(st.integers(0, len(taken) - 1))
    batch = taken[index].batch
    taken[index] = taken[index]._replace(
        batch=batch._replace(
            epoch_number=batch.epoch_number + draw(st.integers(0, 1)),
            timestamp=batch.timestamp + draw(st.sampled_from((0, 0, 1, config.block_time))),
            transactions=draw(st.sampled_from((batch.transactions, batch.transactions[1:]))),
        ),
        sequence_number=draw(st.integers(0, 1)),
    )
    return encode_span(config, taken)


def any_batches(config: RollupConfig, blocks: Sequence[BatcherBlock]) -> st.SearchStrategy[list[bytes]]:
    """Batches, encoded: right ones, near ones, and bytes."""
    block = st.sampled_from([blocks[0]] * len(blocks) + list(blocks))
    one = st.one_of(
        block.flatmap(lambda right: any_singular(right.batch)),
        block.flatmap(lambda right: any_span(config, right)),
        wrong_spans(config, blocks),
        block.map(lambda right: encode_singular_batch(right.batch)),
        st.binary(max_size=60).map(lambda data: b"\x00" + data) | st.binary(max_size=90).map(lambda data: b"\x01" + data) | st.binary(max_size=9),
    )
    return st.lists(one, min_size=1, max_size=5) | st.just([])


def bombs(config: RollupConfig, blocks: Sequence[BatcherBlock]) -> st.SearchStrategy[bytes]:
    """Inflated channels that are much larger than what is posted of them."""
    many = st.sampled_from((1, 60, 300))
    repeated = st.sampled_from(blocks).flatmap(lambda right: any_singular(right.batch) | any_span(config, right))
    return st.one_of(
        st.sampled_from((1 << 16, 1 << 20, 11_000_000)).map(bytes),
        st.sampled_from((1 << 16, 11_000_000)).map(lambda size: encode_bytes(bytes(size))),
        st.sampled_from((b"\xba\x01\x00\x00", b"\xbf" + b"\xff" * 8, b"\xb8\x80")).map(lambda prefix: prefix + bytes(200)),
        st.builds(lambda batch, times: encode_bytes(batch) * times, repeated, many),
        many.map(lambda times: b"\x80" * times),
    )


def _compressed(inflated: bytes) -> st.SearchStrategy[bytes]:
    packed = bytes([BROTLI_VERSION]) + bytes(brotli.compress(inflated, quality=2))
    return st.sampled_from((zlib.compress(inflated, 6), packed))


@st.composite
def any_channels(draw: st.DrawFn, config: RollupConfig, blocks: Sequence[BatcherBlock]) -> bytes:
    """A channel, inflated to batches, to a bomb or to bytes; or not inflatable, or damaged behind its beginning."""
    kind = draw(st.sampled_from(("batches",) * 5 + ("damaged", "bomb", "header", "bytes")))
    if kind == "bytes":
        return draw(st.binary(max_size=100))
    if kind == "header":
        return draw(st.sampled_from((b"\x01", b"\x78\x9c", b"\x78\xda", b"\x08", b"\x0f", b"\x78\xbb"))) + draw(st.binary(max_size=60))
    if kind == "bomb":
        return draw(draw(bombs(config, blocks).map(_compressed)))
    batches = draw(any_batches(config, blocks))
    channel = compress_channel(batches, draw(st.sampled_from((ChannelCompression.ZLIB,) * 3 + (ChannelCompression.BROTLI,))), 5)
    return draw(damaged_payloads(channel)) if kind == "damaged" else channel


@st.composite
def any_payloads(draw: st.DrawFn, config: RollupConfig, blocks: Sequence[BatcherBlock]) -> list[bytes]:
    """What a batcher that lost its mind could post: one channel whole or in pieces, frames of all sorts, or anything."""
    kind = draw(st.sampled_from(("channel",) * 5 + ("disorder", "damaged", "frames", "bytes")))
    if kind == "bytes":
        return [draw(st.binary(max_size=200))]
    if kind == "frames":
        return [encode_frames(draw(any_frames()))]
    channel = draw(any_channels(config, blocks))
    size = max(1, -(-len(channel) // draw(st.integers(1, 3))))
    name = draw(st.sampled_from(_CHANNEL_IDS) | st.binary(min_size=CHANNEL_ID_SIZE, max_size=CHANNEL_ID_SIZE))
    starts = range(0, max(1, len(channel)), size)
    frames = [Frame(name, n, channel[start : start + size], n == len(starts) - 1) for n, start in enumerate(starts)]
    if kind == "disorder":
        frames = draw(st.permutations(frames))
    payloads = [encode_frames(group) for group in draw(groups(frames, 3)) if group]
    return [draw(damaged_payloads(payload)) for payload in payloads] if kind == "damaged" else payloads


@st.composite
def any_blobs(draw: st.DrawFn, payload: bytes) -> bytes:
    """A blob with `payload`, right or with a header, length or filling that is not; its field elements stay below the modulus."""
    if len(payload) > BLOB_SIZE // 2:
        return encode_blob(b"")
    blob = bytearray(encode_blob(payload))
    for _ in range(draw(st.sampled_from((0, 0, 0, 0, 1, 2)))):
        at = draw(st.integers(0, 40) | st.integers(0, BLOB_SIZE - 1))
        blob[at] = draw(st.sampled_from((0, 1, 0x3F, 0x70) if at % 32 == 0 else (0, 1, 0x80, 0xFF)))
    return bytes(blob)
