"""Many changes of one trie at once: one walk down and up, on which each node that differs is made, encoded and hashed once.

Nodes that change are made anew and never changed in place, so that the trie of before stays as it is. A new node is
encoded by what becomes its parent, when it is certain where it stands: a branch that loses all children but one is
replaced by that child, and a child that moves has another encoding. Until then its reference is `_UNENCODED`.
"""

from __future__ import annotations

from collections.abc import Mapping

from trinode.execution.trie.node_loader import NodeLoader
from trinode.execution.trie.nodes import (
    EMPTY_REFERENCE,
    HASH_REFERENCE_SIZE,
    INDEX,
    NIBBLES,
    Branch,
    Extension,
    Leaf,
    Node,
    Path,
    TrieNodes,
    encode_node,
)
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Hash32

_UNENCODED = b""


class Batch:
    """New leaves by key, None where a key is deleted; `nodes` collects what is stored differently afterwards."""

    def __init__(self, loader: NodeLoader, leaves: Mapping[Hash32, Leaf | None]) -> None:
        items = sorted([(key.hex(), leaf) for key, leaf in leaves.items()], key=_first)
        self._keys = [key for key, _ in items]
        self._leaves = [leaf for _, leaf in items]
        self._loader = loader
        self._owner = loader.owner
        self.nodes: TrieNodes = {}

    def apply(self, root: Node | None) -> Node | None:
        """The root node afterwards: the same object if nothing changed, None if nothing is left. It is not encoded yet.

        Raises MissingState.
        """
        return self._merge(root, 0, 0, len(self._keys))

    def _merge(self, node: Node | None, depth: int, low: int, high: int) -> Node | None:
        """What stands at the place of `node` after changes `low` to `high`, whose keys share their first `depth`
        nibbles with it: `node` itself if they change nothing.
        """
        if node is None:
            if high - low == 1:
                return self._leaves[low]
            return self._build(self._live(low, high), depth)
        if type(node) is Branch:
            return self._merge_branch(node, depth, low, high)
        if type(node) is Leaf:
            return self._merge_leaf(node, depth, low, high)
        assert type(node) is Extension
        return self._merge_extension(node, depth, low, high)

    def _live(self, low: int, high: int) -> list[tuple[str, Leaf]]:
        return [(self._keys[index], leaf) for index in range(low, high) if (leaf := self._leaves[index]) is not None]

    def _merge_leaf(self, node: Leaf, depth: int, low: int, high: int) -> Node | None:
        key = node.key.hex()
        if high - low == 1 and self._keys[low] == key:
            leaf = self._leaves[low]
            return node if leaf is not None and leaf.value == node.value else leaf
        live = self._live(low, high)
        if key not in self._keys[low:high]:
            if not live:
                return node
            live.append((key, node))
            live.sort(key=_first)
        else:
            live = [(other, node if other == key and leaf.value == node.value else leaf) for other, leaf in live]
        return self._build(live, depth)

    def _build(self, leaves: list[tuple[str, Leaf]], depth: int) -> Node | None:
        """A trie of its own below a place at `depth`, of leaves in order of their keys."""
        if len(leaves) < 2:
            return leaves[0][1] if leaves else None
        first, last = leaves[0][0], leaves[-1][0]
        fork = depth
        while first[fork] == last[fork]:  # sorted: what the ends share, all share
            fork += 1
        references = [EMPTY_REFERENCE] * 17
        children: list[Node | None] = [None] * 16
        position, count = 0, len(leaves)
        while position < count:
            key = leaves[position][0]
            nibble = key[fork]
            start = position
            while position < count and leaves[position][0][fork] == nibble:
                position += 1
            child = leaves[start][1] if position - start == 1 else self._build(leaves[start:position], fork + 1)
            assert child is not None
            children[INDEX[nibble]] = child
            references[INDEX[nibble]] = self._encode(child, key[: fork + 1])
        branch = Branch(references, children)
        return branch if fork == depth else Extension(first[depth:fork], self._encode(branch, first[:fork]), branch)

    def _merge_branch(self, node: Branch, depth: int, low: int, high: int) -> Node | None:
        keys = self._keys
        references, children = node.references, node.children
        changed = False
        below = depth + 1
        while low < high:
            key = keys[low]
            nibble = key[depth]
            start = low
            low += 1
            while low < high and keys[low][depth] == nibble:
                low += 1
            index = INDEX[nibble]
            child = self._loader.child(node, index, key[:below]) if children[index] is None else children[index]
            merged = self._merge(child, below, start, low)
            if merged is child:
                continue
            if not changed:
                references, children = references.copy(), children.copy()
            if len(references[index]) == HASH_REFERENCE_SIZE:
                self.nodes[self._owner, key[:below]] = None
            if child is not None:
                self._loader.count.nodes -= 1
            changed = True
            children[index] = merged
            references[index] = EMPTY_REFERENCE if merged is None else _UNENCODED
        if not changed:
            return node
        return self._branch_or_child(references, children, keys[high - 1][:depth])

    def _branch_or_child(self, references: list[bytes], children: list[Node | None], path: Path) -> Node | None:
        """The branch at `path` with those children if there are two at least, else what takes its place."""
        left = 17 - references.count(EMPTY_REFERENCE)
        if left > 1:
            for _ in range(references.count(_UNENCODED)):
                index = references.index(_UNENCODED)
                child = children[index]
                assert child is not None
                references[index] = self._encode(child, path + NIBBLES[index])
            return Branch(references, children)
        if not left:
            return None
        index = next(index for index, reference in enumerate(references) if reference != EMPTY_REFERENCE)
        reference = references[index]
        child = children[index]
        nibble = NIBBLES[index]
        if child is None:
            child = self._loader.node(reference, path + nibble)
        if type(child) is Branch:
            return Extension(nibble, reference or self._encode(child, path + nibble), child)
        if len(reference) == HASH_REFERENCE_SIZE:  # it is kept, but moves up
            self.nodes[self._owner, path + nibble] = None
        return Extension(nibble + child.path, child.reference, child.branch) if type(child) is Extension else child

    def _merge_extension(self, node: Extension, depth: int, low: int, high: int) -> Node | None:
        keys, leaves, stretch = self._keys, self._leaves, node.path
        while low < high and leaves[low] is None and not keys[low].startswith(stretch, depth):
            low += 1
        while low < high and leaves[high - 1] is None and not keys[high - 1].startswith(stretch, depth):
            high -= 1
        if low == high:
            return node
        # What is deleted between the ends shares as much of the stretch as the ends do, for the keys are sorted.
        shared = min(_shared(keys[low], stretch, depth), _shared(keys[high - 1], stretch, depth))
        end = depth + shared
        path = keys[low][:end]
        merged: Node | None
        if shared < len(stretch):
            merged = self._merge_branch(_split(node, shared), end, low, high)
        else:
            branch = self._loader.below(node, path)
            merged = self._merge_branch(branch, end, low, high)
            if merged is branch:
                return node
            if len(node.reference) == HASH_REFERENCE_SIZE:
                self.nodes[self._owner, path] = None
        if shared == 0:
            return merged
        if type(merged) is Extension:
            return Extension(stretch[:shared] + merged.path, merged.reference, merged.branch)
        return Extension(stretch[:shared], self._encode(merged, path), merged) if type(merged) is Branch else merged

    def _encode(self, node: Node, path: Path) -> bytes:
        """The reference to a new node that stands at `path` for good."""
        rlp = encode_node(node, len(path))
        self._loader.count.nodes += 1
        if len(rlp) < 32:
            return rlp
        self.nodes[self._owner, path] = rlp
        return b"\xa0" + keccak256(rlp)


def _first(item: tuple[str, Leaf | None]) -> str:
    return item[0]


def _shared(key: str, stretch: Path, depth: int) -> int:
    """How many nibbles of `stretch` the key has from `depth` on."""
    shared = 0
    while shared < len(stretch) and key[depth + shared] == stretch[shared]:
        shared += 1
    return shared


def _split(extension: Extension, shared: int) -> Branch:
    """The branch that parts an extension after `shared` nibbles, with what is left of it as the only child so far."""
    index = INDEX[extension.path[shared]]
    rest = extension.path[shared + 1 :]
    references = [EMPTY_REFERENCE] * 17
    children: list[Node | None] = [None] * 16
    if rest:
        references[index], children[index] = _UNENCODED, Extension(rest, extension.reference, extension.branch)
    else:
        references[index], children[index] = extension.reference, extension.branch
    return Branch(references, children)
