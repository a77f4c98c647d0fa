"""Nodes of a Merkle Patricia trie over 32-byte keys, and their RLP (yellow paper, appendix D).

All keys have the same length, so that branches hold no values. A node is never changed after it was made, but for the
children that are decoded when a walk first comes to them: those stand beside their references and say the same.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Protocol, TypeAlias

from trinode.execution.errors import MissingState
from trinode.protocol.rlp_codec import RlpDecodingError, encode_bytes, encode_list, split
from trinode.protocol.types import Hash32

Owner: TypeAlias = bytes
"""Whose trie: empty for the account trie, keccak256(address) for the storage trie of an account."""

Path: TypeAlias = str
"""The nibbles from the root to a node, in lower-case hex; empty for the root."""

TrieNodes: TypeAlias = dict[tuple[Owner, Path], bytes | None]
"""New RLP of nodes by place; None: no node stands there any more. Nodes shorter than 32 bytes stand inside their
parents and are not in here, except roots."""

NIBBLES = "0123456789abcdef"
INDEX = {nibble: index for index, nibble in enumerate(NIBBLES)}
KEY_NIBBLES = 64

EMPTY_REFERENCE = b"\x80"
HASH_REFERENCE_SIZE = 33
"""A reference of this size is RLP of a hash: references that hold the node itself are shorter than 32 bytes."""

_FULL_BRANCH = Struct("3x" + "33s" * 16 + "1s")
_FULL_BRANCH_HEAD = b"\xf9\x02\x11"
_HASH_PREFIXES = b"\xa0" * 16
_PLAIN_CHILDREN = re.compile(rb"(\x80|\xa0.{32})" * 16 + rb"(\x80)", re.DOTALL)
_EVEN_LEAF = b"\x20"
_ODD_LEAF = [bytes([0x30 | nibble]) for nibble in range(16)]
_STRING_HEAD = [bytes([0x80 + size]) for size in range(56)]
_LIST_HEAD = [bytes([0xC0 + size]) for size in range(56)]


class MalformedNode(MissingState):
    """Bytes that stand where a node must stand, and are none."""


class NodeReader(Protocol):
    """Where nodes are kept."""

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of the node with that hash, which stands at `path` of the trie of `owner`. Raises MissingState."""


class Leaf:
    """A key of 32 bytes and its value, wherever in the trie it stands.

    `note` is what the trie's user worked out from the value; it goes where the leaf goes.
    """

    __slots__ = ("key", "note", "value")

    def __init__(self, key: Hash32, value: bytes, note: object = None) -> None:
        self.key = key
        self.value = value
        self.note = note


class Branch:
    """`references`: how each child by nibble stands in the branch's RLP, and at last the absent value. `children`: None
    where there is none, or where it was not needed yet.
    """

    __slots__ = ("children", "references")

    def __init__(self, references: list[bytes], children: list[Node | None]) -> None:
        self.references = references
        self.children = children


class Extension:
    """A stretch of nibbles (at least one) that all keys below share, and the branch after it: its reference, and the
    branch itself, or None where it was not needed yet.
    """

    __slots__ = ("branch", "path", "reference")

    def __init__(self, path: Path, reference: bytes, branch: Branch | None) -> None:
        self.path = path
        self.reference = reference
        self.branch = branch


Node: TypeAlias = Leaf | Branch | Extension


def encode_node(node: Node, depth: int) -> bytes:
    """RLP of a node that stands `depth` nibbles below the root."""
    if type(node) is Leaf:
        return _list(_compact_key(node.key, depth) + encode_bytes(node.value))
    if type(node) is Branch:
        return _list(b"".join(node.references))
    assert type(node) is Extension
    compact = bytes.fromhex(("1" if len(node.path) & 1 else "00") + node.path)
    return _list(encode_bytes(compact) + node.reference)


def _compact_key(key: Hash32, depth: int) -> bytes:
    """RLP of the hex-prefix encoding of what is left of a leaf's key after `depth` nibbles."""
    start = depth >> 1
    if depth & 1:
        nibble = _ODD_LEAF[key[start] & 15]
        return _STRING_HEAD[32 - start] + nibble + key[start + 1 :] if start < 31 else nibble
    return _STRING_HEAD[33 - start] + _EVEN_LEAF + key[start:] if start < 32 else _EVEN_LEAF


