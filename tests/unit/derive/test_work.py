"""A few posted bytes can inflate to very much: the work for it stays proportional."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.unit.derive.network import Network
from trinode.derive import batch_check, batch_queue
from trinode.derive.drops import DropReason
from trinode.protocol.batch import encode_singular_batch
from trinode.protocol.channel import ChannelCompression, compress_channel
from trinode.rollup.fork import Fork


def test_batches_of_the_future_are_not_checked_again_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = 0
    check = batch_check.check_singular_batch

    def counted(*arguments: Any) -> batch_check.Verdict:
        nonlocal checks
        checks += 1
        return check(*arguments)

    monkeypatch.setattr(batch_queue, "check_singular_batch", counted)
    network = Network(Fork.GRANITE)
    future = network.batch(1, timestamp=2**40)
    network.include(*network.channel([future] * 500))
    network.include(*network.channel([3, 1, 2]))
    network.assert_safe(3)
    assert checks < 1500


def test_an_invalid_block_takes_batches_back_to_the_future() -> None:
    """Block 2 of the span is invalid: the head goes back to block 0, and block 3, whose time had come nearly, must wait on."""
    network = Network(Fork.GRANITE)
    network.invalid.add(2)
    network.include(*network.channel([network.span([1, 2, 3]), 3]))
    assert network.drops[DropReason.BLOCK_INVALID] == 1 and network.pending_safe == 0
    network.invalid.clear()
    network.include(*network.channel([1, 2]))
    network.assert_safe(3)


def test_what_brotli_held_back_before_damage_counts() -> None:
    """Its decoder keeps up to a window of output, which it throws away where it finds damage: all of it is read again."""
    network = Network(Fork.GRANITE)
    large = network.batch(1, transactions=(Random(1).randbytes(200_000),))
    data = compress_channel([encode_singular_batch(network.batch(1)), encode_singular_batch(large)], ChannelCompression.BROTLI, 1)
    network.include(*network.frames(data[:-1] + b"\xff\xff\xff"))
    network.assert_safe(1)


def test_an_empty_channel_is_not_dropped_in_silence() -> None:
    network = Network()
    network.include(*network.channel([]))
    assert network.drops == {DropReason.BAD_CHANNEL: 1}
