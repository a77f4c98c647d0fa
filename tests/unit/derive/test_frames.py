"""Frame Queue, Channel Bank and Channel Assembler: which frames of a channel count, before and after Holocene.

A diagram such as "0 2. 1" lists the frames of one channel of three batches as they come; "." closes the channel.
"""

from __future__ import annotations

import pytest

from harness.batcher import BatcherAccount
from tests.unit.derive.network import Network
from trinode.derive.drops import DropReason
from trinode.derive.frame_queue import prune_frames
from trinode.protocol.blob import encode_blob
from trinode.protocol.frame import Frame, encode_frames
from trinode.rollup.fork import Fork


def f(diagram: str) -> list[Frame]:
    """ "A0 A1. B0" as frames."""
    return [
        Frame(word[0].encode() * 16, int(word[1:].rstrip(".")), word.encode(), word.endswith("."))
        for word in diagram.split()
    ]


@pytest.mark.parametrize(
    ("frames", "kept"),
    [
        ("A0 A1 A2.", "A0 A1 A2."),
        ("A0 A1. B0 B1.", "A0 A1. B0 B1."),
        ("A0 A2.", "A0"),
        ("A0 A0 A1.", "A0 A1."),
        ("A0 A1. A2", "A0 A1."),
        ("A0 A1. A2 A0", "A0 A1."),
        ("A0 B0 B1.", "B0 B1."),
        ("A0 A1 B0 B1.", "B0 B1."),
        ("A0 A1 A2 B0 C0.", "C0."),
        ("A0. B0 B1 C0", "A0. C0"),
        ("A0 B1 A1.", "A0 A1."),
        ("A1 A2 B0.", "B0."),
        ("A1 B1", "A1"),
        ("A0 A1. B1 B0.", "A0 A1. B0."),
        ("A0. B0 A0.", "A0."),
        ("A0. B0 A1.", "A0. B0"),
    ],
)
def test_holocene_prunes_frames_of_one_transaction(frames: str, kept: str) -> None:
    left, pruned = prune_frames(f(frames))
    assert left == f(kept)
    assert len(left) + len(pruned) == len(f(frames))


HOLOCENE_ORDER = [("0 1 2.", 3), ("2. 1 0", 0), ("0 1 0 2.", 0), ("0 1 1 2.", 3), ("0 2. 1", 0), ("0 0 1 2.", 3)]
BEDROCK_ORDER = [("0 1 2.", 3), ("2. 1 0", 3), ("0 1 0 2.", 3), ("0 1 1 2.", 3), ("0 2. 1", 3), ("0 1", 0)]


@pytest.mark.parametrize(("order", "safe"), HOLOCENE_ORDER)
@pytest.mark.parametrize("together", [True, False], ids=["one L1 block", "one L1 block each"])
def test_holocene_takes_frames_in_order_only(order: str, safe: int, together: bool) -> None:
    net = Network(Fork.HOLOCENE)
    channel = net.channel([1, 2, 3], frames=3)
    frames = [channel[int(number.rstrip("."))] for number in order.split()]
    if together:
        net.include(*frames)
    else:
        for frame in frames:
            net.include(frame)
    net.assert_safe(safe)


@pytest.mark.parametrize(("order", "safe"), BEDROCK_ORDER)
def test_the_channel_bank_takes_frames_in_any_order(order: str, safe: int) -> None:
    net = Network(Fork.GRANITE)
    channel = net.channel([1, 2, 3], frames=3)
    for number in order.split():
        net.include(channel[int(number.rstrip("."))])
    net.assert_safe(safe)


def test_holocene_a_first_frame_replaces_an_unfinished_channel() -> None:
    net = Network(Fork.HOLOCENE)
    a, b = net.channel([1, 2], frames=2), net.channel([1, 2], frames=2)
    net.include(a[0], b[0], a[1])
    net.assert_safe(0)
    assert net.drops[DropReason.CHANNEL_REPLACED] == 1
    assert net.drops[DropReason.FRAME_OF_OTHER_CHANNEL] == 1
    net.include(b[1])
    net.assert_safe(2)


