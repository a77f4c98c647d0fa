"""One trie: batches against HexaryTrie one key at a time, what is stored, versions, what is read."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
import rlp
from trie.hexary import HexaryTrie

from trinode.execution.errors import MissingState
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.nodes import MalformedNode
from trinode.execution.trie.trie import Trie
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT

OWNER = keccak256(b"an account")
LONG = b"v" * 40


def key(nibbles: str, tail: str = "0") -> bytes:
    """A key of these nibbles and then `tail` again and again."""
    return bytes.fromhex(nibbles.ljust(64, tail))


def deep(nibbles: str) -> bytes:
    """A key that ends in these nibbles, so that leaves are short enough to stand inside their parents."""
    return bytes.fromhex(nibbles.rjust(64, "0"))


def empty() -> Trie:
    return Trie(MemoryNodes(), OWNER, EMPTY_TRIE_ROOT)


def expected_root(values: Mapping[bytes, bytes]) -> bytes:
    other = HexaryTrie({})
    for name, value in values.items():
        other[name] = value
    return bytes(other.root_hash)


def proven(root: bytes, name: bytes, proof: list[bytes]) -> bytes:
    value: bytes = HexaryTrie.get_from_proof(root, name, list(map(rlp.decode, proof)))  # type: ignore[no-untyped-call]
    return value


def stored(values: Mapping[bytes, bytes]) -> tuple[MemoryNodes, Trie]:
    """A trie of those values, of which nothing is held."""
    nodes = MemoryNodes()
    trie, changed = Trie(nodes, OWNER, EMPTY_TRIE_ROOT).updated(values)
    nodes.apply(changed)
    return nodes, Trie(nodes, OWNER, trie.root)


A, B, C, D = key("1111"), key("1112"), key("1234"), key("2222")


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        pytest.param({}, {A: LONG}, id="the first leaf"),
        pytest.param({}, {A: LONG, B: LONG}, id="an extension over two leaves at once"),
        pytest.param({A: LONG}, {A: b"w"}, id="another value"),
        pytest.param({A: LONG}, {A: b""}, id="the last leaf goes"),
        pytest.param({A: LONG}, {A: b"", D: LONG}, id="the last leaf goes as another comes"),
        pytest.param({A: LONG}, {B: LONG}, id="a leaf parts into an extension"),
        pytest.param({A: LONG, B: LONG}, {D: LONG}, id="an extension parts at its first nibble"),
        pytest.param({A: LONG, B: LONG}, {C: LONG}, id="an extension parts inside"),
        pytest.param({A: LONG, B: LONG}, {key("1122"): LONG}, id="an extension parts at its last nibble"),
        pytest.param({A: LONG, B: LONG}, {C: LONG, A: b""}, id="an extension parts, its branch becomes a leaf"),
        pytest.param({A: LONG, B: LONG}, {C: LONG, A: b"", B: b""}, id="an extension parts, its branch goes"),
        pytest.param({A: LONG, B: LONG}, {C: b"", D: b"", A: LONG}, id="what is not there is deleted"),
        pytest.param({A: LONG, B: LONG}, {key("0"): b"", key("11110"): b"", C: LONG, key("f"): b""}, id="and around what comes"),
        pytest.param({A: LONG, B: LONG, C: LONG}, {C: b""}, id="a branch becomes an extension with the one below"),
        pytest.param({A: LONG, B: LONG, C: LONG}, {A: b""}, id="a leaf moves up to a branch"),
        pytest.param({A: LONG, B: LONG, C: LONG}, {A: b"", B: b""}, id="a leaf moves up to the root"),
        pytest.param({A: LONG, D: LONG}, {D: b""}, id="a leaf moves up from below the root"),
        pytest.param({A: LONG, B: LONG, D: LONG}, {D: b""}, id="an extension becomes longer"),
        pytest.param({A: LONG, B: LONG, D: LONG}, {D: b"", A: b"w"}, id="and changes below"),
        pytest.param({A: LONG, B: LONG, D: LONG}, {D: b"", A: b""}, id="a changed branch becomes a leaf, and then the root"),
        pytest.param({A: LONG, key("2"): LONG, key("3"): LONG}, {key("3"): b""}, id="a branch keeps two"),
        pytest.param({key("11"): LONG, key("12"): LONG, key("2"): LONG}, {key("2"): b""}, id="a branch moves below an extension"),
        pytest.param({A: LONG, B: LONG, C: LONG, D: LONG}, {A: b"", B: b"", C: b"", D: b""}, id="everything goes"),
        pytest.param({deep("11"): b"v", deep("12"): b"v"}, {deep("13"): b"v"}, id="nodes inside nodes"),
        pytest.param({deep("11"): b"v", deep("12"): b"v"}, {deep("11"): LONG}, id="a node leaves its parent"),
        pytest.param({deep("11"): LONG, deep("12"): b"v"}, {deep("11"): b"v"}, id="a node moves into its parent"),
        pytest.param({deep("11"): b"v", deep("12"): b"v", deep("2"): b"v"}, {deep("2"): b""}, id="a node inside one moves up"),
        pytest.param({deep("1"): b"v", deep("2"): b"v"}, {deep("1"): b""}, id="a leaf without nibbles grows to the root"),
    ],
)
def test_one_batch(before: dict[bytes, bytes], changes: dict[bytes, bytes]) -> None:
    after = {name: value for name, value in (before | changes).items() if value}
    nodes, old = stored(before)
    new, changed = old.updated(changes)
    assert new.root == (expected_root(after) if after else EMPTY_TRIE_ROOT)
    nodes.apply(changed)
    fresh, _ = stored(after)
    assert nodes.paths(OWNER) == fresh.paths(OWNER) == set(new.stored_paths())
    reopened = Trie(nodes, OWNER, new.root)
    for name in {*before, *changes}:
        assert new.get(name) == reopened.get(name) == after.get(name, b"")


@pytest.mark.parametrize(
    "changes",
    [{}, {A: LONG}, {D: b""}, {key("11119"): b"", C: b"", A: LONG}, {key("0"): b"", key("1113"): b""}],
    ids=["nothing", "the same", "absent", "all of them", "absent before and below"],
)
def test_changes_that_change_nothing_give_the_same_trie(changes: dict[bytes, bytes]) -> None:
    _, trie = stored({A: LONG, B: LONG})
    assert trie.updated(changes) == (trie, {})


def test_only_what_changed_is_to_be_stored() -> None:
    _, trie = stored({A: LONG, B: LONG, D: LONG})
    _, changed = trie.updated({B: b"w" * 40})
    assert set(changed) == {(OWNER, ""), (OWNER, "1"), (OWNER, "111"), (OWNER, "1112")}


def test_a_leaf_that_moves_is_no_more_where_it_was() -> None:
    _, trie = stored({A: LONG, B: LONG, D: LONG})
    _, changed = trie.updated({B: b""})
    assert {path: node is not None for (_, path), node in changed.items()} == {"": True, "1": True, "111": False, "1111": False, "1112": False}


def test_many_keys_in_few_batches_and_all_versions_stay() -> None:
    chance = random.Random(3)
    nodes = MemoryNodes()
    trie = Trie(nodes, b"", EMPTY_TRIE_ROOT)
    other = HexaryTrie({})
    values: dict[bytes, bytes] = {}
    versions: list[tuple[Trie, dict[bytes, bytes]]] = []
    for _ in range(6):
        changes = {keccak256(bytes([chance.randrange(250)])): chance.choice([b"", chance.randbytes(chance.randint(1, 60))]) for _ in range(120)}
        versions.append((trie, dict(values)))
        trie, changed = trie.updated(changes)
        nodes.apply(changed)
        for name, value in changes.items():
            other[name] = value
        values = {name: value for name, value in (values | changes).items() if value}
        assert trie.root == other.root_hash
    for version, expected in versions:
        assert all(version.get(name) == expected.get(name, b"") for name in map(keccak256, map(bytes, zip(range(250)))))


def test_a_trie_reads_only_what_it_needs() -> None:
    values = {keccak256(bytes([number])): LONG for number in range(200)}
    nodes, trie = stored(values)
    counting = CountingNodes(nodes)
    trie = Trie(counting, OWNER, trie.root)
    name = keccak256(b"\x07")
    assert trie.get(name) == trie.get(name) == LONG
    assert counting.read == [name.hex()[:depth] for depth in range(len(counting.read))]
    read = len(counting.read)
    trie.updated({name: b"w"})
    trie.proof(name)
    assert len(counting.read) == read


def test_a_missing_node_is_missing_state() -> None:
    nodes, trie = stored({A: LONG, B: LONG, D: LONG})
    nodes.apply({(OWNER, "1112"): None})
    assert trie.get(A) == LONG
    with pytest.raises(MissingState, match="no node at path '1112' of storage trie 0x"):
        trie.get(B)
    with pytest.raises(MissingState, match="no node at path '1112'"):
        trie.updated({A: b""})  # its branch goes, and only the sibling can tell what takes the place
    assert trie.updated({A: b"w"})[0].get(A) == b"w"


def test_a_node_of_another_version_is_missing_state() -> None:
    nodes, trie = stored({A: LONG})
    nodes.apply(trie.updated({A: b"w"})[1])
    with pytest.raises(MissingState, match="a node of another version at path '' of storage trie"):
        Trie(nodes, OWNER, trie.root).get(A)


def test_an_extension_to_a_leaf_is_malformed() -> None:
    leaf = rlp.encode([b"\x20" + A[1:], LONG])
    root = rlp.encode([b"\x00" + A[:1], keccak256(leaf)])
    nodes = MemoryNodes()
    nodes.apply({(b"", ""): root, (b"", "11"): leaf})
    with pytest.raises(MalformedNode, match="below an extension"):
        Trie(nodes, b"", keccak256(root)).get(A)


@pytest.mark.parametrize("name", [A, B, C, D, deep("1"), deep("2"), key("f")], ids=bytes.hex)
def test_a_proof_shows_what_is_there_and_what_is_not(name: bytes) -> None:
    values = {A: LONG, B: LONG, D: LONG, deep("1"): b"v", deep("3"): b"w"}
    for trie in (stored(values)[1], empty().updated(values)[0]):
        proof = trie.proof(name)
        assert proven(trie.root, name, proof) == values.get(name, b"")
        assert all(len(node) >= 32 for node in proof)
        assert keccak256(proof[0]) == trie.root


def test_the_proof_of_a_small_root_has_it_and_that_of_an_empty_trie_nothing() -> None:
    assert empty().proof(A) == []
    trie, _ = empty().updated({deep("1"): b"v"})
    assert proven(trie.root, A, trie.proof(A)) == b""


class CountingNodes:
    """Notes the paths that are read."""

    def __init__(self, nodes: MemoryNodes) -> None:
        self.nodes = nodes
        self.read: list[str] = []

    def node(self, owner: bytes, path: str, node_hash: bytes) -> bytes:
        self.read.append(path)
        return self.nodes.node(owner, path, node_hash)
