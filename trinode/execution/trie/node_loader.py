"""Nodes that are read, or decoded from inside their parents, when a walk comes to them; and kept there for the next."""

from __future__ import annotations

from trinode.execution.trie.nodes import (
    EMPTY_REFERENCE,
    HASH_REFERENCE_SIZE,
    Branch,
    Extension,
    MalformedNode,
    Node,
    NodeReader,
    Owner,
    Path,
    decode_node,
)
from trinode.protocol.types import Hash32


class NodeCount:
    """How many decoded nodes tries that share them hold, roughly: nodes that only older versions still hold are not counted."""

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes = 0


class NodeLoader:
    """Reads the nodes of the trie of `owner`. All methods raise MissingState."""

    __slots__ = ("count", "owner", "reader")

    def __init__(self, reader: NodeReader, owner: Owner, count: NodeCount) -> None:
        self.reader = reader
        self.owner = owner
        self.count = count

    def root(self, root: Hash32) -> Node:
        self.count.nodes += 1
        return decode_node(self.reader.node(self.owner, "", root), "")

    def node(self, reference: bytes, path: Path) -> Node:
        """The node that a parent holds as `reference`, at `path`."""
        rlp = self.reader.node(self.owner, path, reference[1:]) if len(reference) == HASH_REFERENCE_SIZE else reference
        return decode_node(rlp, path)

    def child(self, branch: Branch, index: int, path: Path) -> Node | None:
        """The child of `branch` by nibble, which stands at `path`; None: there is none."""
        child = branch.children[index]
        if child is None:
            reference = branch.references[index]
            if reference == EMPTY_REFERENCE:
                return None
            child = branch.children[index] = self.node(reference, path)
            self.count.nodes += 1
        return child

    def below(self, extension: Extension, path: Path) -> Branch:
        """The branch below `extension`, which stands at `path`."""
        if extension.branch is None:
            branch = self.node(extension.reference, path)
            if type(branch) is not Branch:
                raise MalformedNode(f"malformed trie node at path {path!r}: below an extension there must be a branch")
            extension.branch = branch
            self.count.nodes += 1
        return extension.branch
