"""Snapshots: a state goes into a file and comes out the same, or not at all."""

from __future__ import annotations

import zlib
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from tests.unit.storage.fake_chain import FakeChain, assert_state, make_block, random_changes
from trinode.execution.errors import MissingState
from trinode.protocol.rlp_codec import decode_list, encode, to_list
from trinode.protocol.types import BlockId
from trinode.storage import snapshot_file
from trinode.storage.errors import SnapshotError, StoreExists, StoreLocked, UnknownFormat, WrongChain
from trinode.storage.identity import ChainIdentity
from trinode.storage.snapshot_export import export_snapshot
from trinode.storage.snapshot_file import ACCOUNTS, BLOCKS, CODES, END, HEAD, MAGIC, SLOTS, read_frames
from trinode.storage.snapshot_import import import_snapshot
from trinode.storage.store import Store
from trinode.storage.tables import number_bytes

Frames = list[tuple[int, list[bytes]]]


@pytest.fixture
def chain(tmp_path: Path) -> FakeChain:
    return FakeChain(tmp_path / "store").extend(12)


@pytest.fixture
def file(chain: FakeChain, tmp_path: Path) -> Path:
    """A snapshot of block 9."""
    path = tmp_path / "snapshot"
    export_snapshot(chain.store, chain.identity, chain.hashes[9], path)
    return path


def frames_of(path: Path) -> Frames:
    with path.open("rb") as file:
        return list(read_frames("", file))


def write_frames(path: Path, frames: Frames, magic: bytes = MAGIC) -> None:
    """A file with right checksums, whatever the frames are."""
    content = magic
    digest = sha256(magic)
    for kind, strings in frames:
        stream = zlib.compress(encode([*strings]))
        frame = bytes([kind]) + len(stream).to_bytes(4, "big") + stream
        digest.update(frame)
        content += frame + digest.digest()
    path.write_bytes(content)


def assert_refused(chain: FakeChain, file: Path, message: str, error: type[Exception] = SnapshotError) -> None:
    """The import says why, and leaves nothing behind."""
    target = file.parent / "imported"
    before = sorted(file.parent.iterdir())
    with pytest.raises(error, match=message):
        import_snapshot(file, target, chain.identity, chain.hashes[9], history=None)
    assert sorted(file.parent.iterdir()) == before


# ---- what goes well ----


@pytest.mark.parametrize("number", [0, 9, 12])
def test_a_state_comes_back_and_the_chain_goes_on(chain: FakeChain, tmp_path: Path, number: int) -> None:
    told: list[tuple[str, int]] = []
    export_snapshot(chain.store, chain.identity, chain.hashes[number], tmp_path / "file", progress=lambda *what: told.append(what))
    model = chain.models[number]
    assert ("accounts", len(model.accounts)) in told
    assert ("slots", len(model.storage)) in told
    told.clear()
    block = import_snapshot(
        tmp_path / "file", tmp_path / "new", chain.identity, chain.hashes[number], history=3, progress=lambda *what: told.append(what)
    )
    assert block == BlockId(number, chain.hashes[number])
    assert told[-2:] == [("bytes", (tmp_path / "file").stat().st_size), ("accounts", len(model.accounts))]
    with Store.open(tmp_path / "new", chain.identity) as store:
        assert (store.head, store.oldest_state, store.history) == (block, number, 3)
        state = store.state_at(block.hash)
        assert_state(state, model)
        for height in range(number + 1):
            assert state.block_hash(height) == chain.hashes[height]
            assert store.blocks.transactions(chain.hashes[height]) == chain.store.blocks.transactions(chain.hashes[height])
        random = Random(0)
        for salt in range(10):
            changes = random_changes(random, model)
            model = model.after(changes)
            store.append(make_block(store.parent_for(store.head.hash), changes, salt))
        assert_state(store.state_at(store.head.hash), model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "new", "store"]


def test_the_file_is_the_same_whenever_it_is_made(chain: FakeChain, file: Path, tmp_path: Path) -> None:
    chain.store.rewind(chain.hashes[9])
    export_snapshot(chain.store, chain.identity, chain.hashes[9], tmp_path / "again")
    before, after = frames_of(file), frames_of(tmp_path / "again")
    assert [frame for frame in before if frame[0] != CODES] == [frame for frame in after if frame[0] != CODES]


