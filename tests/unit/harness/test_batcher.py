"""The batcher's steps are undone by the decoders of `trinode.protocol`; damage and bad batches do what they say."""

from __future__ import annotations

from dataclasses import fields
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bad_batches import BadBatches
from harness.batcher import (
    BatcherAccount,
    BatcherBlock,
    BatcherSettings,
    address_of,
    encode_batches,
    encode_channel,
    encode_payloads,
    encode_span,
    pack_frames,
    split_frames,
)
from harness.damage import Damage
from harness.l2_transactions import TransactionMaker
from harness.scenario import BATCHER_KEYS, INBOX, L1_CHAIN_ID, L2_CHAIN_ID, Scenario, make_head, make_l1
from trinode.kzg.commitments import blob_versioned_hash
from trinode.protocol.batch import SingularBatch, decode_singular_batch
from trinode.protocol.blob import decode_blob
from trinode.protocol.channel import ChannelCompression, read_batches
from trinode.protocol.frame import Frame, decode_frames
from trinode.protocol.span_batch import SpanBatch, decode_span_batch
from trinode.protocol.transaction import (
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    decode_transaction,
    recover_sender,
)
from trinode.rollup.config import RollupConfig

CHANNEL = bytes(range(16))


def config() -> RollupConfig:
    scenario = Scenario()
    return make_head(scenario, make_l1(scenario), "").rollup_config


def blocks(rollup: RollupConfig, count: int, seed: int = 0) -> list[BatcherBlock]:
    """Blocks of which each third begins an epoch, with transactions of all types."""
    maker = TransactionMaker(L2_CHAIN_ID, Random(seed))
    result = []
    for index in range(count):
        epoch = index // 3
        transactions = tuple(maker.make(set_code=True) for _ in range(index % 4))
        time = rollup.genesis.l2_time + rollup.block_time * (index + 1)
        batch = SingularBatch(bytes([index]) * 32, 100 + epoch, bytes([epoch]) * 32, time, transactions)
        result.append(BatcherBlock(batch, index % 3))
    return result


