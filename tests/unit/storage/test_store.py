"""The store: what it refuses, what it says then, and that nothing that was written is lost."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.storage.fake_chain import ADDRESSES, FakeChain, Model, assert_state, make_block, make_genesis
from trinode.execution.errors import MissingState
from trinode.execution.state import EMPTY_ACCOUNT, StateChanges
from trinode.protocol.header import encode_header
from trinode.protocol.receipt import Receipt
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.types import BlockId
from trinode.storage import history, readers, store
from trinode.storage.database import Database, View
from trinode.storage.errors import CorruptStore, NotOnHead, StoreError, StoreExists, StoreLocked, StoreMissing, UnknownFormat, WrongChain
from trinode.storage.identity import ChainIdentity
from trinode.storage.readers import RememberedState
from trinode.storage.store import Store
from trinode.storage.tables import ACCOUNT_NODES, CANONICAL, CHANGED_KEYS, HEADERS, REPLACED, number_bytes


@pytest.fixture
def chain(tmp_path: Path) -> FakeChain:
    return FakeChain(tmp_path / "store").extend(6)


def tamper(chain: FakeChain, key: bytes, value: bytes | None) -> None:
    """Closes the store and changes one key of its database."""
    chain.store.close()
    database = Database(chain.path, create=False)
    with database.batch() as batch:
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    database.close()


# ---- blocks ----


def test_blocks_are_found_by_hash_and_number_and_transaction(chain: FakeChain) -> None:
    block = chain.next_block()
    chain.store.append(block)
    blocks = chain.open().blocks
    assert blocks.header(block.hash) == block.header
    assert blocks.transactions(block.hash) == block.transactions
    assert blocks.receipts(block.hash) == block.receipts
    assert blocks.canonical_hash(7) == block.hash
    for position, raw in enumerate(block.transactions):
        assert blocks.find_transaction(transaction_hash(raw)) == (BlockId(7, block.hash), position)


def test_what_is_not_there_is_none(chain: FakeChain) -> None:
    blocks = chain.store.blocks
    unknown = bytes(32)
    assert (blocks.header(unknown), blocks.transactions(unknown), blocks.receipts(unknown)) == (None, None, None)
    assert [blocks.canonical_hash(number) for number in (7, -1, 1 << 64)] == [None, None, None]
    assert blocks.find_transaction(unknown) is None


def test_a_block_that_was_taken_back_is_found_by_its_hash_only(chain: FakeChain) -> None:
    block = chain.next_block()
    chain.store.append(block)
    chain.store.rewind(block.header.parent_hash)
    blocks = chain.store.blocks
    assert blocks.transactions(block.hash) == block.transactions
    assert blocks.canonical_number(block.hash) is None
    assert blocks.find_transaction(transaction_hash(block.transactions[0])) is None


def test_only_what_follows_the_head_is_appended(chain: FakeChain) -> None:
    block = chain.next_block()
    chain.store.append(block)
    with pytest.raises(NotOnHead, match="block 7 with parent"):
        chain.store.append(block)
    assert chain.store.head == (7, block.hash)


def test_a_block_whose_tries_are_not_its_headers_changes_nothing(chain: FakeChain) -> None:
    block = chain.next_block()
    wrong = replace(block, header=replace(block.header, state_root=bytes(32)))
    with pytest.raises(ValueError, match="state root of block 7"):
        chain.store.append(wrong)
    chain.store.append(block)


def test_a_receipt_that_cannot_be_written_changes_nothing(chain: FakeChain) -> None:
    block = chain.next_block()
    broken = Receipt(2, True, -1, bytes(256), ())
    with pytest.raises(OverflowError):
        chain.store.append(replace(block, receipts=(broken,)))
    assert chain.store.head == (6, chain.hashes[6])
    assert_state(chain.open().state_at(chain.hashes[6]), chain.models[6])


def test_block_hashes_go_back_256_blocks(tmp_path: Path) -> None:
    chain = FakeChain(tmp_path / "store").extend(258)
    state = chain.store.state_at(chain.hashes[257])
    assert state.block_hash(257) == chain.hashes[257]
    assert state.block_hash(1) == chain.hashes[1]
    for number in (0, 258, -1):
        with pytest.raises(MissingState, match=f"hash of block {number} "):
            state.block_hash(number)


# ---- states ----


def test_an_unknown_block_has_no_state(chain: FakeChain) -> None:
    for ask in (chain.store.state_at, chain.store.tries_at, chain.store.parent_for, chain.store.rewind):
        with pytest.raises(MissingState, match="not in the canonical chain"):
            ask(bytes(32))


def test_the_heads_state_is_read_once_by_all_who_ask_for_it(chain: FakeChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that are not there are remembered, too."""
    for _ in range(2):
        assert_state(chain.store.state_at(chain.hashes[6]), chain.models[6])
    read: list[bytes] = []
    monkeypatch.setattr(View, "get", lambda _, key: read.append(key))
    state = chain.store.state_at(chain.hashes[6])
    for address in ADDRESSES:
        assert state.account(address) == chain.models[6].accounts.get(address)
        assert state.storage(address, 1) == chain.models[6].storage.get((address, 1), 0)
    assert not read