def test_only_256_blocks_are_in_it(tmp_path: Path) -> None:
    chain = FakeChain(tmp_path / "long").extend(260)
    export_snapshot(chain.store, chain.identity, chain.hashes[260], tmp_path / "file")
    import_snapshot(tmp_path / "file", tmp_path / "new", chain.identity, chain.hashes[260], history=None)
    with Store.open(tmp_path / "new", chain.identity) as store:
        assert store.blocks.header(chain.hashes[5]) is not None
        assert store.blocks.header(chain.hashes[4]) is None
        assert_state(store.state_at(chain.hashes[260]), chain.models[260])


def test_frames_are_cut_when_they_are_full(file: Path, chain: FakeChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_file, "_FRAME_BYTES", 40)
    export_snapshot(chain.store, chain.identity, chain.hashes[9], tmp_path / "small")
    assert len(frames_of(tmp_path / "small")) > 2 * len(frames_of(file))
    import_snapshot(tmp_path / "small", tmp_path / "new", chain.identity, chain.hashes[9], history=None)
    with Store.open(tmp_path / "new", chain.identity) as store:
        assert_state(store.state_at(chain.hashes[9]), chain.models[9])


# ---- files that are not as they were written ----


def test_any_damage_is_noticed(file: Path, chain: FakeChain) -> None:
    content = file.read_bytes()
    random = Random(0)
    for position in sorted({*range(len(MAGIC) + 5), *random.sample(range(len(content)), 60), len(content) - 1}):
        damaged = bytearray(content)
        damaged[position] ^= 1 << random.randrange(8)
        file.write_bytes(damaged)
        error = UnknownFormat if len(MAGIC) - 2 <= position < len(MAGIC) else SnapshotError
        assert_refused(chain, file, "damaged or cut off|is no snapshot|this version reads", error)


def test_a_file_that_is_cut_off_or_continued_is_noticed(file: Path, chain: FakeChain) -> None:
    content = file.read_bytes()
    for size in [0, 5, len(MAGIC), *Random(0).sample(range(len(MAGIC), len(content)), 20), len(content) - 1]:
        file.write_bytes(content[:size])
        assert_refused(chain, file, "damaged or cut off|is no snapshot")
    file.write_bytes(content + b"\x00")
    assert_refused(chain, file, "damaged or cut off")


def test_a_later_format_is_refused(file: Path, chain: FakeChain) -> None:
    write_frames(file, frames_of(file), b"trinode snapshot 2\n")
    assert_refused(chain, file, "this version reads 'trinode snapshot 1' only", UnknownFormat)