def undo(payloads: list[bytes]) -> list[bytes]:
    """The batches in the payloads of one channel."""
    frames = [frame for payload in payloads for frame in decode_frames(payload)]
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert [frame.is_last for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert {frame.channel_id for frame in frames} == {CHANNEL}
    channel = b"".join(frame.data for frame in frames)
    return list(read_batches(channel, brotli_allowed=True, max_rlp_bytes=10**8))


def read_span(rollup: RollupConfig, batch: bytes) -> SpanBatch:
    assert batch[0] == 1
    return decode_span_batch(
        batch[1:], block_time=rollup.block_time, genesis_timestamp=rollup.genesis.l2_time, chain_id=rollup.l2_chain_id
    )


@pytest.mark.parametrize("compression", ChannelCompression)
@pytest.mark.parametrize(("frame_size", "frames_per_payload"), [(100_000, 1), (300, 1), (77, 5), (1, 1000)])
def test_singular_batches_come_back(compression: ChannelCompression, frame_size: int, frames_per_payload: int) -> None:
    rollup = config()
    wanted = blocks(rollup, 8)
    settings = BatcherSettings(
        compression=compression, frame_size=frame_size, frames_per_payload=frames_per_payload, level=5
    )
    batches = undo(encode_payloads(rollup, settings, CHANNEL, wanted))
    assert {batch[0] for batch in batches} == {0}
    assert [decode_singular_batch(batch[1:]) for batch in batches] == [block.batch for block in wanted]


@pytest.mark.parametrize("span_blocks", [1, 3, 5, 100])
def test_spans_come_back(span_blocks: int) -> None:
    rollup = config()
    wanted = blocks(rollup, 10)
    batches = undo(encode_payloads(rollup, BatcherSettings(span_blocks=span_blocks), CHANNEL, wanted))
    spans = [read_span(rollup, batch) for batch in batches]
    assert [len(span) for span in spans] == [min(span_blocks, 10 - start) for start in range(0, 10, span_blocks)]
    elements = [element for span in spans for element in span]
    for element, block in zip(elements, wanted, strict=True):
        assert element.epoch_number == block.batch.epoch_number
        assert element.timestamp == block.batch.timestamp
        assert element.transactions == block.batch.transactions
    assert spans[0].parent_check == wanted[0].batch.parent_hash[:20]
    assert spans[-1].l1_origin_check == wanted[-1].batch.epoch_hash[:20]


def test_what_no_span_can_hold_is_refused() -> None:
    rollup = config()
    block = blocks(rollup, 1)[0]
    blob = TransactionMaker(L2_CHAIN_ID, Random(1)).make_blob()
    with pytest.raises(ValueError, match="type 3"):
        encode_span(rollup, [block._replace(batch=block.batch._replace(transactions=(blob,)))])


@given(data=st.binary(max_size=600), frame_size=st.integers(1, 700), frames_per_payload=st.integers(1, 9))
def test_frames_cover_the_channel(data: bytes, frame_size: int, frames_per_payload: int) -> None:
    frames = split_frames(CHANNEL, data, frame_size)
    assert b"".join(frame.data for frame in frames) == data
    assert all(len(frame.data) == frame_size for frame in frames[:-1])
    payloads = pack_frames(frames, frames_per_payload)
    assert [frame for payload in payloads for frame in decode_frames(payload)] == frames
    assert len(payloads) == -(-len(frames) // frames_per_payload)


def test_a_channel_id_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes, not 3"):
        split_frames(b"abc", b"", 10)


def test_calldata_transactions_are_signed_by_the_batcher() -> None:
    account = BatcherAccount(BATCHER_KEYS[0], L1_CHAIN_ID, INBOX)
    settings = BatcherSettings(legacy=False)
    first, second = account.send([b"a", b"b"], settings)
    third = account.calldata(b"c", legacy=True)
    decoded = [decode_transaction(tx.raw) for tx in (first, second, third)]
    assert [type(tx) for tx in decoded] == [DynamicFeeTransaction, DynamicFeeTransaction, LegacyTransaction]
    for nonce, tx in enumerate(decoded):
        assert isinstance(tx, DynamicFeeTransaction | LegacyTransaction)
        assert (tx.nonce, tx.to, tx.data) == (nonce, INBOX, b"abc"[nonce : nonce + 1])
        assert tx.chain_id == L1_CHAIN_ID
        assert recover_sender(tx) == account.address == address_of(BATCHER_KEYS[0])


def test_blob_transactions_name_their_blobs() -> None:
    account = BatcherAccount(BATCHER_KEYS[1], L1_CHAIN_ID, INBOX)
    sent = account.send([b"a", b"bc", b"d"], BatcherSettings(blobs_per_transaction=2))
    data = []
    for tx in sent:
        decoded = decode_transaction(tx.raw)
        assert isinstance(decoded, BlobTransaction)
        assert recover_sender(decoded) == account.address
        assert decoded.blob_versioned_hashes == tuple(map(blob_versioned_hash, tx.blobs.values()))
        data.append([decode_blob(tx.blobs[name]) for name in decoded.blob_versioned_hashes])
    assert data == [[b"a", b"bc"], [b"d"]]


# ---- damage ----


def some_frames() -> list[Frame]:
    return split_frames(CHANNEL, bytes(range(100)), 10)


def test_without_damage_nothing_changes() -> None:
    payloads = pack_frames(some_frames(), 2)
    assert Damage().frames(some_frames(), Random(0)) == some_frames()
    assert Damage().payloads(payloads, Random(0)) == payloads


@pytest.mark.parametrize("kind", [field.name for field in fields(Damage)])
def test_each_kind_of_damage_alone(kind: str) -> None:
    frames, random = some_frames(), Random(1)
    damage = Damage(**{kind: 1.0})
    after = damage.frames(frames, random)
    payloads = pack_frames(frames, 1)
    changed = damage.payloads(payloads, random)
    of_frames = {
        "shuffle": sorted(after) == sorted(frames),
        "drop": after == [],
        "duplicate": after == [frame for frame in frames for _ in range(2)],
        "swap": after == [*frames[1:], frames[0]],  # the first one sinks to the end
        "wrong_channel": CHANNEL not in {frame.channel_id for frame in after},
        "wrong_number": sum(a.number != b.number for a, b in zip(after, frames, strict=False)) >= 9,  # 0 may stay 0
        "wrong_last": [frame.is_last for frame in after] == [True] * 9 + [False],
    }
    of_payloads = {
        "truncate": all(old.startswith(new) and new != old for old, new in zip(payloads, changed, strict=True)),
        "extend": all(new.startswith(old) and new != old for old, new in zip(payloads, changed, strict=True)),
        "flip": all(
            bin(int.from_bytes(old, "big") ^ int.from_bytes(new, "big")).count("1") == 1
            for old, new in zip(payloads, changed, strict=True)
        ),
        "garbage": not set(changed) & set(payloads),
        "foreign_version": all(new[0] != 0 and new[1:] == old[1:] for old, new in zip(payloads, changed, strict=True)),
    }
    if kind in of_frames:
        assert of_frames[kind]
        assert after != frames
    else:
        assert after == frames
    if kind in of_payloads:
        assert of_payloads[kind]
    else:
        assert changed == payloads


def test_damage_follows_the_seed() -> None:
    damage = Damage.everything(0.5)

    def run(seed: int) -> list[bytes]:
        random = Random(seed)
        return damage.payloads(pack_frames(damage.frames(some_frames(), random), 1), random)

    assert run(1) == run(1)
    assert len({tuple(run(seed)) for seed in range(20)}) > 10


# ---- bad batches ----


def bad(rollup: RollupConfig, seed: int) -> BadBatches:
    random = Random(seed)
    maker = TransactionMaker(L2_CHAIN_ID, random)
    return BadBatches(rollup, make_l1(Scenario()), random, maker)


@pytest.mark.parametrize("span_blocks", [None, 4])
def test_bad_batches_are_many_and_can_be_posted(span_blocks: int | None) -> None:
    rollup = config()
    history = blocks(rollup, 12)
    right = encode_batches(rollup, history[4:], span_blocks)
    seen, wrong = set(), 0
    for seed in range(60):
        batches = bad(rollup, seed).encode(history[4:], span_blocks, history)
        wrong += batches != right
        frames = encode_channel(BatcherSettings(level=1), CHANNEL, batches)
        channel = b"".join(frame.data for frame in frames)
        assert list(read_batches(channel, brotli_allowed=False, max_rlp_bytes=10**8)) == batches
        seen |= set(batches)
    assert wrong > 50  # some kinds need more history than there is
    assert len(seen) > 50