def test_a_state_that_was_the_heads_stays_what_it_was(chain: FakeChain) -> None:
    before = chain.store.state_at(chain.hashes[6])
    before.account(ADDRESSES[0])
    chain.extend(2)
    assert_state(before, chain.models[6])
    for number in (8, 6, 7):
        assert_state(chain.store.state_at(chain.hashes[number]), chain.models[number])
    chain.store.rewind(chain.hashes[6])
    assert_state(chain.store.state_at(chain.hashes[6]), chain.models[6])
    with pytest.raises(MissingState, match="not in the canonical chain"):
        chain.store.state_at(chain.hashes[8])


def test_what_is_remembered_of_a_state_is_bounded(chain: FakeChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_REMEMBERED", 3)
    state = chain.store.state_at(chain.hashes[6])
    assert isinstance(state, RememberedState)
    for slot in range(20):
        state.storage(ADDRESSES[0], slot)
        assert len(state._values) <= 3
    assert_state(state, chain.models[6])


def test_code_that_is_not_there_is_missing(chain: FakeChain) -> None:
    with pytest.raises(MissingState, match="no code"):
        chain.store.state_at(chain.hashes[6]).code(bytes(32))


def test_tries_prove_what_older_states_hold(chain: FakeChain) -> None:
    tries = chain.store.tries_at(chain.hashes[2])
    chain.extend(3)
    for address in ADDRESSES:
        assert tries.account(address) == chain.models[2].accounts.get(address)


def test_tries_of_a_state_that_is_too_far_away_are_not_made(chain: FakeChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_CHANGED_KEYS", 3)
    with pytest.raises(MissingState, match="more than 3 accounts and slots changed since block 0"):
        chain.store.tries_at(chain.hashes[0])


def test_a_long_rewind_goes_in_steps(chain: FakeChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_CHANGED_KEYS", 3)
    chain.store.rewind(chain.hashes[1])
    assert chain.store.head == (1, chain.hashes[1])
    assert_state(chain.open().state_at(chain.hashes[1]), chain.models[1])


def test_held_trie_nodes_are_bounded(chain: FakeChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_MOST_TRIE_NODES", 10)
    for _ in range(20):
        chain.extend(1)
        assert chain.store.parent_for(chain.hashes[-1]).tries.loaded_nodes() <= 10
    assert_state(chain.store.state_at(chain.hashes[-1]), chain.models[-1])


def test_an_account_with_much_storage_goes_and_comes_back(tmp_path: Path) -> None:
    address = ADDRESSES[0]
    slots = {slot: slot + 1 for slot in range(3000)}
    genesis = make_genesis(StateChanges(accounts={address: EMPTY_ACCOUNT._replace(nonce=1)}, storage={address: slots}))
    with Store.create(tmp_path / "store", ChainIdentity(1, genesis.hash), genesis, history=10) as made:
        block = make_block(made.parent_for(genesis.hash), StateChanges(accounts={address: None}, wiped={address}), 1)
        made.append(block)
        assert not made.state_at(block.hash).has_storage(address)
        assert made.state_at(genesis.hash).storage(address, 2999) == 3000
        assert made.parent_for(genesis.hash).tries.root == genesis.header.state_root
        made.rewind(genesis.hash)
        assert made.state_at(genesis.hash).storage(address, 2999) == 3000


def test_labels_are_of_canonical_blocks(chain: FakeChain) -> None:
    chain.store.set_label("safe", chain.hashes[5])
    chain.store.set_label("finalized", chain.hashes[2])
    opened = chain.open()
    assert (opened.label("safe"), opened.label("finalized"), opened.label("other")) == (chain.hashes[5], chain.hashes[2], None)
    opened.rewind(chain.hashes[4])
    assert (opened.label("safe"), opened.label("finalized")) == (None, chain.hashes[2])
    with pytest.raises(StoreError, match="not in the canonical chain"):
        opened.set_label("safe", chain.hashes[5])


# ---- history ----


def test_a_history_of_no_block_is_refused(chain: FakeChain, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 at least"):
        chain.store.set_history(0)
    with pytest.raises(ValueError, match="1 at least"):
        Store.create(tmp_path / "other", chain.identity, chain.genesis, history=0)
    assert not (tmp_path / "other").exists()


def test_a_reduced_history_is_pruned_step_by_step_and_stays_reduced(tmp_path: Path) -> None:
    chain = FakeChain(tmp_path / "store").extend(30)
    chain.store.set_history(5)
    oldest = [chain.extend(1).store.oldest_state for _ in range(10)]
    assert oldest == [4, 8, 12, 16, 20, 24, 28, 32, 34, 35]
    opened = chain.open()
    assert (opened.history, opened.oldest_state) == (5, 35)
    database = opened._database
    assert {int.from_bytes(key[-8:], "big") for key, _ in database.entries(REPLACED)} <= {36, 37, 38, 39, 40}


# ---- opening ----


def test_opening_what_is_not_there(tmp_path: Path, chain: FakeChain) -> None:
    with pytest.raises(StoreMissing, match="there is no store here"):
        Store.open(tmp_path / "nothing", chain.identity)
    assert not (tmp_path / "nothing").exists()


def test_making_a_store_where_there_is_one(chain: FakeChain) -> None:
    chain.store.close()
    with pytest.raises(StoreExists, match="there is a store here already"):
        Store.create(chain.path, chain.identity, chain.genesis, history=None)
    assert chain.open().head.number == 6


def test_making_a_store_among_other_files(chain: FakeChain, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(StoreExists, match="something that is no store"):
        Store.create(tmp_path / "photos", chain.identity, chain.genesis, history=None)


def test_a_creation_that_was_killed_is_taken_up(chain: FakeChain, tmp_path: Path) -> None:
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "LOCK").touch()
    Database(tmp_path / "late", create=True).close()
    with pytest.raises(StoreMissing, match="holds no store"):
        Store.open(tmp_path / "late", chain.identity)
    for name in ("early", "late"):
        Store.create(tmp_path / name, chain.identity, chain.genesis, history=None).close()


def test_another_chain_is_refused(chain: FakeChain) -> None:
    chain.store.close()
    with pytest.raises(WrongChain, match="the store is of chain 901 with genesis 0x"):
        Store.open(chain.path, ChainIdentity(902, chain.identity.genesis_hash))
    with pytest.raises(WrongChain):
        Store.open(chain.path, ChainIdentity(901, bytes(32)))


def test_another_format_is_refused(chain: FakeChain) -> None:
    tamper(chain, b"mformat", b"trinode store 2")
    with pytest.raises(UnknownFormat, match="'trinode store 2', and this version reads 'trinode store 1'"):
        Store.open(chain.path, chain.identity)


def test_a_second_opening_is_refused(chain: FakeChain) -> None:
    with pytest.raises(StoreLocked, match="this process has this store open already"):
        Store.open(chain.path / ".." / chain.path.name, chain.identity)
    # LevelDB's lock must have outlived that.
    program = f"from pathlib import Path; from trinode.storage.database import Database; Database(Path({str(chain.path)!r}), create=False)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "StoreLocked" in run.stderr
    assert "another process has this store open" in run.stderr
    chain.extend(1)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("head", "has no head"),
        ("header", "the header of the head, block 6, is missing"),
        ("another header", "the header of the head, block 6, is another block's"),
        ("damaged header", "the header of block 0x.* is damaged"),
        ("index", "the index names another block 6"),
        ("changed keys", "what the head, block 6, changed is missing"),
        ("root node", "the state is not that of the head, block 6"),
        ("another root node", "the state is not that of the head, block 6"),
    ],
)
def test_a_store_that_contradicts_itself_is_refused(chain: FakeChain, what: str, message: str) -> None:
    head, other = chain.hashes[6], encode_header(chain.store.blocks.header(chain.hashes[5]) or chain.genesis.header)
    key, value = {
        "head": (b"mhead", None),
        "header": (HEADERS + head, None),
        "another header": (HEADERS + head, other),
        "damaged header": (HEADERS + head, other[:-1]),
        "index": (CANONICAL + number_bytes(6), bytes(32)),
        "changed keys": (CHANGED_KEYS + number_bytes(6), None),
        "root node": (ACCOUNT_NODES, None),
        "another root node": (ACCOUNT_NODES, other),
    }[what]
    tamper(chain, key, value)
    with pytest.raises(CorruptStore, match=message) as caught:
        Store.open(chain.path, chain.identity)
    assert "import a snapshot" in str(caught.value)


def test_history_that_is_missing_is_noticed(chain: FakeChain) -> None:
    replaced = next(key for key in history.changed_keys(chain.store._database, 6))
    tamper(chain, REPLACED + replaced + number_bytes(6), None)
    with Store.open(chain.path, chain.identity) as opened, pytest.raises(CorruptStore, match="what block 6 replaced is missing"):
        opened.rewind(chain.hashes[5])


def test_history_that_is_wrong_is_noticed_before_anything_is_written(chain: FakeChain) -> None:
    replaced = next(key for key in history.changed_keys(chain.store._database, 6) if len(key) == 21)
    tamper(chain, REPLACED + replaced + number_bytes(6), b"\x01\x07\x07")
    with Store.open(chain.path, chain.identity) as opened:
        with pytest.raises(CorruptStore, match="the state root of block 5 comes out as"):
            opened.rewind(chain.hashes[5])
        assert opened.head.number == 6
        assert_state(opened.state_at(chain.hashes[6]), chain.models[6])


def test_files_that_are_missing_or_damaged_are_noticed(tmp_path: Path) -> None:
    chain = FakeChain(tmp_path / "store").extend(40)
    chain.store.close()
    log = max(chain.path.glob("*.log"), key=lambda file: file.stat().st_size)
    content = log.read_bytes()
    for damaged in (content[: len(content) // 2] + b"\x00\x01\x02" + content[len(content) // 2 + 3 :], None):
        if damaged is None:
            log.write_bytes(content)
            next(chain.path.glob("MANIFEST-*")).unlink()
        else:
            log.write_bytes(damaged)
        with pytest.raises(CorruptStore, match="the store is damaged"):
            Store.open(chain.path, chain.identity)


def test_a_log_that_ends_early_gives_an_earlier_head(tmp_path: Path) -> None:
    """As after a power loss: the last blocks are missing, and nothing else."""
    chain = FakeChain(tmp_path / "store").extend(40)
    chain.store.close()
    log = max(chain.path.glob("*.log"), key=lambda file: file.stat().st_size)
    log.write_bytes(log.read_bytes()[: log.stat().st_size * 2 // 3])
    with Store.open(chain.path, chain.identity) as opened:
        head = opened.head.number
        assert 0 < head < 40
        for number in range(head + 1):
            assert_state(opened.state_at(chain.hashes[number]), chain.models[number])


def test_a_closed_store_says_so(chain: FakeChain) -> None:
    state, read = chain.store.state_at(chain.hashes[3]), chain.store.state_at(chain.hashes[6])
    read.account(ADDRESSES[0])
    block = chain.next_block()
    chain.store.close()
    for ask in (lambda: state.account(ADDRESSES[0]), lambda: read.account(ADDRESSES[0]), lambda: chain.store.state_at(chain.hashes[6])):
        with pytest.raises(MissingState, match="the store is closed"):
            ask()
    with pytest.raises(StoreError, match="the store is closed"):
        chain.store.append(block)


def test_an_empty_state_has_a_store_too(tmp_path: Path) -> None:
    genesis = make_genesis(StateChanges())
    identity = ChainIdentity(1, genesis.hash)
    Store.create(tmp_path / "store", identity, genesis, history=None).close()
    with Store.open(tmp_path / "store", identity) as opened:
        assert_state(opened.state_at(genesis.hash), Model())