def test_what_inflates_too_far_is_not_inflated(file: Path, chain: FakeChain, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = frames_of(file)
    write_frames(file, [frames[0], (CODES, [bytes(100_000)]), *frames[1:]])
    monkeypatch.setattr(snapshot_file, "MOST_FRAME_BYTES", 90_000)
    assert_refused(chain, file, "damaged or cut off")


# ---- files that somebody made ----


def replaced(frames: Frames, kind: int, strings: list[bytes]) -> Frames:
    return [(found, strings if found == kind else before) for found, before in frames]


def test_a_state_that_is_not_the_blocks_is_refused(file: Path, chain: FakeChain) -> None:
    frames = frames_of(file)
    by_kind = dict(frames)
    accounts, slots, end = by_kind[ACCOUNTS], by_kind[SLOTS], by_kind[END]
    few = [number_bytes(len(accounts) // 2 - 1), end[1]]
    for changed, message in (
        (replaced(frames, SLOTS, [slots[0], b"\x77", *slots[2:]]), "its state has the root"),
        (replaced(frames, ACCOUNTS, [accounts[0], b"\x01\x77", *accounts[2:]]), "its state has the root|slots of accounts"),
        (replaced(frames, ACCOUNTS, accounts[2:]), "a part of kind 6"),
        (replaced(replaced(frames, ACCOUNTS, accounts[2:]), END, few), "its state has the root|slots of accounts"),
        (replaced(frames, ACCOUNTS, accounts[:2] + accounts[:-2]), "twice|its state has the root"),
        (replaced(frames, SLOTS, slots[:2] + slots[:-2]), "twice"),
        (replaced(frames, CODES, []), "code 0x[0-9a-f]+ is missing"),
        (replaced(frames, BLOCKS, []), "it has no block"),
    ):
        write_frames(file, changed)
        assert_refused(chain, file, message)


def test_blocks_that_are_not_the_chains_are_refused(file: Path, chain: FakeChain) -> None:
    frames = frames_of(file)
    blocks = dict(frames)[BLOCKS]
    header, transactions = decode_list(blocks[0])
    fewer = encode([header, to_list(transactions)[1:]])
    for changed in ([blocks[1], *blocks], [blocks[0], *blocks[2:]], [fewer, *blocks[1:]]):
        write_frames(file, replaced(frames, BLOCKS, changed))
        assert_refused(chain, file, "is not the one that block 0x[0-9a-f]{64} comes from")


def test_strings_of_the_wrong_shape_are_refused(file: Path, chain: FakeChain) -> None:
    frames = frames_of(file)
    address, code_flag = bytes(20), b"\x40"
    for kind, strings, message in (
        (HEAD, [b""], "does not begin with what it is of"),
        (BLOCKS, [b""], "no item"),
        (BLOCKS, [encode([])], "its blocks are not"),
        (BLOCKS, [encode([b"\xc0", []])], "0 fields in a header"),
        (ACCOUNTS, [address], "a part of kind 4"),
        (ACCOUNTS, [address[1:], b"\x00"], "the account 0x"),
        (ACCOUNTS, [address, b""], "the account 0x"),
        (ACCOUNTS, [address, b"\x02\x00\x01"], "the account 0x"),
        (ACCOUNTS, [address, code_flag + bytes(5)], "is missing|slots of accounts"),
        (SLOTS, [address, b"\x01"], "the slot 0x"),
        (SLOTS, [bytes(52), b""], "the slot 0x"),
        (SLOTS, [bytes(52), b"\x00\x01"], "the slot 0x"),
        (SLOTS, [bytes(52), bytes([1]) * 33], "the slot 0x"),
        (END, [b""], "a part of kind 6"),
    ):
        changed = replaced(frames, kind, strings)
        if len(strings) == 2 and strings[1][:1] == code_flag:
            changed = replaced(changed, END, [number_bytes(1), dict(frames)[END][1]])
        write_frames(file, changed)
        assert_refused(chain, file, message)
    write_frames(file, [*frames[:-1], (9, []), frames[-1]])
    assert_refused(chain, file, "a part of kind 9")
    write_frames(file, [frames[1], *frames])
    assert_refused(chain, file, "does not begin with what it is of")


# ---- what is asked for ----


def test_the_block_and_the_chain_must_be_those_asked_for(file: Path, chain: FakeChain, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"it is of block 0x[0-9a-f]{64}, not of block"):
        import_snapshot(file, tmp_path / "new", chain.identity, chain.hashes[8], history=None)
    with pytest.raises(WrongChain, match="the snapshot is of chain 901"):
        import_snapshot(file, tmp_path / "new", ChainIdentity(5, chain.genesis.hash), chain.hashes[9], history=None)
    with pytest.raises(FileNotFoundError):
        import_snapshot(tmp_path / "none", tmp_path / "new", chain.identity, chain.hashes[9], history=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["snapshot", "store"]


def test_nothing_that_is_there_is_overwritten(file: Path, chain: FakeChain) -> None:
    with pytest.raises(StoreExists, match="not empty"):
        import_snapshot(file, chain.path, chain.identity, chain.hashes[9], history=None)
    with pytest.raises(SnapshotError, match="there is a file already"):
        export_snapshot(chain.store, chain.identity, chain.hashes[9], file)
    assert_state(chain.open().state_at(chain.hashes[12]), chain.models[12])


def test_an_export_that_fails_leaves_nothing(chain: FakeChain, tmp_path: Path) -> None:
    def fail(what: str, done: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        export_snapshot(chain.store, chain.identity, chain.hashes[9], tmp_path / "file", progress=fail)
    with pytest.raises(MissingState):
        export_snapshot(chain.store, chain.identity, bytes(32), tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_what_a_killed_import_left_is_removed_and_a_running_one_is_not(file: Path, chain: FakeChain, tmp_path: Path) -> None:
    left = tmp_path / "new.importing"
    (left / "store").mkdir(parents=True)
    (left / "store" / "MANIFEST-000001").touch()

    def try_another(what: str, done: int) -> None:
        with pytest.raises(StoreLocked):
            import_snapshot(file, tmp_path / "new", chain.identity, chain.hashes[9], history=None)

    import_snapshot(file, tmp_path / "new", chain.identity, chain.hashes[9], history=None, progress=try_another)
    assert not left.exists()
