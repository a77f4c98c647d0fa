"""Writes that fail, and files as a power loss or a bad disk leaves them: the store is as it was before, or says in one line that it is damaged."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import plyvel
import pytest

from tests.unit.storage.fake_chain import FakeChain, assert_state
from trinode.storage.database import Batch, Database
from trinode.storage.errors import StoreError
from trinode.storage.store import Store

BLOCKS = 30
DAMAGES = 40
"""Of each kind."""


class FullDisk:
    """The write batches of all databases, of which some fail as LevelDB's do on a full disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        batch = Database.batch

        def failing(database: Database, *, sync: bool = False) -> Batch:
            made = batch(database, sync=sync)
            return Batch(FailingBatch(made)) if self.is_full else made

        monkeypatch.setattr(Database, "batch", failing)


class FailingBatch:
    """A plyvel write batch that cannot be written."""

    def __init__(self, batch: Batch) -> None:
        self.put, self.delete = batch.put, batch.delete

    def write(self) -> None:
        raise plyvel.IOError(b"IO error: /data/chain/000003.log: No space left on device")


def check_all(store: Store, chain: FakeChain) -> None:
    """The store has a beginning of the chain, and every state up to its head."""
    assert store.head.hash == chain.hashes[store.head.number]
    for number in range(store.oldest_state, store.head.number + 1):
        assert_state(store.state_at(chain.hashes[number]), chain.models[number])


def test_a_write_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = FakeChain(tmp_path / "store").extend(6)
    chain.store.set_label("safe", chain.hashes[2])
    disk = FullDisk(monkeypatch)
    block = chain.next_block()
    attempts: list[Callable[[], Any]] = [
        lambda: chain.store.append(block),
        lambda: chain.store.rewind(chain.hashes[3]),
        lambda: chain.store.set_label("safe", chain.hashes[4]),
        lambda: chain.store.set_history(2),
    ]
    disk.is_full = True
    for attempt in attempts:
        with pytest.raises(StoreError, match=r"as it was before: IO error: .*: No space left on device\. Make room"):
            attempt()
        assert chain.store.head.number == 6
        assert chain.store.label("safe") == chain.hashes[2]
        assert chain.store.history is None
        check_all(chain.store, chain)
    disk.is_full = False
    chain.store.append(block)
    assert chain.open().head.hash == block.hash


def cut(data: bytes, random: Random) -> bytes:
    """The end of what was written never came to the disk."""
    return data[: random.randrange(len(data))]


def zero(data: bytes, random: Random) -> bytes:
    """The file has its length, but not its end."""
    start = random.randrange(len(data))
    return data[:start] + bytes(len(data) - start)


def flip(data: bytes, random: Random) -> bytes:
    """A bit that the disk lost."""
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def swap(data: bytes, random: Random) -> bytes:
    """A page of something else."""
    at = random.randrange(len(data))
    return (data[:at] + random.randbytes(min(4096, len(data) - at)) + data[at + 4096 :])[: len(data)]


@pytest.mark.parametrize("damage", [cut, zero, flip, swap])
@pytest.mark.parametrize("files", ["*.log", "*.ldb", "MANIFEST-*", "CURRENT"])
def test_a_damaged_file_loses_the_end_or_is_noticed(tmp_path: Path, files: str, damage: Callable[[bytes, Random], bytes]) -> None:
    """Never is there another state than a block had."""
    random = Random(files + damage.__name__)
    chain = FakeChain(tmp_path / "store").extend(BLOCKS)
    chain.open()  # what was in the log is in a table now
    chain.extend(BLOCKS)
    chain.store.close()
    heads, refusals = [], []
    for index in range(DAMAGES):
        copy = shutil.copytree(chain.path, tmp_path / str(index))
        file = max(copy.glob(files), key=lambda path: path.stat().st_size)
        file.write_bytes(damage(file.read_bytes(), random))
        try:
            with Store.open(copy, chain.identity) as opened:
                check_all(opened, chain)
                heads.append(opened.head.number)
        except StoreError as error:
            refusals.append(str(error))
        shutil.rmtree(copy)
    assert all(re.fullmatch("[^\n]*(restore the folder|make one)[^\n]*", text, re.IGNORECASE) for text in refusals), refusals
    if files == "*.log" and damage is cut:
        assert len(set(heads)) > 3, "a log that ends early gives an earlier head"
