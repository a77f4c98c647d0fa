"""Tries gone through in the order of their keys, held against sorted lists."""

from __future__ import annotations

from itertools import islice

import pytest

from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.nodes import Owner, Path
from trinode.execution.trie.state_tries import StateTries, account_key, storage_key
from trinode.execution.trie.trie import Trie
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Hash32


class CountedNodes(MemoryNodes):
    """Counts what is read."""

    read = 0

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        self.read += 1
        return super().node(owner, path, node_hash)


KEYS = sorted([keccak256(b"%d" % index) for index in range(300)] + [b"\x11" * 31 + bytes([last]) for last in (1, 2, 0x12)])
STARTS = (b"", b"\x00", b"\x11", b"\x11" * 31, b"\x11" * 31 + b"\x02", b"\x11" * 31 + b"\x02\x00", b"\x80", b"\xff" * 32, b"\xff" * 40, *KEYS[::37])


@pytest.mark.parametrize("size", [0, 1, 2, 303])
def test_leaves_from_any_key(size: int) -> None:
    nodes = CountedNodes()
    keys = KEYS[:size]
    held, made = Trie(nodes, b"", EMPTY_TRIE_ROOT).updated({key: b"v" + key for key in keys})
    nodes.apply(made)
    for trie in (held, Trie(nodes, b"", held.root)):
        for start in STARTS:
            assert [(leaf.key, leaf.value) for leaf in trie.leaves_from(start)] == [(key, b"v" + key) for key in keys if key >= start]


def test_only_the_way_to_the_leaves_is_read() -> None:
    nodes = CountedNodes()
    trie, made = Trie(nodes, b"", EMPTY_TRIE_ROOT).updated(dict.fromkeys(KEYS, b"value" * 10))
    nodes.apply(made)
    assert len(list(islice(Trie(nodes, b"", trie.root).leaves_from(b"\x80"), 3))) == 3
    assert nodes.read < 12


def test_accounts_and_slots() -> None:
    nodes = MemoryNodes()
    addresses = sorted((keccak256(b"a%d" % index)[:20] for index in range(50)), key=account_key)
    changes = StateChanges({address: Account(index, 7, EMPTY_CODE_HASH) for index, address in enumerate(addresses)})
    changes.storage[addresses[3]] = {slot: slot + 1 for slot in range(40)}
    tries, made = StateTries(nodes, EMPTY_TRIE_ROOT).updated(changes)
    nodes.apply(made)
    for state in (tries, StateTries(nodes, tries.root)):
        found = list(state.accounts_from(account_key(addresses[2])))
        assert [(leaf.key, leaf.account.nonce) for leaf in found] == [(account_key(address), index) for index, address in enumerate(addresses)][2:]
        assert [leaf.storage_root for leaf in found] == [state.storage_root(address) for address in addresses[2:]]
        slots = sorted((storage_key(slot), slot + 1) for slot in range(40))
        assert list(state.slots_from(account_key(addresses[3]), slots[5][0])) == slots[5:]
        assert list(state.slots_from(account_key(addresses[4]), b"")) == list(state.slots_from(b"\x01" * 32, b"")) == []