def test_the_channel_bank_keeps_channels_side_by_side() -> None:
    net = Network(Fork.GRANITE)
    a, b = net.channel([1, 2], frames=2), net.channel([3, 4], frames=2)
    net.include(b[0], a[0], b[1], a[1])
    net.assert_safe(4)


def test_before_canyon_only_the_oldest_channel_is_read() -> None:
    net = Network(Fork.REGOLITH)
    a, b = net.channel([3], frames=2), net.channel([1, 2])
    net.include(a[0], b[0])
    net.assert_safe(0)  # b is ready, a is not
    net.include(a[1])
    net.assert_safe(3)


def test_from_canyon_any_ready_channel_is_read() -> None:
    net = Network(Fork.CANYON)
    a, b = net.channel([3], frames=2), net.channel([1, 2])
    net.include(a[0], b[0])
    net.assert_safe(2)


@pytest.mark.parametrize("fork", [Fork.CANYON, Fork.HOLOCENE])
@pytest.mark.parametrize(("blocks_between", "safe"), [(5, 2), (6, 0)])
def test_a_channel_times_out(fork: Fork, blocks_between: int, safe: int) -> None:
    net = Network(fork, channel_timeout=6, seq_window=100)
    timeout = net.config.channel_timeout_at(l1_inclusion_timestamp=net.l1.head.header.timestamp)
    a = net.channel([1, 2], frames=2)
    net.include(a[0])
    net.empty(blocks_between + timeout - 6)
    net.include(a[1])
    net.assert_safe(safe)
    assert bool(net.drops[DropReason.CHANNEL_TIMED_OUT]) == (safe == 0)


def test_one_bad_frame_drops_all_frames_of_its_transaction() -> None:
    net = Network(Fork.HOLOCENE)
    a = net.channel([1, 2])
    good = net._transaction(a)
    net.include(encode_frames(a) + b"\x01" * 7)
    assert net.drops[DropReason.BAD_FRAMES] == 1
    net.assert_safe(0)
    net.include(good)
    net.assert_safe(2)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x01abc", b"\x00" + bytes(22), b"\x00" + bytes(18) + b"\x00\x0f\x42\x41" + bytes(100)])
def test_garbage_in_the_inbox_is_dropped(data: bytes) -> None:
    net = Network(Fork.HOLOCENE)
    a = net.channel([1])
    net.include(data, a)
    assert net.drops[DropReason.BAD_FRAMES] == 1
    net.assert_safe(1)


def test_the_inbox_takes_only_the_batchers_transactions() -> None:
    net = Network(Fork.HOLOCENE)
    stranger = BatcherAccount(b"\x77" * 32, net.config.l1_chain_id, net.config.batch_inbox_address)
    a = net.channel([1])
    net.include(stranger.calldata(encode_frames(a)))
    net.assert_safe(0)
    assert net.drops[DropReason.UNAUTHORIZED_SENDER] == 1
    other_inbox = BatcherAccount(b"\x11" * 32, net.config.l1_chain_id, b"\x12" * 20)
    net.include(other_inbox.calldata(encode_frames(a)))
    net.assert_safe(0)


def test_channel_data_lies_in_several_blobs_and_calldata_of_blob_transactions_does_not_count() -> None:
    net = Network(Fork.ECOTONE)
    a = net.channel([1, 2], frames=2)
    net.include(net.batcher.blobs([encode_frames([frame]) for frame in a], calldata=encode_frames(net.channel([1, 2]))))
    net.assert_safe(2)
    assert net.drops[DropReason.BLOB_TRANSACTION_CALLDATA] == 1


def test_a_bad_blob_drops_only_itself() -> None:
    net = Network(Fork.HOLOCENE)
    bad = bytes([0, 9]) + bytes(131_070)
    net.include(net.batcher.raw_blobs([bad, encode_blob(encode_frames(net.channel([1])))]))
    assert net.drops[DropReason.BAD_BLOB] == 1
    net.assert_safe(1)
