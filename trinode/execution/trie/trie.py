"""One Merkle Patricia trie from 32-byte keys to values (yellow paper, appendix D), with nodes that are read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trinode.execution.trie.batch import Batch
from trinode.execution.trie.node_loader import NodeCount, NodeLoader
from trinode.execution.trie.nodes import (
    EMPTY_REFERENCE,
    HASH_REFERENCE_SIZE,
    INDEX,
    NIBBLES,
    Branch,
    Extension,
    Leaf,
    Node,
    NodeReader,
    Owner,
    Path,
    TrieNodes,
    encode_node,
)
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Hash32


class Trie:
    """The trie of `owner` with that root. It stays as it is whatever is made from it; versions share what they can.

    All methods raise MissingState where a node is needed that the reader does not have. What `updated` makes is held by
    the tries that have it, stored or not: only nodes that were never read or made here come from the reader.
    """

    def __init__(self, reader: NodeReader, owner: Owner, root: Hash32, count: NodeCount | None = None) -> None:
        self.root = root
        self._loader = NodeLoader(reader, owner, count or NodeCount())
        self._node: Node | None = None

    def get(self, key: Hash32) -> bytes:
        """The value of `key`; empty: there is none."""
        leaf = self.leaf(key)
        return b"" if leaf is None else leaf.value

    def leaf(self, key: Hash32) -> Leaf | None:
        """The leaf of `key`, for its value and its note."""
        loader = self._loader
        node = self._top()
        nibbles = key.hex()
        depth = 0
        while node is not None:
            if type(node) is Branch:
                index = INDEX[nibbles[depth]]
                depth += 1
                node = node.children[index] or loader.child(node, index, nibbles[:depth])
            elif type(node) is Leaf:
                return node if node.key == key else None
            else:
                assert type(node) is Extension
                if not nibbles.startswith(node.path, depth):
                    return None
                depth += len(node.path)
                node = node.branch or loader.below(node, nibbles[:depth])
        return None

    def updated(self, values: Mapping[Hash32, bytes]) -> tuple[Trie, TrieNodes]:
        """The trie with those values (empty: the key is deleted), and what has to be stored for it.

        Applied to the nodes of this trie, stored by path, the `TrieNodes` leave exactly the nodes of the new one.
        """
        return self.with_leaves({key: Leaf(key, value) if value else None for key, value in values.items()})

    def with_leaves(self, leaves: Mapping[Hash32, Leaf | None]) -> tuple[Trie, TrieNodes]:
        """The same with leaves made by the caller, for their notes. A leaf whose value does not change keeps its note."""
        if not leaves:
            return self, {}
        loader = self._loader
        before = self._top()
        batch = Batch(loader, leaves)
        after = batch.apply(before)
        if after is before:
            return self, {}
        nodes = batch.nodes
        if after is None:
            nodes[loader.owner, ""] = None
            return Trie(loader.reader, loader.owner, EMPTY_TRIE_ROOT, loader.count), nodes
        rlp = nodes[loader.owner, ""] = encode_node(after, 0)
        trie = Trie(loader.reader, loader.owner, keccak256(rlp), loader.count)
        trie._node = after
        return trie, nodes

    def proof(self, key: Hash32) -> list[bytes]:
        """RLP of the nodes from the root towards `key`, as eth_getProof lists them: up to its leaf, or up to the node
        that shows there is none. Nodes inside other nodes are not listed of their own.
        """
        loader = self._loader
        node = self._top()
        nibbles = key.hex()
        depth = 0
        reference = b""
        proof: list[bytes] = []
        while node is not None:
            if not proof or len(reference) == HASH_REFERENCE_SIZE:
                proof.append(encode_node(node, depth))
            if type(node) is Branch:
                index = INDEX[nibbles[depth]]
                depth += 1
                reference = node.references[index]
                node = loader.child(node, index, nibbles[:depth])
            elif type(node) is Extension and nibbles.startswith(node.path, depth):
                depth += len(node.path)
                reference = node.reference
                node = loader.below(node, nibbles[:depth])
            else:
                break
        return proof

    def leaves_from(self, start: bytes) -> Iterator[Leaf]:
        """The leaves whose keys are `start` or come after it, in order of their keys. Holds none of the nodes that it reads."""
        top, first = self._top(), start.hex()
        waiting: list[tuple[bytes, Node | None, Path]] = [] if top is None else [(EMPTY_REFERENCE, top, "")]
        while waiting:
            reference, node, path = waiting.pop()
            node = node or self._loader.node(reference, path)
            if type(node) is not Leaf:
                waiting += [below for below in reversed(list(_below(node, path))) if below[2] >= first[: len(below[2])]]
            elif node.key >= start:
                yield node

    def stored_paths(self) -> Iterator[Path]:
        """Where nodes of this trie are stored, in no certain order. Reads every node that is not held, and holds none of them."""
        node = self._top()
        if node is None:
            return
        yield ""
        waiting: list[tuple[Path, Node]] = [("", node)]
        while waiting:
            path, node = waiting.pop()
            for reference, child, place in _below(node, path):
                if len(reference) == HASH_REFERENCE_SIZE:
                    yield place
                waiting.append((place, child or self._loader.node(reference, place)))

    def _top(self) -> Node | None:
        if self._node is None and self.root != EMPTY_TRIE_ROOT:
            self._node = self._loader.root(self.root)
        return self._node


def _below(node: Node, path: Path) -> Iterator[tuple[bytes, Node | None, Path]]:
    """Reference, node if it is held, and path of everything directly below the node at `path`."""
    if type(node) is Extension:
        yield node.reference, node.branch, path + node.path
    elif type(node) is Branch:
        for index, child in enumerate(node.children):
            if node.references[index] != EMPTY_REFERENCE:
                yield node.references[index], child, path + NIBBLES[index]
