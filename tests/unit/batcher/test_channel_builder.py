"""What goes into a channel, when it is full and when it is closed; how it is cut and what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.scenario import GENESIS_TIME, Scenario, make_head, make_l1
from tests.unit.batcher.batcher_network import ALL_FORKS, Network, known_block_of
from trinode.batcher.channel_builder import BLOB_FRAME_SIZE, ChannelBuilder, frame_size
from trinode.batcher.channels import cut_channel
from trinode.batcher.encoding import OriginBlock, batcher_block_of
from trinode.batcher.fees import Fees, Quote, calldata_gas, first_fees, raised_fees
from trinode.batcher.l1_sender import L1Head
from trinode.batcher.settings import GWEI, BatcherSettings, BatchType, Compression, DataAvailability
from trinode.protocol.blob import encode_blob
from trinode.protocol.channel import read_batches
from trinode.protocol.frame import decode_frames
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig

CALLDATA = BatcherSettings(data_availability=DataAvailability.CALLDATA)
QUOTE = Quote(base_fee=GWEI, tip=GWEI, blob_base_fee=1)


def head(number: int = 100, seconds: int = 0, excess: int | None = 0) -> L1Head:
    return L1Head(BlockId(number, bytes([number]) * 32), GENESIS_TIME + seconds, GWEI, excess)


def chain(forks: dict[str, int], transaction_bytes: int = 100) -> tuple[RollupConfig, list[OriginBlock]]:
    """Some blocks of one chain, of five L1 origins."""
    network = Network(Scenario(forks=forks, transaction_bytes=transaction_bytes))
    for _ in range(5):
        network.grow_l2()
        network.sender.mine()
    config = network.config
    return config, [batcher_block_of(config, known_block_of(config, block)) for block in network.sequencer.chain]


def test_blocks_are_read_as_sequenced() -> None:
    network = Network()
    network.grow_l2()
    for block in network.sequencer.chain:
        read = batcher_block_of(network.config, known_block_of(network.config, block))
        assert read.block.batch == block.batch
        assert read.block.sequence_number == block.sequence_number
        assert read.origin_timestamp == network.l1.by_hash[block.batch.epoch_hash].header.timestamp


@pytest.mark.parametrize("batch_type", BatchType)
@pytest.mark.parametrize("compression", Compression)
def test_a_channel_holds_its_blocks(batch_type: BatchType, compression: Compression) -> None:
    config, blocks = chain(ALL_FORKS)
    builder = ChannelBuilder(config, BatcherSettings(batch_type=batch_type, compression=compression), head(), 0)
    assert builder.due(head(110), 9e9) is None  # nothing to close
    assert builder.fill(blocks) == len(blocks) and not builder.full
    data = builder.encode()
    assert (data[0] == 1) is (compression is Compression.AUTO)
    batches = list(read_batches(data, brotli_allowed=True, max_rlp_bytes=10**8))
    assert len(batches) == (1 if batch_type is BatchType.SPAN else len(blocks))


def test_a_full_channel_fits_its_transactions_and_is_not_half_empty() -> None:
    config, blocks = chain(ALL_FORKS, transaction_bytes=2000)
    settings = replace(CALLDATA, max_l1_tx_size=1000, target_num_frames=2)
    at, sizes = 0, []
    while at < len(blocks):
        builder = ChannelBuilder(config, settings, head(), 0)
        taken = builder.fill(blocks[at:])
        assert taken == len(builder.blocks) > 0
        at += taken
        if builder.full:
            assert builder.due(head(), 0) == "it is full"
            sizes.append((len(builder.encode()), taken))
    room = 2 * frame_size(settings, in_blobs=False)
    assert len(sizes) > 3
    assert all(size <= room for size, taken in sizes if taken > 1)
    assert sum(size for size, _ in sizes) / len(sizes) > room / 2


def test_a_block_that_is_larger_than_a_channel_has_one_for_itself() -> None:
    config, blocks = chain(ALL_FORKS, transaction_bytes=2000)
    large = next(block for block in blocks if len(block.block.batch.transactions) > 1)
    settings = replace(CALLDATA, max_l1_tx_size=200, target_num_frames=1)
    builder = ChannelBuilder(config, settings, head(), 0)
    assert builder.fill([large]) == 1 and builder.full
    channel = cut_channel(config, settings, bytes(16), builder.encode(), builder.blocks, head(), QUOTE, 6)
    assert len(channel.submissions) > 1


def test_forks_decide_the_form() -> None:
    config, blocks = chain({"regolith": 0, "canyon": 12, "delta": 24, "ecotone": 24, "fjord": 36})
    first = ChannelBuilder(config, BatcherSettings(), head(seconds=35), 0)
    taken = first.fill(blocks)
    assert 0 < taken < len(blocks) and first.full
    assert blocks[taken].origin_timestamp >= GENESIS_TIME + 24 > blocks[taken - 1].origin_timestamp
    assert {batch[0] for batch in read_batches(first.encode(), brotli_allowed=False, max_rlp_bytes=10**8)} == {0}
    second = ChannelBuilder(config, BatcherSettings(), head(seconds=36), 0)
    second.fill(blocks[taken:])
    assert second.encode()[0] == 1
    assert {batch[0] for batch in read_batches(second.encode(), brotli_allowed=True, max_rlp_bytes=10**8)} == {1}
    for seconds, excess, in_blobs in ((23, 0, False), (24, 0, True), (24, None, False)):
        now = head(seconds=seconds, excess=excess)
        assert cut_channel(config, BatcherSettings(), bytes(16), b"data", blocks, now, QUOTE, 6).submissions[0].in_blobs is in_blobs


def test_when_a_channel_is_due() -> None:
    config, blocks = chain(ALL_FORKS)
    config = replace(config, seq_window_size=40)
    settings = BatcherSettings(max_channel_duration=0, sub_safety_margin=5)

    def due(after: int, seconds: float = 0, **changes: object) -> bool:
        builder = ChannelBuilder(config, replace(settings, **changes), head(100), 0)  # type: ignore[arg-type]
        builder.fill(blocks[:2])
        return builder.due(head(100 + after), seconds) is not None

    assert not due(34) and due(35)  # 40 - 5, from the first block's L1 origin, which is 100
    assert due(3, max_channel_duration=3) and not due(2, max_channel_duration=3)
    assert due(0, 4.0, max_channel_age=4.0) and not due(0, 3.9, max_channel_age=4.0)
    config = replace(config, seq_window_size=1000)
    assert due(45) and not due(44)  # Granite's channel timeout is 50


@pytest.mark.parametrize(("blob_fee", "in_blobs"), [(1, True), (10**12, False)])
def test_auto_takes_what_costs_less(blob_fee: int, in_blobs: bool) -> None:
    config, blocks = chain(ALL_FORKS)
    settings = BatcherSettings(data_availability=DataAvailability.AUTO)
    quote = QUOTE._replace(blob_base_fee=blob_fee)
    channel = cut_channel(config, settings, bytes(16), b"\x01" * 50_000, blocks, head(), quote, 6)
    assert channel.submissions[0].in_blobs is in_blobs


def test_blobs_are_full_and_shared_out() -> None:
    config, blocks = chain(ALL_FORKS)
    data = b"\x07" * (7 * BLOB_FRAME_SIZE + 1)
    channel = cut_channel(config, BatcherSettings(), b"c" * 16, data, blocks, head(), QUOTE, 3)
    assert [len(submission.payloads) for submission in channel.submissions] == [3, 3, 2]
    payloads = [payload for submission in channel.submissions for payload in submission.payloads]
    for payload in payloads:
        encode_blob(payload)  # fits
    frames = [frame for payload in payloads for frame in decode_frames(payload)]
    assert b"".join(frame.data for frame in frames) == data
    assert [frame.number for frame in frames] == list(range(8)) and frames[-1].is_last


def test_several_transactions_wait_for_holocene() -> None:
    scenario = Scenario(forks={**dict.fromkeys(list(ALL_FORKS)[:6], 0), "holocene": 300})
    config = make_head(scenario, make_l1(scenario), "").rollup_config
    _, blocks = chain(ALL_FORKS)
    several = cut_channel(config, CALLDATA, bytes(16), bytes(300_000), blocks, head(), QUOTE, 6)
    alone = cut_channel(config, CALLDATA, bytes(16), b"data", blocks, head(), QUOTE, 6)
    assert [several.must_wait(config, head(seconds=at)) for at in (0, 179, 180, 299, 300)] == [False, False, True, True, False]
    assert not alone.must_wait(config, head(seconds=299))


def test_fees() -> None:
    settings = BatcherSettings(fee_limit_threshold=3 * GWEI, fee_limit_multiplier=3, max_tip=4 * GWEI)
    fees = first_fees(QUOTE, settings)
    assert fees == Fees(GWEI, 3 * GWEI, GWEI)
    assert raised_fees(fees, QUOTE, settings, in_blobs=False) == Fees(11 * GWEI // 10, 33 * GWEI // 10, 11 * GWEI // 10)
    twice = raised_fees(fees, QUOTE, settings, in_blobs=True)
    assert twice == Fees(2 * GWEI, 6 * GWEI, 2 * GWEI)
    assert raised_fees(twice, QUOTE, settings, in_blobs=True) is None
    dear = QUOTE._replace(base_fee=10 * GWEI)
    assert raised_fees(fees, dear, settings, in_blobs=True) == Fees(2 * GWEI, 21 * GWEI, 2 * GWEI)
    assert raised_fees(Fees(4 * GWEI, 5, 5), QUOTE, settings, in_blobs=False) is None  # the tip's limit


def test_gas_of_calldata() -> None:
    assert calldata_gas(b"") == 21_000
    assert calldata_gas(bytes(10) + b"\x01" * 10) == 21_000 + 10 * (10 + 40)


@pytest.mark.parametrize("wrong", [{"poll_interval": 0}, {"max_blobs_per_transaction": 7}, {"max_tip": 1}, {"target_num_frames": 0}])
def test_settings_that_make_no_batcher(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        BatcherSettings(**wrong)  # type: ignore[arg-type]
