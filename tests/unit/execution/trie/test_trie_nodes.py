"""Nodes against the rlp and trie packages, and bytes that are no nodes."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
import rlp
from trie.utils.nodes import compute_extension_key, compute_leaf_key

from trinode.execution.errors import MissingState
from trinode.execution.trie.nodes import INDEX, NIBBLES, Branch, Extension, Leaf, MalformedNode, Node, decode_node, encode_node
from trinode.protocol.keccak import keccak256

KEY = keccak256(b"a key")
HASH = b"\xa0" + keccak256(b"a node")
SMALL = rlp.encode([b"\x20", b"v"])
EMPTY = b"\x80"


def nibbles(text: str) -> tuple[int, ...]:
    return tuple(INDEX[nibble] for nibble in text)


def branch(**children: bytes) -> Branch:
    return Branch([children.get("n" + nibble, EMPTY) for nibble in NIBBLES] + [EMPTY], [None] * 16)


def fields(node: Node) -> tuple[object, ...]:
    if isinstance(node, Leaf):
        return node.key, node.value
    return (node.references,) if isinstance(node, Branch) else (node.path, node.reference)


@pytest.mark.parametrize("value", [b"\x01", b"\x80", bytes(55), bytes(56), bytes(110), bytes(70_000)], ids=len)
@pytest.mark.parametrize("depth", range(65))
def test_a_leaf_is_encoded_as_other_code_does(depth: int, value: bytes) -> None:
    encoded = encode_node(Leaf(KEY, value), depth)
    assert encoded == rlp.encode([compute_leaf_key(nibbles(KEY.hex()[depth:])), value])
    assert fields(decode_node(encoded, KEY.hex()[:depth])) == (KEY, value)


@pytest.mark.parametrize("reference", [HASH, SMALL], ids=["hash", "node"])
@pytest.mark.parametrize("length", range(1, 64))
def test_an_extension_is_encoded_as_other_code_does(length: int, reference: bytes) -> None:
    path = KEY.hex()[:length]
    encoded = encode_node(Extension(path, reference, None), 0)
    assert encoded == rlp.encode([compute_extension_key(nibbles(path)), rlp.decode(reference)])
    assert fields(decode_node(encoded, "")) == (path, reference)


@pytest.mark.parametrize("count", range(2, 17))
@pytest.mark.parametrize("references", [[HASH], [SMALL], [HASH, SMALL]], ids=["hashes", "nodes", "both"])
def test_a_branch_is_encoded_as_other_code_does(references: list[bytes], count: int) -> None:
    node = branch(**{"n" + nibble: references[index % len(references)] for index, nibble in enumerate(NIBBLES[-count:])})
    encoded = encode_node(node, 3)
    assert encoded == rlp.encode([rlp.decode(reference) for reference in node.references])
    assert fields(decode_node(encoded, "abc")) == (node.references,)


@pytest.mark.parametrize(
    ("node", "path"),
    [
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"\x80", "", id="an empty string"),
        pytest.param(b"\xc0", "", id="an empty list"),
        pytest.param(rlp.encode(b"leaf"), "", id="a string"),
        pytest.param(rlp.encode([b"\x20" + KEY]), "", id="one field"),
        pytest.param(rlp.encode([b"\x20" + KEY, b"v", b"w"]), "", id="three fields"),
        pytest.param(rlp.encode([b"", b"v"]), "", id="no path"),
        pytest.param(rlp.encode([b"\x40" + KEY, b"v"]), "", id="an unknown kind"),
        pytest.param(rlp.encode([b"\x21" + KEY, b"v"]), "", id="a filled gap"),
        pytest.param(rlp.encode([b"\x20" + KEY, b""]), "", id="a leaf without a value"),
        pytest.param(rlp.encode([b"\x20" + KEY, [b"v"]]), "", id="a list as a value"),
        pytest.param(rlp.encode([b"\x20" + KEY, b"v"]), "a", id="a leaf too deep"),
        pytest.param(rlp.encode([b"\x20" + KEY[1:], b"v"]), "", id="a leaf not deep enough"),
        pytest.param(rlp.encode([b"\x20" + KEY, b"v"]) + b"\x80", "", id="bytes after it"),
        pytest.param(rlp.encode([b"\x00", KEY]), "", id="an extension by nothing"),
        pytest.param(rlp.encode([b"\x11", b""]), "", id="an extension to nothing"),
        pytest.param(rlp.encode([b"\x11", KEY[1:]]), "", id="an extension to a short hash"),
        pytest.param(rlp.encode([b"\x11", [KEY]]), "", id="an extension to a large node inside"),
        pytest.param(rlp.encode([b"\x11", KEY]), "0" * 63, id="an extension beyond the keys"),
        pytest.param(rlp.encode([KEY] * 16), "", id="16 fields"),
        pytest.param(rlp.encode([KEY] * 18), "", id="18 fields"),
        pytest.param(rlp.encode([KEY] * 16 + [b"v"]), "", id="a branch with a value"),
        pytest.param(rlp.encode([KEY] * 17), "", id="a branch with a hash as a value"),
        pytest.param(rlp.encode([b""] * 16 + [KEY]), "", id="a branch with nothing but a value"),
        pytest.param(rlp.encode([KEY] + [b""] * 16), "", id="a branch with one child"),
        pytest.param(rlp.encode([b""] * 17), "", id="a branch without children"),
        pytest.param(rlp.encode([KEY] * 16 + [b""]), "0" * 64, id="a full branch beyond the keys"),
        pytest.param(rlp.encode([KEY] * 15 + [b"", b""]), "0" * 64, id="a branch beyond the keys"),
        pytest.param(rlp.encode([b"", b"\x01"] + [KEY] * 14 + [b""]), "", id="a branch with a byte as a child"),
        pytest.param(rlp.encode([b"", KEY[1:]] + [KEY] * 14 + [b""]), "", id="a branch with a short hash"),
        pytest.param(rlp.encode([b"", [KEY]] + [KEY] * 14 + [b""]), "", id="a branch with a large node inside"),
        pytest.param(rlp.encode([KEY] * 16 + [b""])[:-1], "", id="cut off"),
        pytest.param(rlp.encode([KEY] * 16 + [b""]).replace(b"\xa0", b"\xa1", 1), "", id="a full branch with a wrong prefix"),
        pytest.param(b"\xd1" + EMPTY * 15 + b"\xc1\xa0", "", id="a child that reaches beyond the end"),
    ],
)
def test_other_bytes_are_refused(node: bytes, path: str) -> None:
    with pytest.raises(MalformedNode, match="malformed trie node at path"):
        decode_node(node, path)
    assert issubclass(MalformedNode, MissingState)  # whoever reads a state cannot know the answer


def test_what_is_accepted_of_damaged_nodes_has_that_one_encoding() -> None:
    chance = random.Random(7)
    originals = [
        encode_node(Leaf(KEY, b"\xa0" + KEY), 4),
        encode_node(Leaf(KEY, b"\x05"), 2),
        encode_node(Extension(KEY.hex()[4:9], HASH, None), 4),
        encode_node(branch(n0=HASH, n7=SMALL, nf=HASH), 4),
        encode_node(Branch([HASH] * 16 + [EMPTY], [None] * 16), 4),
    ]
    accepted = 0
    for _ in range(20_000):
        damaged = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 3)):
            place = chance.choice([0, 1, 2, 3, chance.randrange(len(damaged)), len(damaged) - 1])
            damaged[place] = chance.choice([0, 0x80, 0xA0, 0xC0, chance.randrange(256)])
        depth = chance.choice([2, 4])
        with suppress(MalformedNode):
            node = decode_node(bytes(damaged), KEY.hex()[:depth])
            accepted += 1
            assert encode_node(node, depth) == damaged
    assert accepted > 1000
