"""The records of derivation: safe heads by L1 block, checkpoints, and what a node killed at any moment finds of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trinode.protocol.types import BlockId
from trinode.rollup.l2_block import L2BlockRef
from trinode.storage.database import Database
from trinode.storage.derivation import OLDEST_CHECKPOINT, DerivationRecords, SafeHead
from trinode.storage.errors import CorruptStore, StoreLocked, UnknownFormat, WrongChain
from trinode.storage.identity import ChainIdentity

CHAIN = ChainIdentity(10, bytes([7]) * 32)


def l1(number: int) -> BlockId:
    return BlockId(number, number.to_bytes(32, "big"))


def l2(number: int) -> L2BlockRef:
    return L2BlockRef((number << 128).to_bytes(32, "big"), number, bytes([9]) * 32, 2 * number, l1(number // 6), number % 6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "derivation"


@pytest.fixture
def records(path: Path) -> Iterator[DerivationRecords]:
    records = DerivationRecords(path, CHAIN)
    yield records
    records.close()


def all_of(records: DerivationRecords) -> dict[int, int]:
    return {safe_head.l1.number: safe_head.l2.number for safe_head in records.since(-1)}


# ---- safe heads ----


def test_the_safe_head_is_that_of_the_last_l1_block_up_to_the_number(records: DerivationRecords) -> None:
    assert records.safe_head_at(1000) is None
    records.put([SafeHead(l1(100), l2(10)), SafeHead(l1(103), l2(40))])
    assert records.safe_head_at(-1) is None and records.safe_head_at(99) is None
    for number in (100, 101, 102):
        assert records.safe_head_at(number) == (l1(100), l2(10).id)
    for number in (103, 104, 2**64 - 1, 2**70):
        assert records.safe_head_at(number) == (l1(103), l2(40).id)


def test_the_last_one_of_an_l1_block_counts(records: DerivationRecords) -> None:
    records.put([SafeHead(l1(100), l2(10)), SafeHead(l1(100), l2(11))])
    records.put([SafeHead(l1(100), l2(12))])
    assert records.safe_head_at(100) == (l1(100), l2(12).id)


def test_what_is_written_is_there_after_opening_again(path: Path) -> None:
    records = DerivationRecords(path, CHAIN)
    records.put([SafeHead(l1(100), l2(10))], (100, b"there"))
    records.close()
    again = DerivationRecords(path, CHAIN)
    assert again.since(0) == [SafeHead(l1(100), l2(10))]
    assert again.checkpoints() == [b"there"]
    again.close()


def test_a_rewind_takes_back_what_is_beyond(records: DerivationRecords) -> None:
    records.put([SafeHead(l1(100), l2(10)), SafeHead(l1(101), l2(20)), SafeHead(l1(105), l2(30)), SafeHead(l1(106), l2(40))])
    records.rewind(l2(25))
    assert all_of(records) == {100: 10, 101: 20, 105: 25}
    records.rewind(l2(20))
    assert all_of(records) == {100: 10, 101: 20}
    records.rewind(l2(50))
    assert all_of(records) == {100: 10, 101: 20}


def test_a_rewind_before_all_that_is_recorded_takes_all(records: DerivationRecords) -> None:
    records.put([SafeHead(l1(100), l2(10)), SafeHead(l1(101), l2(20))])
    records.rewind(l2(7))  # it was safe before L1 block 100, nobody knows since when
    assert all_of(records) == {}


def test_a_rewind_to_the_first_one_keeps_it(records: DerivationRecords) -> None:
    records.put([SafeHead(l1(100), l2(10)), SafeHead(l1(101), l2(20))])
    records.rewind(l2(10))
    assert all_of(records) == {100: 10}


def test_what_finality_needs_is_oldest_first(records: DerivationRecords) -> None:
    entries = [SafeHead(l1(100 + n), l2(10 * n)) for n in range(8)]
    records.put(entries)
    assert records.since(30) == entries[4:]
    assert records.since(35) == entries[4:]
    assert records.since(70) == []


def test_old_ones_go_where_that_is_wanted(path: Path) -> None:
    records = DerivationRecords(path, CHAIN, retention=10)
    for number in range(100, 300, 3):
        records.put([SafeHead(l1(number), l2(number))])
    assert records.safe_head_at(298 - 10) == (l1(286), l2(286).id)
    assert min(all_of(records)) == 286
    assert records.safe_head_at(285) is None
    records.close()


def test_a_retention_of_nothing_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="at least"):
        DerivationRecords(path, CHAIN, retention=0)


puts = st.tuples(st.just("put"), st.integers(1, 4), st.integers(1, 9))
rewinds = st.tuples(st.just("rewind"), st.integers(1, 60), st.just(0))
steps = st.lists(st.one_of(puts, rewinds))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_as_a_list_would(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]) -> None:
    records = DerivationRecords(tmp_path_factory.mktemp("records") / "d", CHAIN)
    model: list[SafeHead] = []
    number = block = 0
    for action, first, second in steps:
        if action == "put":
            number, block = number + first, block + second
            model.append(SafeHead(l1(number), l2(block)))
            records.put(model[-1:])
        else:
            block = min(block, first)
            beyond = [entry for entry in model if entry.l2.number >= block]
            model = [entry for entry in model if entry.l2.number < block]
            if beyond and (model or beyond[0].l2.number == block):
                model.append(SafeHead(beyond[0].l1, l2(block)))
            records.rewind(l2(block))
        assert records.since(-1) == model
        for at in range(number + 2):
            below = [entry for entry in model if entry.l1.number <= at]
            assert records.safe_head_at(at) == ((below[-1].l1, below[-1].l2.id) if below else None)
    records.close()


# ---- checkpoints ----


def at(number: int) -> bytes:
    return number.to_bytes(8, "big")


def numbers(records: DerivationRecords) -> list[int]:
    return [int.from_bytes(checkpoint, "big") for checkpoint in records.checkpoints()]


def test_a_few_older_checkpoints_stay(records: DerivationRecords) -> None:
    assert records.checkpoints() == []
    for number in range(5000, 8001):
        records.put(checkpoint=(number, at(number)))
    found = numbers(records)
    assert found[:2] == [8000, 7999] and found == sorted(found, reverse=True)
    assert len(found) <= 12
    distances = [8000 - number for number in found[1:]]
    assert 64 < distances[-1] <= OLDEST_CHECKPOINT
    assert all(later < 4 * earlier for earlier, later in pairwise(distances))


def test_checkpoints_of_another_l1_chain_go(records: DerivationRecords) -> None:
    for number in range(100, 120):
        records.put(checkpoint=(number, at(number)))
    records.put(checkpoint=(110, b"other".rjust(8)))
    found = records.checkpoints()
    assert found[0] == b"other".rjust(8)
    assert max(numbers(records)[1:]) < 110 and len(found) > 1


def test_a_checkpoint_far_ahead_is_alone(records: DerivationRecords) -> None:
    records.put(checkpoint=(100, at(100)))
    records.put(checkpoint=(101 + OLDEST_CHECKPOINT, at(7)))
    assert records.checkpoints() == [at(7)]


# ---- whose records ----


def test_records_of_another_chain_are_refused(path: Path, records: DerivationRecords) -> None:
    records.close()
    with pytest.raises(WrongChain, match="not of chain 11"):
        DerivationRecords(path, CHAIN._replace(chain_id=11))
    DerivationRecords(path, CHAIN).close()  # the failure has left nothing open


def test_records_of_another_version_are_refused(path: Path, records: DerivationRecords) -> None:
    records.close()
    database = Database(path, create=False)
    with database.batch() as batch:
        batch.put(b"mformat", b"trinode derivation records 9")
    database.close()
    with pytest.raises(UnknownFormat, match="records 9"):
        DerivationRecords(path, CHAIN)


def test_records_in_use_are_refused(path: Path, records: DerivationRecords) -> None:
    with pytest.raises(StoreLocked):
        DerivationRecords(path, CHAIN)


def test_a_damaged_record_is_named(path: Path, records: DerivationRecords) -> None:
    records.put([SafeHead(l1(100), l2(10))])
    records.close()
    database = Database(path, create=False)
    with database.batch() as batch:
        batch.put(next(database.entries(b"s"))[0], b"short")
    database.close()
    again = DerivationRecords(path, CHAIN)
    with pytest.raises(CorruptStore, match="Remove the folder"):
        again.safe_head_at(100)
    again.close()


# ---- killed ----

_WRITER = """
import sys
from pathlib import Path
from tests.unit.storage.test_derivation_records import CHAIN, DerivationRecords, SafeHead, at, l1, l2
records = DerivationRecords(Path(sys.argv[1]), CHAIN)
for number in range(1, 1_000_000):
    records.put([SafeHead(l1(number), l2(number)), SafeHead(l1(number), l2(2 * number))], (number, at(number)))
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 20, 300])
def test_a_kill_takes_nothing_that_was_written(path: Path, after: int) -> None:
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(after):
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split("\n")[:-1]  # what it said while the signal was under way; without a torn line
    said = int(rest[-1]) if rest else said
    records = DerivationRecords(path, CHAIN)
    last = numbers(records)[0]
    assert last in (said, said + 1)
    assert records.safe_head_at(2**64 - 1) == (l1(last), l2(2 * last).id)  # each step is there as a whole
    assert len(records.since(0)) == last
    records.close()
