"""What the store gives for witnesses, and what changed between its blocks: held against the states themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.engine.block_tree import PEOPLE, WRITER, Blocks, create, give, write
from tests.unit.execution.small_chain import senders
from trinode.execution.block import BlockExecutor, ExecutedBlock, Parent
from trinode.execution.errors import MissingState
from trinode.execution.evm.engine import FastEngine
from trinode.execution.trie.witness import Witness
from trinode.protocol.keccak import keccak256
from trinode.storage.store import Store


class Rig:
    """A store with blocks, of which all states are kept beside it."""

    def __init__(self, path: Path, history: int | None = None) -> None:
        self.blocks = Blocks()
        self.store: Store = self.blocks.new_store(path, history=history)
        self.chain: list[ExecutedBlock] = []

    def add(self, *transactions: bytes) -> None:
        block = self.blocks.make(self.store.head.hash, *transactions)
        self.store.append(self.blocks.executor.check(self.store.parent_for(self.store.head.hash), block.header, block.transactions))
        self.chain.append(block)

    def hash_of(self, number: int) -> bytes:
        return self.blocks.genesis.hash if number == 0 else self.chain[number - 1].hash


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "store")
    with made.store:
        for index in range(12):
            made.add(write(index % 3 + 1, index % 4, hash_of=max(0, index - 2)), create(), give(index))
        yield made


def test_each_block_can_be_executed_on_what_was_recorded(rig: Rig) -> None:
    for block in rig.chain:
        recorder = rig.store.recorder_at(block.header.parent_hash)
        execute(rig, Parent(recorder.parent, block.header.parent_hash, recorder, recorder.tries), block)
        assert {keccak256(item) for item in recorder.preimages()} == {*recorder.nodes_read, *recorder.codes_read, *recorder.headers_read}
        witness = Witness(recorder.preimages(), recorder.parent)
        execute(rig, Parent(recorder.parent, block.header.parent_hash, witness, witness.tries), block)
    assert recorder.codes_read and recorder.headers_read


def execute(rig: Rig, parent: Parent, block: ExecutedBlock) -> None:
    executed = BlockExecutor(rig.blocks.config, FastEngine()).check(parent, block.header, block.transactions)
    assert executed.hash == block.hash


@pytest.mark.parametrize(("first", "last"), [(0, 1), (3, 4), (0, 12), (5, 11), (4, 4)])
def test_what_changed_is_what_differs(rig: Rig, first: int, last: int) -> None:
    before, after = rig.hash_of(first), rig.hash_of(last)
    old, new = rig.store.state_at(before), rig.store.state_at(after)
    everybody = {*old.addresses(), *new.addresses()}
    assert {WRITER, PEOPLE[0], *senders()} <= everybody
    differing = [
        address for address in everybody if old.account(address) != new.account(address) or list(old.slots(address)) != list(new.slots(address))
    ]
    assert rig.store.changed_between(before, after, 10_000) == sorted(differing, key=keccak256)


def test_what_was_changed_and_changed_back_is_the_same(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "store")
    with rig.store:
        for value in (1, 2, 1):
            rig.add(write(7, value))
        assert WRITER in rig.store.changed_between(rig.hash_of(1), rig.hash_of(2), 1000)
        assert WRITER not in rig.store.changed_between(rig.hash_of(1), rig.hash_of(3), 1000)
        with pytest.raises(MissingState, match="more than 1 accounts and slots"):
            rig.store.changed_between(rig.hash_of(1), rig.hash_of(3), 1)


def test_states_that_are_not_retained(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "store", history=2)
    with rig.store:
        for value in range(5):
            rig.add(write(7, value))
        assert rig.store.recorder_at(rig.hash_of(3)).parent == rig.chain[2].header
        with pytest.raises(MissingState, match="not retained"):
            rig.store.recorder_at(rig.hash_of(2))
        with pytest.raises(MissingState, match="not retained"):
            rig.store.changed_between(rig.hash_of(2), rig.hash_of(4), 1000)
        with pytest.raises(MissingState, match="there is no header"):
            rig.store.blocks.header_rlp(b"\x01" * 32)


def test_slots_and_addresses_are_in_order(rig: Rig) -> None:
    for number in (0, 6, 12):
        state = rig.store.state_at(rig.hash_of(number))
        slots = list(state.slots(WRITER))
        assert slots == sorted(slots) and all(state.storage(WRITER, int.from_bytes(slot)) == int.from_bytes(value) for slot, value in slots)
        assert list(state.addresses()) == sorted(state.addresses())
