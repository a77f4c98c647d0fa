"""Root of the Merkle Patricia trie over a list, as headers commit to transactions, receipts and withdrawals (yellow
paper, appendix D).

The keys are the RLP of the indexes. None of them is a prefix of another, so that no branch node ever holds a value, and
the trie can be hashed bottom up from the sorted keys without ever being built.
"""

from __future__ import annotations

from collections.abc import Sequence

from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import encode_bytes, encode_int, encode_list
from trinode.protocol.types import Hash32

EMPTY_TRIE_ROOT: Hash32 = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")

_NIBBLES = "0123456789abcdef"
_LEAF = 2


def ordered_trie_root(items: Sequence[bytes]) -> Hash32:
    """Root of the trie that maps the RLP of each index to the item there."""
    if not items:
        return EMPTY_TRIE_ROOT
    leaves = sorted([(encode_int(index).hex(), item) for index, item in enumerate(items)])
    return keccak256(_node(leaves, 0, len(leaves), 0))


def _node(leaves: list[tuple[str, bytes]], low: int, high: int, depth: int) -> bytes:
    """RLP of the node over `leaves[low:high]`, whose keys (hex nibbles, sorted) share their first `depth` nibbles."""
    first = leaves[low][0]
    if high - low == 1:
        return encode_list((encode_bytes(_compact(first[depth:], _LEAF)), encode_bytes(leaves[low][1])))
    last = leaves[high - 1][0]
    fork = depth
    while first[fork] == last[fork]:  # sorted: what the ends share, all share
        fork += 1
    branch: list[bytes] = []
    position = low
    for nibble in _NIBBLES:
        start = position
        while position < high and leaves[position][0][fork] == nibble:
            position += 1
        branch.append(_reference(_node(leaves, start, position, fork + 1)) if start != position else b"\x80")
    branch.append(b"\x80")
    node = encode_list(branch)
    if fork == depth:
        return node
    return encode_list((encode_bytes(_compact(first[depth:fork], 0)), _reference(node)))


def _reference(node: bytes) -> bytes:
    """How a parent holds a node: its RLP if that is shorter than a hash, else the RLP of its hash."""
    return node if len(node) < 32 else b"\xa0" + keccak256(node)


def _compact(nibbles: str, kind: int) -> bytes:
    """Hex-prefix encoding of a path: the node's kind and the parity of the path's length stand in the first nibble."""
    if len(nibbles) % 2:
        return bytes.fromhex(_NIBBLES[kind + 1] + nibbles)
    return bytes.fromhex(_NIBBLES[kind] + "0" + nibbles)
