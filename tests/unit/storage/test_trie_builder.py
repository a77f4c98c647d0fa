"""The trie over sorted leaves, against the tries that the state is kept in."""

from __future__ import annotations

from random import Random

import pytest

from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.nodes import TrieNodes
from trinode.execution.trie.trie import Trie
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.storage.trie_builder import build_trie


def assert_built(values: dict[bytes, bytes]) -> None:
    expected, expected_nodes = Trie(MemoryNodes(), b"", EMPTY_TRIE_ROOT).updated(values)
    nodes: TrieNodes = {}

    def put(path: str, rlp: bytes) -> None:
        assert (b"", path) not in nodes
        nodes[b"", path] = rlp

    assert build_trie(sorted(values.items()), put) == expected.root
    assert nodes == expected_nodes


def test_nothing() -> None:
    assert_built({})


@pytest.mark.parametrize("count", [1, 2, 3, 17, 300, 5000])
def test_hashed_keys(count: int) -> None:
    assert_built({keccak256(index.to_bytes(4, "big")): b"\x01" * (1 + index % 80) for index in range(count)})


@pytest.mark.parametrize("seed", range(200))
def test_keys_that_share_much(seed: int) -> None:
    """Extensions, nodes inside nodes, and branches in the last nibbles."""
    random = Random(seed)
    keys = [bytes(random.choice((0, 1, 16)) if random.random() < 0.02 else 0 for _ in range(32)) for _ in range(random.randrange(30))]
    assert_built({key: bytes([1 + random.randrange(127)]) * random.choice((1, 1, 40)) for key in keys})
