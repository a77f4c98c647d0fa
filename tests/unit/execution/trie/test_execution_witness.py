"""Witnesses: what is recorded executes again without the state, and nothing in it is superfluous."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from trinode.execution.errors import MissingState
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges, StateReader
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.state_tries import StateTries
from trinode.execution.trie.witness import ProvenState, Witness, WitnessRecorder
from trinode.protocol.header import EMPTY_OMMERS_HASH, Header, encode_header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT

CODE = b"\x60\x00" * 20
ADDRESSES = [bytes([number]) * 20 for number in range(64)]
STORED = ADDRESSES[3]


class Chain:
    """Some headers, the last of them with a state of 64 accounts, one of which has storage of 40 slots."""

    def __init__(self, length: int = 6) -> None:
        self.nodes = MemoryNodes()
        accounts: dict[bytes, Account | None] = {address: Account(1, 2, EMPTY_CODE_HASH) for address in ADDRESSES}
        accounts[STORED] = Account(1, 0, keccak256(CODE))
        changes = StateChanges(accounts, {STORED: {slot: slot + 1 for slot in range(40)}})
        tries, changed = StateTries(self.nodes, EMPTY_TRIE_ROOT).updated(changes)
        self.nodes.apply(changed)
        self.headers = [header(bytes(32), 0, EMPTY_TRIE_ROOT)]
        for number in range(1, length):
            self.headers.append(header(header_hash(self.headers[-1]), number, EMPTY_TRIE_ROOT))
        self.parent = self.headers[-1] = replace(self.headers[-1], state_root=tries.root)
        self.preimages = {keccak256(data): data for data in [CODE, *map(encode_header, self.headers)]}

    def preimage(self, digest: bytes) -> bytes:
        return self.preimages[digest]

    def recorder(self) -> WitnessRecorder:
        return WitnessRecorder(self.nodes, self.preimage, self.preimage, self.parent)


def header(parent_hash: bytes, number: int, state_root: bytes) -> Header:
    roots = (state_root, EMPTY_TRIE_ROOT, EMPTY_TRIE_ROOT)
    return Header(parent_hash, EMPTY_OMMERS_HASH, bytes(20), *roots, bytes(256), 0, number, 30_000_000, 0, number, b"", bytes(32), bytes(8), 7)


def read_everything(state: StateReader) -> list[object]:
    """What some block reads."""
    account = state.account(STORED)
    assert account is not None
    return [
        account,
        state.code(account.code_hash),
        state.code(EMPTY_CODE_HASH),
        state.storage(STORED, 7),
        state.storage(STORED, 70),
        state.has_storage(STORED),
        state.has_storage(ADDRESSES[9]),
        state.account(b"\xff" * 20),
        state.storage(b"\xff" * 20, 1),
        state.has_storage(b"\xff" * 20),
        state.block_hash(2),
        state.block_hash(5),
    ]


def some_block(state: ProvenState) -> tuple[list[object], bytes]:
    """What is read, and the root after changes that let branches go, below the accounts and below the slots."""
    read = read_everything(state)
    changes = StateChanges(dict.fromkeys(ADDRESSES[20:40]), {STORED: dict.fromkeys(range(5, 30), 0)})
    return read, state.tries.updated(changes)[0].root


def a_deleted_contract(state: ProvenState) -> tuple[list[object], bytes]:
    return [], state.tries.updated(StateChanges({STORED: None}))[0].root


@pytest.mark.parametrize("block", [some_block, a_deleted_contract])
def test_a_recorded_witness_gives_the_same_again(block: Callable[[ProvenState], tuple[list[object], bytes]]) -> None:
    chain = Chain()
    recorder = chain.recorder()
    expected = block(recorder)
    witness = recorder.preimages()
    assert len(set(witness)) == len(witness)
    assert block(Witness(witness, chain.parent)) == expected
    for left_out in range(len(witness)):
        with pytest.raises(MissingState, match="not in the witness: "):
            block(Witness(witness[:left_out] + witness[left_out + 1 :], chain.parent))


def test_the_root_is_that_of_the_whole_state() -> None:
    chain = Chain()
    changes = StateChanges(dict.fromkeys(ADDRESSES[20:40]), {STORED: dict.fromkeys(range(5, 30), 0)})
    assert some_block(chain.recorder())[1] == StateTries(chain.nodes, chain.parent.state_root).updated(changes)[0].root


def test_what_was_read() -> None:
    assert read_everything(Chain().recorder())[1:10] == [CODE, b"", 8, 0, True, False, None, 0, False]


def test_a_deleted_storage_trie_is_no_part_of_the_witness() -> None:
    chain = Chain()
    recorder = chain.recorder()
    a_deleted_contract(recorder)
    assert not {chain.nodes.node(keccak256(STORED), "", recorder.tries.storage_root(STORED))} & set(recorder.preimages())


def test_block_hashes_go_back_by_parents() -> None:
    chain = Chain()
    recorder = chain.recorder()
    assert [recorder.block_hash(number) for number in range(6)] == list(map(header_hash, chain.headers))
    assert recorder.preimages() == [encode_header(chain.headers[number]) for number in (4, 3, 2, 1)]  # that of 0 says nothing new


@pytest.mark.parametrize("number", [-1, 43, 301, 10**9])
def test_only_so_many_block_hashes_are_known(number: int) -> None:
    chain = Chain(301)
    recorder = chain.recorder()
    assert [recorder.block_hash(each) for each in (44, 45)] == [header_hash(chain.headers[each]) for each in (44, 45)]
    with pytest.raises(MissingState, match=f"the hash of block {number} cannot be known on block 300"):
        recorder.block_hash(number)


@pytest.mark.parametrize("number", [-1, 6])
def test_there_is_no_block_before_the_first_or_after_the_parent(number: int) -> None:
    with pytest.raises(MissingState, match=f"the hash of block {number} cannot be known on block 5"):
        Chain().recorder().block_hash(number)


def test_what_is_missing_is_named() -> None:
    parent = Chain().parent
    empty = Witness([], parent)
    with pytest.raises(MissingState, match="not in the witness: node at path '' of the account trie, hash 0x" + parent.state_root.hex()):
        empty.account(STORED)
    with pytest.raises(MissingState, match="not in the witness: code, hash 0x" + keccak256(CODE).hex()):
        empty.code(keccak256(CODE))
    with pytest.raises(MissingState, match="not in the witness: header of block 4, hash 0x" + parent.parent_hash.hex()):
        empty.block_hash(3)
    assert empty.block_hash(4) == parent.parent_hash


def test_a_missing_storage_node_names_its_trie() -> None:
    chain = Chain()
    recorder = chain.recorder()
    recorder.account(STORED)
    with pytest.raises(MissingState, match="node at path '' of the storage trie 0x" + keccak256(STORED).hex()):
        Witness(recorder.preimages(), chain.parent).storage(STORED, 1)


def test_preimages_of_the_wrong_kind_are_missing_state() -> None:
    junk = b"neither a node nor a header"
    parent = header(keccak256(junk), 9, keccak256(junk))
    witness = Witness([junk], parent)
    with pytest.raises(MissingState, match="malformed trie node"):
        witness.account(STORED)
    with pytest.raises(MissingState, match="malformed header of block 8"):
        witness.block_hash(7)
