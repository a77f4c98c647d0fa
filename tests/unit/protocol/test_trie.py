"""Roots of lists, against a trie that is built node by node from the definition (yellow paper, appendix D)."""

from __future__ import annotations

import pytest

from trinode.protocol import rlp_codec
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import Item
from trinode.protocol.trie import EMPTY_TRIE_ROOT, ordered_trie_root


def compact(nibbles: list[int], leaf: bool) -> bytes:
    flag = 2 * leaf + len(nibbles) % 2
    padded = [flag, *nibbles] if len(nibbles) % 2 else [flag, 0, *nibbles]
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))


def slow_node(pairs: dict[tuple[int, ...], bytes]) -> Item:
    """c(J, i) of the yellow paper, values in branches included."""
    if not pairs:
        return b""
    paths = list(pairs)
    if len(paths) == 1:
        return [compact(list(paths[0]), leaf=True), pairs[paths[0]]]
    shared = 0
    while all(len(path) > shared for path in paths) and len({path[shared] for path in paths}) == 1:
        shared += 1
    if shared:
        rest = slow_cap(slow_node({path[shared:]: value for path, value in pairs.items()}))
        return [compact(list(paths[0][:shared]), leaf=False), rest]
    children: list[Item] = [
        slow_cap(slow_node({path[1:]: value for path, value in pairs.items() if path and path[0] == nibble}))
        for nibble in range(16)
    ]
    return [*children, pairs.get((), b"")]


def slow_cap(node: Item) -> Item:
    encoded = rlp_codec.encode(node)
    return node if len(encoded) < 32 else keccak256(encoded)


def slow_root(items: list[bytes]) -> bytes:
    pairs = {}
    for index, item in enumerate(items):
        key = rlp_codec.encode_int(index)
        pairs[tuple(nibble for byte in key for nibble in (byte >> 4, byte & 15))] = item
    return keccak256(rlp_codec.encode(slow_node(pairs)))


def test_of_nothing() -> None:
    assert ordered_trie_root([]) == EMPTY_TRIE_ROOT == slow_root([])


@pytest.mark.parametrize("size", [1, 5, 30, 31, 32, 40, 100])
def test_agrees_with_the_definition(size: int) -> None:
    # 1, 127 to 129, 255 to 257: where the form of the keys changes. Short items make nodes that stand in their parents.
    for count in (1, 2, 16, 17, 127, 128, 129, 130, 255, 256, 257, 300):
        items = [((index * 7919).to_bytes(4, "big")[::-1] * 25)[:size] for index in range(count)]
        assert ordered_trie_root(items) == slow_root(items), count


def test_order_and_content_count() -> None:
    items = [b"a" * 40, b"b" * 40, b"c" * 40]
    assert len({ordered_trie_root(items), ordered_trie_root(items[::-1]), ordered_trie_root(items[:2])}) == 3
