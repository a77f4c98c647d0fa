"""Tries of the state: whatever is written and deleted in whatever batches, the root is HexaryTrie's, older versions stay, and
what is stored by path is one version and no more.

The keys have long prefixes in common and few nibbles to choose from, at their start, in their middle or at their end:
that makes extensions, branches that collapse, and at the end nodes inside nodes.
"""

from __future__ import annotations

import rlp
from hypothesis import given
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.trie import Trie
from trinode.protocol.trie import EMPTY_TRIE_ROOT

OWNER = b""


@st.composite
def key_sets(draw: st.DrawFn) -> list[bytes]:
    """Some keys that differ in few nibbles of their 64, from a certain place on."""
    place = draw(st.sampled_from([0, 1, 30, 57, 58, 59]))
    alphabet = draw(st.sampled_from(["01", "0f", "017f"]))
    texts = draw(st.lists(st.text(alphabet, min_size=1, max_size=64 - place), min_size=1, max_size=16))
    return [bytes.fromhex(("3" * place + text).ljust(64, "0")) for text in texts]


VALUES = st.one_of(st.just(b""), st.just(b""), st.binary(min_size=1, max_size=3), st.binary(min_size=28, max_size=60))


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[bytes], list[dict[bytes, bytes]]]:
    keys = draw(key_sets())
    return keys, draw(st.lists(st.dictionaries(st.sampled_from(keys), VALUES, max_size=12), min_size=1, max_size=8))


def stored(values: dict[bytes, bytes]) -> MemoryNodes:
    nodes = MemoryNodes()
    nodes.apply(Trie(nodes, OWNER, EMPTY_TRIE_ROOT).updated(values)[1])
    return nodes


def proven(root: bytes, key: bytes, proof: list[bytes]) -> bytes:
    value: bytes = HexaryTrie.get_from_proof(root, key, list(map(rlp.decode, proof)))  # type: ignore[no-untyped-call]
    return value


@given(histories(), st.integers(1, 4))
def test_batches_give_the_root_of_single_steps(history: tuple[list[bytes], list[dict[bytes, bytes]]], reopened_each: int) -> None:
    keys, batches = history
    nodes, other, values = MemoryNodes(), HexaryTrie({}), dict[bytes, bytes]()
    trie = Trie(nodes, OWNER, EMPTY_TRIE_ROOT)
    for count, batch in enumerate(batches):
        if count % reopened_each == 0:
            trie = Trie(nodes, OWNER, trie.root)
        trie, changed = trie.updated(batch)
        assert {path for (_, path), node in changed.items() if node is None} <= nodes.paths(OWNER)
        nodes.apply(changed)
        for key, value in batch.items():
            other[key] = value
        values = {key: value for key, value in (values | batch).items() if value}
        assert trie.root == other.root_hash
        fresh = stored(values)
        assert nodes.paths(OWNER) == fresh.paths(OWNER) == set(trie.stored_paths())
        reopened = Trie(nodes, OWNER, trie.root)
        assert [reopened.get(key) for key in keys] == [values.get(key, b"") for key in keys]


@given(histories())
def test_all_versions_stay(history: tuple[list[bytes], list[dict[bytes, bytes]]]) -> None:
    keys, batches = history
    trie = Trie(MemoryNodes(), OWNER, EMPTY_TRIE_ROOT)
    versions = [(trie, dict[bytes, bytes]())]
    for batch in batches:
        trie, values = versions[-1]
        versions.append((trie.updated(batch)[0], {key: value for key, value in (values | batch).items() if value}))
    for trie, values in versions:
        assert [trie.get(key) for key in keys] == [values.get(key, b"") for key in keys]
        assert trie.root == Trie(MemoryNodes(), OWNER, EMPTY_TRIE_ROOT).updated(values)[0].root


@given(key_sets(), st.lists(st.binary(min_size=1, max_size=50), min_size=16, max_size=16))
def test_proofs_verify(keys: list[bytes], contents: list[bytes]) -> None:
    values = dict(zip(keys[::2], contents, strict=False))
    nodes = stored(values)
    root = Trie(nodes, OWNER, EMPTY_TRIE_ROOT).updated(values)[0].root
    for key in keys:
        assert proven(root, key, Trie(nodes, OWNER, root).proof(key)) == values.get(key, b"")
