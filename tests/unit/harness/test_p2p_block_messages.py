"""The messages that real op-node is asked about: what is right is right by our rules too, and a seed gives the same ones again."""

from __future__ import annotations

from collections import Counter

from harness.p2p_peers.block_messages import OLDEST, BlockMessages
from trinode.devnet.genesis import l2_genesis
from trinode.p2p.blocks.envelope import SequencerKey
from trinode.p2p.blocks.judgement import Reason
from trinode.p2p.blocks.rules import Circumstances, judge
from trinode.p2p.blocks.signers import ExpectedSigners
from trinode.protocol.types import BlockId

NOW = 1_800_000_000
KEY = SequencerKey(b"\x01" * 32)
ROLLUP = l2_genesis(BlockId(0, b"\x01" * 32), NOW - 1000, 1).config


def messages(seed: int) -> BlockMessages:
    return BlockMessages(seed, KEY, ROLLUP.l2_chain_id, lambda: NOW)


def test_right_ones_are_valid() -> None:
    held_against = Circumstances(NOW, OLDEST, ExpectedSigners(KEY.address))
    right = list(messages(1).right())
    assert [message.version for message in right] == [1, 2, 3, 4]
    assert {judge(message.data, message.version, ROLLUP, held_against).reason for message in right} == {Reason.VALID}


def test_mutated_ones_are_of_many_kinds() -> None:
    held_against = Circumstances(NOW, OLDEST, ExpectedSigners(KEY.address))
    reasons = Counter(judge(message.data, message.version, ROLLUP, held_against).reason for message in messages(1).mutated(300))
    assert len(reasons) >= 8
    assert 50 < reasons[Reason.VALID] < 250


def test_a_seed_gives_the_same_ones() -> None:
    assert list(messages(7).mutated(50)) == list(messages(7).mutated(50))
    assert list(messages(7).mutated(50)) != list(messages(8).mutated(50))
