"""Tries of real chains: witnesses of blocks (what RPC nodes proved of their states), and states of which all is known."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import rlp
from trie.exceptions import MissingTrieNode
from trie.hexary import HexaryTrie

from tests.shared import SHARED, shared
from trinode.execution.errors import MissingState
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.state_tries import StateTries, account_key, storage_key
from trinode.execution.trie.trie import Trie
from trinode.execution.trie.witness import Witness
from trinode.protocol.header import decode_header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import decode_transaction
from trinode.protocol.trie import EMPTY_TRIE_ROOT

WITH_WITNESS = sorted(path.name for path in (SHARED / "data/exec").glob("*.json.gz") if not path.name.startswith(("opt8n", "karst")))
PREDEPLOYS = [bytes.fromhex(f"42{number:038x}") for number in range(0x20)]
DEPOSITOR = bytes.fromhex("deaddeaddeaddeaddeaddeaddeaddeaddead0001")


def read_json(path: Path) -> dict[str, Any]:
    with gzip.open(path) as file:
        read: dict[str, Any] = json.load(file)
    return read


def from_hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def leaves(preimages: Mapping[bytes, bytes], node_hash: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of all leaves that can be reached, found with the rlp package alone."""
    waiting: list[tuple[str, Any]] = [("", node_hash)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, bytes):
            if node not in preimages:
                continue
            node = rlp.decode(preimages[node])
        if len(node) == 17:
            waiting += [(path + f"{index:x}", child) for index, child in enumerate(node[:16]) if child]
            continue
        flag, rest = node[0].hex()[0], node[0].hex()[1:]
        path += rest if flag in "13" else rest[1:]
        if flag in "23":
            yield bytes.fromhex(path), node[1]
        else:
            waiting.append((path, node[1]))


class Recorded:
    """A recorded block, before it is executed."""

    def __init__(self, name: str) -> None:
        self.block = read_json(shared(f"data/exec/{name}"))
        self.parent = decode_header(from_hex(self.block["parent_header_rlp"]))
        preimages = [from_hex(preimage) for preimage in self.block["witness"]]
        self.preimages = {keccak256(preimage): preimage for preimage in preimages}
        self.witness = Witness(preimages, self.parent)

    def addresses(self) -> list[bytes]:
        """Some that the block certainly touches."""
        transactions = [decode_transaction(from_hex(raw)) for raw in self.block["attributes"]["transactions"]]
        return [DEPOSITOR, PREDEPLOYS[0x15], *(transaction.to for transaction in transactions if transaction.to)]


@pytest.mark.parametrize("name", WITH_WITNESS)
def test_everything_in_a_witness_can_be_read(name: str) -> None:
    recorded = Recorded(name)
    witness = recorded.witness
    accounts = dict(leaves(recorded.preimages, recorded.parent.state_root))
    assert len(accounts) > 5
    trie = Trie(witness, b"", recorded.parent.state_root)
    for key, value in accounts.items():
        assert trie.get(key) == value
        storage_root = rlp.decode(value)[2]
        slots = Trie(witness, key, storage_root)
        for slot_key, slot_value in leaves(recorded.preimages, storage_root):
            assert slots.get(slot_key) == slot_value
    assert witness.block_hash(recorded.parent.number) == header_hash(recorded.parent)
    assert witness.block_hash(recorded.parent.number - 1) == recorded.parent.parent_hash


@pytest.mark.parametrize("name", WITH_WITNESS)
def test_accounts_and_slots_by_their_names(name: str) -> None:
    recorded = Recorded(name)
    witness = recorded.witness
    accounts = {key: rlp.decode(value) for key, value in leaves(recorded.preimages, recorded.parent.state_root)}
    for address in recorded.addresses():
        account = witness.account(address)
        nonce, balance, storage_root, code_hash = accounts.get(account_key(address), (b"", b"", EMPTY_TRIE_ROOT, EMPTY_CODE_HASH))
        assert (account or Account(0, 0, EMPTY_CODE_HASH)) == (int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), code_hash)
        assert witness.has_storage(address) == (storage_root != EMPTY_TRIE_ROOT)
        slots = dict(leaves(recorded.preimages, storage_root))
        for slot in [slot for slot in range(12) if storage_key(slot) in slots]:
            assert witness.storage(address, slot) == int.from_bytes(rlp.decode(slots[storage_key(slot)]), "big")
    l1_block = witness.account(PREDEPLOYS[0x15])  # every block reads it: its first transaction calls it
    assert l1_block is not None
    assert keccak256(witness.code(l1_block.code_hash)) == l1_block.code_hash


@pytest.mark.parametrize("name", WITH_WITNESS[::6])
def test_changes_of_a_real_state_give_the_roots_of_another_implementation(name: str) -> None:
    recorded = Recorded(name)
    other = HexaryTrie(dict(recorded.preimages), recorded.parent.state_root)
    trie = Trie(recorded.witness, b"", recorded.parent.state_root)
    keys = sorted(key for key, _ in leaves(recorded.preimages, recorded.parent.state_root))[:60]
    changes = {key: b"another account"[index % 7 :] * 4 for index, key in enumerate(keys) if index % 3}
    trie, _ = trie.updated(changes)
    for key, value in changes.items():
        other[key] = value
    assert trie.root == other.root_hash
    deleted = 0
    for key in keys[::3]:
        try:
            other[key] = b""
        except MissingTrieNode:  # the sibling that would take the place is in neither
            with pytest.raises(MissingState, match="not in the witness: node at path"):
                trie.updated({key: b""})
            continue
        trie, _ = trie.updated({key: b""})
        deleted += 1
        assert trie.root == other.root_hash
    assert deleted


def changes_of(alloc: Mapping[str, Mapping[str, Any]]) -> StateChanges:
    changes = StateChanges()
    for name, fields in alloc.items():
        address = from_hex(name)
        code = from_hex(fields.get("code", ""))
        changes.accounts[address] = Account(int(fields.get("nonce", "0"), 16), int(fields.get("balance", "0"), 16), keccak256(code))
        changes.storage[address] = {int(slot, 16): int(value, 16) for slot, value in fields.get("storage", {}).items()}
    return changes


@pytest.mark.parametrize("name", ["opt8n-simple_deposit", "opt8n-storage_clear", "karst-precompiles-genesis"])
def test_whole_states_have_the_root_that_their_block_says(name: str) -> None:
    file = read_json(shared(f"data/exec/{name}.json.gz"))
    if name.startswith("karst"):
        with gzip.open(shared("data/exec/karst-precompiles.jsonl.gz")) as lines:
            root = decode_header(from_hex(json.loads(next(lines))["l2_start"]["header_rlp"])).state_root
    else:
        root = from_hex(file["env"]["previousHeader"]["stateRoot"])
    changes = changes_of(file["alloc"])
    nodes = MemoryNodes()
    tries, changed = StateTries(nodes, EMPTY_TRIE_ROOT).updated(changes)
    assert tries.root == root
    nodes.apply(changed)
    read = tries.trimmed()
    for address, account in changes.accounts.items():
        assert read.account(address) == account
        for slot, value in changes.storage[address].items():
            assert read.storage(address, slot) == value
    # Taken apart again account by account, nothing is left of it: neither in the root nor in what is stored.
    first, second = dict.fromkeys(list(changes.accounts)[::2]), dict.fromkeys(list(changes.accounts)[1::2])
    for deleted in (first, second):
        read, changed = read.updated(StateChanges({**deleted}))
        nodes.apply(changed)
    assert (read.root, len(nodes)) == (EMPTY_TRIE_ROOT, 0)