def _list(payload: bytes) -> bytes:
    size = len(payload)
    if size < 56:
        return _LIST_HEAD[size] + payload
    if size < 256:
        return b"\xf8" + size.to_bytes(1, "big") + payload
    return b"\xf9" + size.to_bytes(2, "big") + payload if size < 65536 else encode_list((payload,))


def decode_node(rlp: bytes, path: Path) -> Node:
    """The node at `path` with that RLP; its children stay undecoded. Raises MalformedNode."""
    if len(rlp) == 532 and rlp.startswith(_FULL_BRANCH_HEAD) and rlp[3:531:33] == _HASH_PREFIXES and rlp[531] == 0x80 and len(path) < KEY_NIBBLES:
        return Branch(list(_FULL_BRANCH.unpack(rlp)), [None] * 16)
    try:
        is_list, start, end = split(rlp, 0)
        if not is_list or end != len(rlp) or start == end:
            raise _malformed(path, "not a list, an empty one, or bytes after it")
        first = rlp[start]
        if first == 0x80 or first >= 0xC0 or (first == 0xA0 and split(rlp, start + 33)[2] != end):
            return _decode_branch(rlp, start, path)
        return _decode_short(rlp, start, path)
    except RlpDecodingError as error:
        raise _malformed(path, str(error)) from error


def _decode_branch(rlp: bytes, position: int, path: Path) -> Branch:
    """A branch whose payload starts at `position`. It is not checked that nodes inside it are nodes: whoever goes there sees."""
    plain = _PLAIN_CHILDREN.fullmatch(rlp, position)
    references = list(plain.groups()) if plain else _references(rlp, position, path)
    if references.count(EMPTY_REFERENCE) > 15 or len(path) >= KEY_NIBBLES:
        raise _malformed(path, "a branch with fewer than two children, or beyond the keys")
    return Branch(references, [None] * 16)


def _references(rlp: bytes, position: int, path: Path) -> list[bytes]:
    """The same in general, with nodes inside this one."""
    references: list[bytes] = []
    size = len(rlp)
    while position < size:
        prefix = rlp[position]
        if prefix == 0xA0:
            length = HASH_REFERENCE_SIZE
        elif prefix == 0x80:
            length = 1
        elif 0xC0 < prefix < 0xDF:
            length = prefix - 0xBF
        else:
            raise _malformed(path, "a child that is no hash, no small node and not empty")
        references.append(rlp[position : position + length])
        position += length
    if position != size or len(references) != 17 or references[16] != EMPTY_REFERENCE:
        raise _malformed(path, "not 16 children and no value")
    return references


def _decode_short(rlp: bytes, position: int, path: Path) -> Leaf | Extension:
    """A leaf or an extension whose payload starts at `position`, with a string. Raises RlpDecodingError, too."""
    _, start, end = split(rlp, position)
    nibbles = rlp[start:end].hex()
    is_list, content_start, content_end = split(rlp, end)
    if content_end != len(rlp):
        raise _malformed(path, "neither 2 fields nor 17")
    kind = INDEX[nibbles[0]]
    if kind > 3 or (not kind & 1 and nibbles[1] != "0"):
        raise _malformed(path, "an unknown kind of path")
    rest = nibbles[1:] if kind & 1 else nibbles[2:]
    if kind & 2:
        if is_list or content_start == content_end or len(path) + len(rest) != KEY_NIBBLES:
            raise _malformed(path, "a leaf without a value, or not at the end of a key")
        return Leaf(bytes.fromhex(path + rest), rlp[content_start:content_end])
    reference = rlp[end:]
    if not rest or len(path) + len(rest) >= KEY_NIBBLES or not (len(reference) < 32 if is_list else content_end - content_start == 32):
        raise _malformed(path, "an extension by nothing, to nothing, or beyond the keys")
    return Extension(rest, reference, None)


def _malformed(path: Path, what: str) -> MalformedNode:
    return MalformedNode(f"malformed trie node at path {path!r}: {what}")
