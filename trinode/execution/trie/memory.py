"""Nodes of tries in a dict, one version of each trie: for a genesis, for devnets, for tests."""

from __future__ import annotations

from trinode.execution.errors import MissingState
from trinode.execution.trie.nodes import Owner, Path, TrieNodes
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Hash32


class MemoryNodes:
    """Nodes by owner and path (a `NodeReader`)."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[Owner, Path], bytes] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def paths(self, owner: Owner) -> set[Path]:
        """Where nodes of the trie of `owner` stand."""
        return {path for node_owner, path in self._nodes if node_owner == owner}

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of the node at that place. Raises MissingState if there is none, or one of another hash."""
        rlp = self._nodes.get((owner, path))
        if rlp is None or keccak256(rlp) != node_hash:
            what = "no node" if rlp is None else "a node of another version"
            whose = f"storage trie 0x{owner.hex()}" if owner else "account trie"
            raise MissingState(f"{what} at path {path!r} of {whose}, where 0x{node_hash.hex()} is asked for")
        return rlp

    def apply(self, nodes: TrieNodes) -> None:
        """Puts new nodes in their places, and removes those that are no more."""
        for place, rlp in nodes.items():
            if rlp is None:
                self._nodes.pop(place, None)
            else:
                self._nodes[place] = rlp
