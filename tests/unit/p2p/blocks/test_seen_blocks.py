"""How many blocks of a height are taken, and how many heights are kept. As real op-node: the sixth is the last."""

from __future__ import annotations

from trinode.p2p.blocks.judgement import Reason
from trinode.p2p.blocks.seen import MOST_HEIGHTS, MOST_OF_HEIGHT, SeenBlocks


def test_more_than_five_have_been_seen() -> None:
    seen = SeenBlocks()
    blocks = [bytes([index]) * 32 for index in range(8)]
    assert [seen.see(7, block) for block in blocks[:2]] == [Reason.VALID] * 2
    assert seen.see(7, blocks[0]) is Reason.SEEN
    assert [seen.see(7, block) for block in blocks[2:]] == [Reason.VALID] * 4 + [Reason.TOO_MANY_OF_HEIGHT] * 2
    assert MOST_OF_HEIGHT == 5
    assert seen.see(7, blocks[0]) is Reason.TOO_MANY_OF_HEIGHT
    assert seen.see(8, blocks[0]) is Reason.VALID


def test_heights_are_bounded() -> None:
    seen = SeenBlocks()
    for number in range(MOST_HEIGHTS):
        assert seen.see(number, bytes(32)) is Reason.VALID
    assert seen.see(0, bytes(32)) is Reason.SEEN  # asked for now: 1 is the one that was not for longest
    assert seen.see(MOST_HEIGHTS, bytes(32)) is Reason.VALID
    assert len(seen) == MOST_HEIGHTS
    assert seen.see(0, bytes(32)) is Reason.SEEN
    assert seen.see(1, bytes(32)) is Reason.VALID
