"""The trie over leaves that come in order of their keys, in memory that does not grow with it (yellow paper, appendix D).

Where a leaf hangs is certain once the next key is known: below the branch at the nibble where it parts from its nearer
neighbour. Only the branches on the way to the last leaf are open, at most one for each nibble of a key; when a key
parts from the last one above a branch, nothing more comes below that, and it is encoded and handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, pairwise

from trinode.execution.trie.nodes import EMPTY_REFERENCE, INDEX, Branch, Extension, Leaf, Node, Path, encode_node
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Hash32

_NO_BRANCH = -1


def build_trie(leaves: Iterable[tuple[Hash32, bytes]], put: Callable[[Path, bytes], None]) -> Hash32:
    """The root of the trie over `leaves` (keys in strictly ascending order, values not empty). `put` is given path and RLP
    of each node that is stored: those of 32 bytes and more, and the root.
    """
    builder = _Builder(put)
    root = EMPTY_TRIE_ROOT
    left = _NO_BRANCH
    for leaf, following in pairwise(chain(leaves, (None,))):
        assert leaf is not None
        right = _NO_BRANCH if following is None else _shared(leaf[0], following[0])
        root = builder.add(leaf, left, right) or root
        left = right
    return root


def _shared(first: Hash32, second: Hash32) -> int:
    """How many nibbles two different keys have in common at the beginning."""
    differing = int.from_bytes(first, "big") ^ int.from_bytes(second, "big")
    return 64 - ((differing.bit_length() + 3) >> 2)


class _Builder:
    def __init__(self, put: Callable[[Path, bytes], None]) -> None:
        self._put = put
        self._open: list[tuple[int, list[bytes]]] = []  # depth and references of the branches that more may come below

    def add(self, leaf: tuple[Hash32, bytes], left: int, right: int) -> Hash32 | None:
        """Adds a leaf that shares `left` nibbles with the one before it and `right` with the next. The root, if it is the last."""
        key, value = leaf
        nibbles = key.hex()
        parent = max(left, right)
        if right > left:
            self._open.append((right, [EMPTY_REFERENCE] * 17))
        root = self._hang(Leaf(key, value), nibbles, parent)
        while self._open and self._open[-1][0] > right:
            depth, references = self._open.pop()
            parent = max(right, self._open[-1][0] if self._open else _NO_BRANCH)
            if parent != _NO_BRANCH and (not self._open or self._open[-1][0] < parent):
                self._open.append((parent, [EMPTY_REFERENCE] * 17))
            node: Node = Branch(references, [None] * 16)
            if depth > parent + 1:
                reference = self._store(node, nibbles[:depth])
                node = Extension(nibbles[parent + 1 : depth], reference, None)
            root = self._hang(node, nibbles, parent)
        return root

    def _hang(self, node: Node, nibbles: str, parent: int) -> Hash32 | None:
        """Puts a node below the innermost open branch, which stands at depth `parent`; without one it is the root."""
        if parent == _NO_BRANCH:
            rlp = encode_node(node, 0)
            self._put("", rlp)
            return keccak256(rlp)
        self._open[-1][1][INDEX[nibbles[parent]]] = self._store(node, nibbles[: parent + 1])
        return None

    def _store(self, node: Node, path: Path) -> bytes:
        rlp = encode_node(node, len(path))
        if len(rlp) < 32:  # it stands inside its parent
            return rlp
        self._put(path, rlp)
        return b"\xa0" + keccak256(rlp)
