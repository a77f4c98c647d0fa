"""The state as tries against a dict of accounts whose roots HexaryTrie computes."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
import rlp
from trie.hexary import HexaryTrie

from trinode.execution.errors import MissingState
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.nodes import MalformedNode
from trinode.execution.trie.state_tries import StateTries, account_key, storage_key
from trinode.execution.trie.trie import Trie
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT

ALICE, BOB, CAROL = b"\xaa" * 20, b"\xbb" * 20, b"\xcc" * 20
RICH = Account(1, 10**30, EMPTY_CODE_HASH)
CONTRACT = Account(1, 0, keccak256(b"some code"))


class Model:
    """Accounts and storage in dicts."""

    def __init__(self) -> None:
        self.accounts: dict[bytes, Account] = {}
        self.storage: dict[bytes, dict[int, int]] = {}

    def apply(self, changes: StateChanges) -> None:
        for address, account in changes.accounts.items():
            if account is None:
                self.accounts.pop(address, None)
                self.storage.pop(address, None)
            else:
                self.accounts[address] = account
        for address in changes.wiped:
            self.storage.pop(address, None)
        for address, slots in changes.storage.items():
            slots = {slot: value for slot, value in (self.storage.get(address, {}) | slots).items() if value}
            self.storage[address] = slots

    def storage_root(self, address: bytes) -> bytes:
        return root_of({slot.to_bytes(32, "big"): rlp.encode(value) for slot, value in self.storage.get(address, {}).items()})

    def root(self) -> bytes:
        return root_of(
            {
                address: rlp.encode([account.nonce, account.balance, self.storage_root(address), account.code_hash])
                for address, account in self.accounts.items()
            }
        )


def root_of(values: Mapping[bytes, bytes]) -> bytes:
    trie = HexaryTrie({})
    for name, value in values.items():
        trie[keccak256(name)] = value
    return bytes(trie.root_hash)


def stored(changes: StateChanges) -> tuple[MemoryNodes, StateTries]:
    nodes = MemoryNodes()
    tries, changed = StateTries(nodes, EMPTY_TRIE_ROOT).updated(changes)
    nodes.apply(changed)
    return nodes, tries.trimmed()


def three_accounts() -> StateChanges:
    return StateChanges({ALICE: RICH, BOB: CONTRACT, CAROL: CONTRACT}, {BOB: {1: 5, 2: 2**256 - 1}, CAROL: {slot: slot for slot in range(1, 60)}})


def assert_holds_exactly(nodes: MemoryNodes, tries: StateTries, model: Model) -> None:
    """The stored nodes are those of a state built at once, no more and no less."""
    fresh, built = stored(StateChanges(dict(model.accounts), model.storage))
    assert built.root == tries.root
    assert len(fresh) == len(nodes)
    for owner in [b"", *map(account_key, model.accounts)]:
        assert fresh.paths(owner) == nodes.paths(owner)


def random_changes(chance: random.Random, addresses: list[bytes], model: Model) -> StateChanges:
    changes = StateChanges()
    for address in chance.sample(addresses, 12):
        kind = chance.randrange(6)
        lives = address in model.accounts
        if kind == 0:
            changes.accounts[address] = None
            continue
        if kind < 4 or not lives:
            changes.accounts[address] = Account(chance.randrange(3), chance.randrange(10**20), EMPTY_CODE_HASH)
        if kind == 2:
            changes.wiped.add(address)
        if kind > 1:
            changes.storage[address] = {chance.randrange(12): chance.choice([0, 1, chance.getrandbits(256)]) for _ in range(chance.randint(0, 8))}
    return changes


def test_random_blocks_give_the_roots_of_another_implementation() -> None:
    chance = random.Random(11)
    addresses = [bytes([number]) * 20 for number in range(30)]
    nodes, model = MemoryNodes(), Model()
    tries = StateTries(nodes, EMPTY_TRIE_ROOT)
    for block in range(25):
        changes = random_changes(chance, addresses, model)
        tries, changed = (tries.trimmed() if block % 3 == 0 else tries).updated(changes)
        nodes.apply(changed)
        model.apply(changes)
        assert tries.root == model.root()
        for state in (tries, tries.trimmed()):
            for address in addresses:
                assert state.account(address) == model.accounts.get(address)
                assert state.storage_root(address) == model.storage_root(address)
                assert [state.storage(address, slot) for slot in range(12)] == [model.storage.get(address, {}).get(slot, 0) for slot in range(12)]
        assert_holds_exactly(nodes, tries, model)


def test_the_empty_state() -> None:
    tries = StateTries(MemoryNodes(), EMPTY_TRIE_ROOT)
    assert (tries.account(ALICE), tries.storage(ALICE, 1), tries.storage_root(ALICE)) == (None, 0, EMPTY_TRIE_ROOT)
    assert tries.updated(StateChanges())[0].root == EMPTY_TRIE_ROOT


def test_storage_alone_keeps_the_account() -> None:
    _, tries = stored(three_accounts())
    after, _ = tries.updated(StateChanges(storage={BOB: {1: 0}}))
    assert after.account(BOB) == CONTRACT
    assert (after.storage(BOB, 1), after.storage(BOB, 2)) == (0, 2**256 - 1)
    assert (tries.storage(BOB, 1), tries.root) != (after.storage(BOB, 1), after.root)


def test_an_account_alone_keeps_its_storage() -> None:
    _, tries = stored(three_accounts())
    after, changed = tries.updated(StateChanges({BOB: RICH}))
    assert after.account(BOB) == RICH
    assert after.storage_root(BOB) == tries.storage_root(BOB)
    assert {owner for owner, _ in changed} == {b""}


def test_a_deleted_account_takes_all_of_its_storage_along() -> None:
    nodes, tries = stored(three_accounts())
    of_carol = nodes.paths(account_key(CAROL))
    after, changed = tries.updated(StateChanges({CAROL: None}, {CAROL: {3: 0}}))
    assert {(owner, path): node for (owner, path), node in changed.items() if owner} == {(account_key(CAROL), path): None for path in of_carol}
    assert (after.account(CAROL), after.storage(CAROL, 3)) == (None, 0)
    assert tries.storage(CAROL, 3) == 3


def test_wiped_storage_starts_from_nothing() -> None:
    nodes, tries = stored(three_accounts())
    after, changed = tries.updated(StateChanges({CAROL: RICH}, {CAROL: {3: 7}}, {CAROL}))
    nodes.apply(changed)
    assert (after.account(CAROL), after.storage(CAROL, 3), after.storage(CAROL, 4)) == (RICH, 7, 0)
    assert nodes.paths(account_key(CAROL)) == {""}


def test_storage_can_be_wiped_and_nothing_else() -> None:
    _, tries = stored(three_accounts())
    after, _ = tries.updated(StateChanges(wiped={CAROL}))
    assert (after.account(CAROL), after.storage_root(CAROL)) == (CONTRACT, EMPTY_TRIE_ROOT)


def test_deleted_tries_are_not_read_for_those_who_do_not_ask() -> None:
    nodes, tries = stored(three_accounts())
    of_carol = account_key(CAROL)
    nodes.apply({(of_carol, path): None for path in nodes.paths(of_carol)})
    with pytest.raises(MissingState):
        tries.updated(StateChanges({CAROL: None}))
    after, changed = StateTries(nodes, tries.root, lists_deleted_tries=False).updated(StateChanges({CAROL: None}))
    assert after.root == stored(StateChanges({ALICE: RICH, BOB: CONTRACT}, {BOB: {1: 5, 2: 2**256 - 1}}))[1].root
    assert all(owner != of_carol for owner, _ in changed)


def test_what_is_as_before_is_not_stored_again() -> None:
    _, tries = stored(three_accounts())
    after, changed = tries.updated(StateChanges({ALICE: RICH, b"\xdd" * 20: None}, {BOB: {1: 5, 9: 0}}))
    assert (after.root, changed) == (tries.root, {})


def test_storage_where_there_is_no_account_is_refused() -> None:
    tries = StateTries(MemoryNodes(), EMPTY_TRIE_ROOT)
    assert tries.updated(StateChanges(storage={ALICE: {1: 0}}))[0].root == EMPTY_TRIE_ROOT
    with pytest.raises(ValueError, match="storage is written at 0xaaaa"):
        tries.updated(StateChanges(storage={ALICE: {1: 1}}))


def test_proofs_of_account_and_slots() -> None:
    _, tries = stored(three_accounts())
    proof = tries.account_proof(CAROL, [3, 100])
    assert proof.account == CONTRACT
    leaf = rlp.encode([CONTRACT.nonce, CONTRACT.balance, proof.storage_root, CONTRACT.code_hash])
    assert proven(tries.root, account_key(CAROL), proof.nodes) == leaf
    assert [(slot.slot, slot.value) for slot in proof.storage] == [(3, 3), (100, 0)]
    assert proven(proof.storage_root, storage_key(3), proof.storage[0].nodes) == b"\x03"
    assert proven(proof.storage_root, storage_key(100), proof.storage[1].nodes) == b""


def test_the_proof_of_an_account_that_does_not_exist() -> None:
    _, tries = stored(three_accounts())
    proof = tries.account_proof(b"\xdd" * 20, [3])
    assert (proof.account, proof.storage_root) == (None, EMPTY_TRIE_ROOT)
    assert [(slot.slot, slot.value, slot.nodes) for slot in proof.storage] == [(3, 0, [])]
    assert proven(tries.root, account_key(b"\xdd" * 20), proof.nodes) == b""


def test_trimming_lets_go_of_what_was_read() -> None:
    _, tries = stored(three_accounts())
    assert tries.loaded_nodes() == 0
    assert [tries.storage(CAROL, slot) for slot in range(1, 60)] == list(range(1, 60))
    held = tries.loaded_nodes()
    assert held > 59
    for _ in range(50):
        tries, _ = tries.updated(StateChanges(storage={CAROL: {5: tries.storage(CAROL, 5) + 1}}))
    assert held <= tries.loaded_nodes() <= held + 20
    assert tries.trimmed().loaded_nodes() == 0


@pytest.mark.parametrize(
    "value",
    [
        b"\x01",
        rlp.encode([1, 2, EMPTY_TRIE_ROOT]),
        rlp.encode([1, 2, b"root", EMPTY_CODE_HASH]),
        rlp.encode([b"\x00", 2, EMPTY_TRIE_ROOT, EMPTY_CODE_HASH]),
    ],
    ids=["a number", "three fields", "a short root", "a nonce with a leading zero"],
)
def test_a_leaf_that_is_no_account_is_malformed(value: bytes) -> None:
    nodes = MemoryNodes()
    accounts, changed = Trie(nodes, b"", EMPTY_TRIE_ROOT).updated({account_key(ALICE): value})
    nodes.apply(changed)
    with pytest.raises(MalformedNode, match="account"):
        StateTries(nodes, accounts.root).account(ALICE)


@pytest.mark.parametrize("value", [b"\x00", b"\xa1" + bytes(33), b"\xc0", b"\x01\x01"], ids=bytes.hex)
def test_a_leaf_that_is_no_number_is_malformed(value: bytes) -> None:
    nodes = MemoryNodes()
    storage, changed = Trie(nodes, account_key(ALICE), EMPTY_TRIE_ROOT).updated({storage_key(1): value})
    nodes.apply(changed)
    leaf = rlp.encode([0, 0, storage.root, EMPTY_CODE_HASH])
    accounts, changed = Trie(nodes, b"", EMPTY_TRIE_ROOT).updated({account_key(ALICE): leaf})
    nodes.apply(changed)
    with pytest.raises(MalformedNode, match="malformed storage value"):
        StateTries(nodes, accounts.root).storage(ALICE, 1)


def proven(root: bytes, name: bytes, proof: list[bytes]) -> bytes:
    value: bytes = HexaryTrie.get_from_proof(root, name, list(map(rlp.decode, proof)))  # type: ignore[no-untyped-call]
    return value
