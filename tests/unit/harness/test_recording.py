"""The recording format: what the reader refuses and how it says so, and that the writer writes whole files or none."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from harness.recording import (
    RecordedItem,
    RecordedL1Block,
    RecordedL2Block,
    RecordedLabels,
    RecordingError,
    RecordingHead,
    RecordingReader,
    RecordingWriter,
    open_recording,
)
from trinode.protocol.keccak import keccak256

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "devnet"
Line = dict[str, Any]
ZERO = "0x" + "00" * 32


def write_lines(path: Path, lines: list[Line]) -> Path:
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode(), 1))
    return path


def read_all(path: Path, *, check: bool = True, max_line_bytes: int = 1 << 27) -> tuple[RecordingHead, list[RecordedItem]]:
    with open_recording(path, check=check, max_line_bytes=max_line_bytes) as reader:
        return reader.head, list(reader)


def refused(path: Path, **options: Any) -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        read_all(path, **options)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return caught.value


@pytest.fixture(scope="module")
def original() -> list[Line]:
    """Some lines of a recorded devnet: the head, L1 blocks with labels and a blob, two L2 blocks."""
    with gzip.open(FIXTURES / "steady-karst.jsonl.gz", "rt") as file:
        lines = [json.loads(line) for line in file]
    blobs = [index for index, line in enumerate(lines) if line.get("blobs")]
    l2 = [line for line in lines if line["type"] == "l2_block"][:2]
    return [*lines[: blobs[0] + 1], *l2]


@pytest.fixture
def lines(original: list[Line]) -> list[Line]:
    copy: list[Line] = json.loads(json.dumps(original))
    return copy


def first(lines: list[Line], kind: str, holds: str = "") -> tuple[int, Line]:
    return next((n, line) for n, line in enumerate(lines, 1) if line["type"] == kind and (not holds or line[holds]))


# ---- reading ----


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("*.gz")))
def test_whole_recordings_pass_every_check(name: str) -> None:
    with gzip.open(FIXTURES / name, "rt") as file:
        kinds = [json.loads(line)["type"] for line in file]
    head, items = read_all(FIXTURES / name)
    names = {RecordedL1Block: "l1_block", RecordedLabels: "l1_labels", RecordedL2Block: "l2_block"}
    assert [names[type(item)] for item in items] == kinds[1:]
    assert [item.line for item in items] == list(range(2, len(kinds) + 1))
    assert head.name == name.removesuffix(".jsonl.gz")
    assert head.l2_start.block.ref.hash == head.rollup_config.genesis.l2.hash
    assert head.l2_start.block.ref.l1_origin == head.rollup_config.genesis.l1


def test_values(tmp_path: Path, lines: list[Line]) -> None:
    head, items = read_all(write_lines(tmp_path / "r.jsonl.gz", lines))
    assert head.rollup_config.l2_chain_id == 902
    assert head.l1_chain_config.chain_id == 31337
    assert (head.notes, head.execution_departs_at, head.l2_genesis) == ((), None, "steady-genesis.json.gz")
    number, line = first(lines, "l1_block", "blobs")
    item = items[number - 2]
    assert isinstance(item, RecordedL1Block)
    assert "0x" + item.block.hash.hex() == line["hash"]
    assert {"0x" + name.hex(): "0x" + blob.hex() for name, blob in item.blobs.items()} == line["blobs"]
    assert item.block.receipts is not None
    assert ["0x" + raw.hex() for raw in item.block.receipts] == line["receipts"]
    block = items[-1]
    assert isinstance(block, RecordedL2Block)
    assert block.block.ref.number == block.header.number == lines[-1]["number"]
    assert block.block.ref.l1_origin.number == lines[-1]["l1_origin"]["number"]
    assert block.attributes is not None
    assert block.attributes.transactions == block.block.transactions
    assert block.attributes.withdrawals == ()
    assert block.attributes.eip1559_params == bytes.fromhex("000000fa00000006")


def test_a_reader_can_be_iterated_twice_and_left_early(tmp_path: Path, lines: list[Line]) -> None:
    with open_recording(write_lines(tmp_path / "r.jsonl.gz", lines)) as reader:
        few = list(islice(reader, 3))
        assert list(reader)[:3] == few
        assert list(reader) == list(reader)


def test_optional_fields_may_be_absent(tmp_path: Path, lines: list[Line]) -> None:
    _, expected = read_all(write_lines(tmp_path / "a.jsonl.gz", lines))
    for line in lines:
        if line["type"] == "l1_block":
            del line["number"], line["hash"]
    lines[0] |= {"notes": [{"what": "a transaction", "tx": ZERO}], "execution_departs_at": 7, "something_new": {}}
    lines[-1]["output_root"] = None
    head, items = read_all(write_lines(tmp_path / "b.jsonl.gz", lines))
    assert items[:-1] == expected[:-1]
    assert isinstance(items[-1], RecordedL2Block)
    assert items[-1].output_root is None
    assert head.execution_departs_at == 7
    assert head.notes[0].what == "a transaction"


def test_null_receipts_where_the_bloom_excludes_both_contracts(tmp_path: Path, lines: list[Line]) -> None:
    number, line = first(lines, "l1_block")
    line["receipts"] = None
    _, items = read_all(write_lines(tmp_path / "r.jsonl.gz", lines))
    item = items[number - 2]
    assert isinstance(item, RecordedL1Block)
    assert item.block.receipts is None


def test_blank_lines_are_skipped(tmp_path: Path, lines: list[Line]) -> None:
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress("\n \n".join(json.dumps(line) for line in lines).encode(), 1))
    assert len(read_all(path)[1]) == len(lines) - 1


# ---- what is refused, by field ----


def change_first_byte(text: str) -> str:
    return "0x" + f"{int(text[2:4], 16) ^ 1:02x}" + text[4:]


def change_last_byte(text: str) -> str:
    return text[:-2] + f"{int(text[-2:], 16) ^ 1:02x}"


def null_needed_receipts(line: Line) -> None:
    line["receipts"] = None


def swap_blob(line: Line) -> None:
    name = next(iter(line["blobs"]))
    line["blobs"][name] = change_last_byte(line["blobs"][name])


def rename_blob(line: Line) -> None:
    name = next(iter(line["blobs"]))
    line["blobs"] = {change_last_byte(name): line["blobs"][name]}


def unreduced_blob(line: Line) -> None:
    name = next(iter(line["blobs"]))
    line["blobs"][name] = "0x" + "ff" * 131072


def short_blob(line: Line) -> None:
    name = next(iter(line["blobs"]))
    line["blobs"][name] = line["blobs"][name][:-2]


def put(field: str, value: Any) -> Callable[[Line], None]:
    def change(line: Line) -> None:
        *path, last = field.split(".")
        inner = line
        for part in path:
            inner = inner[part]
        inner[last] = value(inner[last]) if callable(value) else value

    return change


def drop(field: str) -> Callable[[Line], None]:
    def change(line: Line) -> None:
        *path, last = field.split(".")
        inner = line
        for part in path:
            inner = inner[part]
        del inner[last]

    return change


def tamper_list(field: str) -> Callable[[Line], None]:
    return put(field, lambda items: [change_last_byte(items[0]), *items[1:]])


DAMAGE: list[tuple[str, str, Callable[[Line], None], str, str]] = [
    ("recording", "", put("format", 2), "format", "only 1"),
    ("recording", "", put("format", "1"), "format", "Expected `int`"),
    ("recording", "", drop("name"), "", "missing required field `name`"),
    ("recording", "", put("rollup_config", []), "rollup_config", "Expected `object`"),
    ("recording", "", put("rollup_config.block_time", 0), "rollup_config.block_time", ""),
    ("recording", "", drop("rollup_config.genesis"), "rollup_config.genesis", ""),
    ("recording", "", put("l1_chain_config.chain_id", 1), "l1_chain_config.chain_id", "rollup_config has 31337"),
    ("recording", "", put("l1_chain_config.blob_schedule", 1), "l1_chain_config.blob_schedule", ""),
    ("recording", "", put("l2_start.header_rlp", "0x00"), "l2_start.header_rlp", ""),
    ("recording", "", put("l2_start.header_rlp", change_last_byte), "l2_start", "is not that block"),
    ("recording", "", put("l2_start.l1_origin.number", 2), "l2_start", "is not that block"),
    ("recording", "", put("l2_start.transactions", ["0x01"]), "l2_start.transactions", "have root"),
    ("recording", "", put("l2_start.system_config", {}), "l2_start.system_config.batcherAddr", ""),
    ("recording", "", put("l2_start.sequence_number", -1), "l2_start.sequence_number", ">= 0"),
    ("recording", "", put("notes", [{"what": "x", "tx": "0x"}]), "notes[0].tx", "0 bytes, not 32"),
    ("l1_block", "", put("type", "l1_blok"), "type", "l1_blok"),
    ("l1_block", "", drop("type"), "", "type"),
    ("l1_block", "", drop("receipts"), "", "receipts"),
    ("l1_block", "", put("number", 99), "number", "the header says"),
    ("l1_block", "", put("number", 1.5), "number", "Expected `int | null`"),
    ("l1_block", "", put("number", "0x1"), "number", "Expected `int | null`"),
    ("l1_block", "", put("hash", change_last_byte), "hash", "the header hashes to"),
    ("l1_block", "", put("header_rlp", lambda text: text + "00"), "header_rlp", ""),
    ("l1_block", "", put("header_rlp", lambda text: text[:-1]), "header_rlp", "bad hex"),
    ("l1_block", "", put("header_rlp", lambda text: text[2:]), "header_rlp", "0x-prefixed"),
    ("l1_block", "", put("header_rlp", lambda text: text[:4] + " " + text[5:]), "header_rlp", "bad hex"),
    ("l1_block", "", put("header_rlp", change_last_byte), "hash", ""),
    ("l1_block", "transactions", tamper_list("transactions"), "transactions", "have root"),
    ("l1_block", "transactions", put("transactions", []), "transactions", "have root"),
    ("l1_block", "transactions", put("transactions", ["zz"]), "transactions[0]", "0x-prefixed"),
    ("l1_block", "transactions", put("transactions", [7]), "transactions[0]", "Expected `str`"),
    ("l1_block", "receipts", tamper_list("receipts"), "receipts", "have root"),
    ("l1_block", "blobs", swap_blob, "blobs[0x01", "versioned hash"),
    ("l1_block", "blobs", rename_blob, "blobs[0x01", "versioned hash"),
    ("l1_block", "blobs", unreduced_blob, "blobs[0x01", "below the BLS modulus"),
    ("l1_block", "blobs", short_blob, "blobs[0x01", "131071 bytes, not 131072"),
    ("l1_labels", "", put("safe", 1 << 40), "safe", "above the last L1 block"),
    ("l1_labels", "", put("finalized", 1), "finalized", "above safe"),
    ("l1_labels", "", put("safe", None), "safe", "Expected `int`"),
    ("l2_block", "", put("number", 9), "number", "the header says"),
    ("l2_block", "", put("hash", change_last_byte), "hash", "the header hashes to"),
    ("l2_block", "", tamper_list("transactions"), "transactions", "have root"),
    ("l2_block", "", put("l1_origin.number", 7), "l1_origin", "first transaction says"),
    ("l2_block", "", put("sequence_number", 7), "sequence_number", "first transaction says"),
    ("l2_block", "", put("derived_from.hash", change_last_byte), "derived_from", "was shown before"),
    ("l2_block", "", put("derived_from.number", 1), "derived_from", "was shown before"),
    ("l2_block", "", put("attributes.timestamp", 5), "attributes.timestamp", "differs"),
    ("l2_block", "", put("attributes.gas_limit", 5), "attributes.gas_limit", "differs"),
    ("l2_block", "", put("attributes.prev_randao", ZERO), "attributes.prev_randao", "differs"),
    ("l2_block", "", put("attributes.parent_beacon_block_root", None), "attributes.parent_beacon_block_root", "differs"),
    ("l2_block", "", put("attributes.eip1559_params", "0x00"), "attributes.eip1559_params", "1 bytes, not 8"),
    ("l2_block", "", put("attributes.no_tx_pool", 1), "attributes.no_tx_pool", "Expected `bool`"),
    ("l2_block", "", put("deposits_only", None), "deposits_only", "Expected `bool`"),
    ("l2_block", "", put("output_root", "0x12"), "output_root", "1 bytes, not 32"),
]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: f"{damage[0]}: {damage[3]} {damage[4]}")
def test_altered_line(tmp_path: Path, lines: list[Line], damage: tuple[str, str, Callable[[Line], None], str, str]) -> None:
    kind, holds, change, field, message = damage
    number, line = first(lines, kind, holds)
    change(line)
    error = refused(write_lines(tmp_path / "r.jsonl.gz", lines))
    assert error.line == number
    assert error.field.startswith(field) if field.endswith("0x01") else error.field == field
    assert message in error.message


def test_check_false_leaves_out_roots_and_kzg_only(tmp_path: Path, lines: list[Line]) -> None:
    swap_blob(first(lines, "l1_block", "blobs")[1])
    tamper_list("receipts")(first(lines, "l1_block", "receipts")[1])
    path = write_lines(tmp_path / "r.jsonl.gz", lines)
    assert len(read_all(path, check=False)[1]) == len(lines) - 1
    put("hash", change_last_byte)(first(lines, "l1_block")[1])
    assert refused(write_lines(path, lines), check=False).field == "hash"


def test_null_receipts_where_the_bloom_may_hold_a_deposit(tmp_path: Path) -> None:
    with gzip.open(FIXTURES / "steady-karst.jsonl.gz", "rt") as file:
        head, *rest = [json.loads(line) for line in file]
    number, block = first([head, *rest], "l1_block")
    portal = head["rollup_config"]["deposit_contract_address"][2:]
    for number, block in enumerate([head, *rest], 1):  # noqa: B007 - used after the loop
        if block["type"] == "l1_block" and any(portal in receipt for receipt in block["receipts"]):
            break
    block["receipts"] = None
    error = refused(write_lines(tmp_path / "r.jsonl.gz", [head, *rest][:number]))
    assert (error.line, error.field) == (number, "receipts")
    assert portal in error.message


def l1_lines(lines: list[Line]) -> list[int]:
    return [index for index, line in enumerate(lines) if line["type"] == "l1_block"]


def test_missing_and_repeated_l1_blocks(tmp_path: Path, lines: list[Line]) -> None:
    places = l1_lines(lines)
    without = lines[: places[2]] + lines[places[2] + 1 :]
    error = refused(write_lines(tmp_path / "a.jsonl.gz", without))
    assert error.field == "header_rlp"
    assert "was not shown before" in error.message
    # Shown again after its child: a reorg that cuts the child off, after which the child's child has no parent.
    again = [*lines[: places[3]], lines[places[1]], *lines[places[3] :]]
    error = refused(write_lines(tmp_path / "b.jsonl.gz", again))
    assert error.line == places[3] + 2
    assert "reorged out" in error.message


def test_reorgs(tmp_path: Path, lines: list[Line]) -> None:
    places = l1_lines(lines)
    head, blocks = lines[0], [lines[index] for index in places[:4]]
    for shown in ([0, 1, 2, 3, 2, 3], [0, 1, 2, 1, 2, 3], [0, 0], [0, 1, 0, 1]):
        path = write_lines(tmp_path / "r.jsonl.gz", [head, *(blocks[index] for index in shown)])
        assert len(read_all(path)[1]) == len(shown)


def test_l2_block_without_its_parent(tmp_path: Path, lines: list[Line]) -> None:
    del lines[-2]
    error = refused(write_lines(tmp_path / "r.jsonl.gz", lines))
    assert "was not recorded before" in error.message


def test_a_header_that_hashes_right_but_links_wrong(tmp_path: Path, lines: list[Line]) -> None:
    """A forged number in a header changes the hash, so the next link shows it, whatever `hash` says."""
    places = l1_lines(lines)
    line = lines[places[1]]
    line["header_rlp"] = line["header_rlp"].replace("88" + "00" * 8, "88" + "00" * 7 + "01")
    line["hash"] = "0x" + keccak256(bytes.fromhex(line["header_rlp"][2:])).hex()
    error = refused(write_lines(tmp_path / "r.jsonl.gz", lines))
    assert error.line == places[2] + 1
    assert "was not shown before" in error.message


def test_second_head_and_missing_head(tmp_path: Path, lines: list[Line]) -> None:
    error = refused(write_lines(tmp_path / "a.jsonl.gz", [lines[0], lines[0]]))
    assert (error.line, error.field) == (2, "type")
    error = refused(write_lines(tmp_path / "b.jsonl.gz", lines[1:]))
    assert (error.line, error.field) == (1, "type")


def test_lines_before_a_bad_one_are_handed_out_first(tmp_path: Path, lines: list[Line]) -> None:
    swap_blob(first(lines, "l1_block", "blobs")[1])
    bad = first(lines, "l1_block", "blobs")[0]
    lines[-1]["hash"] = ZERO
    given: list[int] = []
    with open_recording(write_lines(tmp_path / "r.jsonl.gz", lines)) as reader, pytest.raises(RecordingError) as caught:
        given.extend(item.line for item in reader)
    assert caught.value.line == bad
    assert given == list(range(2, bad))


# ---- files that are no recordings ----


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.jsonl.gz").message
    assert refused(tmp_path).line == 0


def test_empty_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(b"")
    assert "empty" in refused(path).message
    path.write_bytes(b'{"type": "recording"}\n')
    assert "gzip" in refused(path).message
    cases = ((b"", "empty"), (b"\n\n", "empty"), (b"[]\n", "object"), (b"\xff\xfe", ""), (b"{" * 1000, ""), (b"7", "object"))
    for content, message in cases:
        path.write_bytes(gzip.compress(content))
        assert message in refused(path).message


def test_deep_nesting_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"type":"recording","rollup_config":' + b'{"a":' * 200_000))
    assert "nested" in refused(path).message


def test_truncated_and_corrupt_gzip(tmp_path: Path, lines: list[Line]) -> None:
    path = write_lines(tmp_path / "r.jsonl.gz", lines)
    whole = path.read_bytes()
    for size in (5, 100, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "cut off" in refused(path).message
    path.write_bytes(whole[: len(whole) // 2] + b"\0" * 50 + whole[len(whole) // 2 + 50 :])
    refused(path)
    path.write_bytes(whole[:-8] + bytes(4) + whole[-4:])
    assert "intact" in refused(path).message
    path.write_bytes(whole + b"more")
    assert "intact" in refused(path).message


def test_a_line_longer_than_allowed_is_refused_without_being_read_whole(tmp_path: Path, lines: list[Line]) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(lines[0]).encode() + b"\n" + b'{"type":"l1_block","header_rlp":"0x' + b"0" * 30_000_000, 1))
    error = refused(path, max_line_bytes=1_000_000)
    assert (error.line, error.message) == (2, "the line is longer than 1000000 bytes")


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, lines: list[Line]) -> None:
    path = write_lines(tmp_path / "r.jsonl.gz", lines)
    reader = RecordingReader(path)
    lines[0]["name"] = "another"
    write_lines(path, lines)
    with pytest.raises(RecordingError, match="changed"):
        list(reader)


# ---- writing ----


def write_recording(path: Path, head: RecordingHead, items: Iterable[RecordedItem]) -> None:
    with RecordingWriter(path, head) as writer:
        for item in items:
            writer.write(item)


def json_lines(path: Path) -> list[Line]:
    with gzip.open(path, "rt") as file:
        return [{key: value for key, value in json.loads(line).items() if value is not None} for line in file]


@pytest.mark.parametrize("name", ["forks-regolith-to-karst", "window-expiry-and-garbage-fjord"])
def test_what_is_read_can_be_written_again(tmp_path: Path, name: str) -> None:
    source = FIXTURES / f"{name}.jsonl.gz"
    head, items = read_all(source, check=False)
    write_recording(tmp_path / "a.jsonl.gz", head, items)
    assert json_lines(tmp_path / "a.jsonl.gz") == json_lines(source)
    again_head, again = read_all(tmp_path / "a.jsonl.gz", check=False)
    assert (again_head, again) == (head, items)
    write_recording(tmp_path / "b.jsonl.gz", again_head, again)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl.gz", "b.jsonl.gz"]


def test_nothing_is_left_of_a_recording_that_is_not_finished(tmp_path: Path, lines: list[Line]) -> None:
    head, items = read_all(write_lines(tmp_path / "r.jsonl.gz", lines))
    target = tmp_path / "out.jsonl.gz"
    target.write_bytes(b"what was there before")
    with pytest.raises(ZeroDivisionError):
        write_recording(target, head, (item for item in items if 1 // (5 - item.line)))
    assert target.read_bytes() == b"what was there before"
    assert sorted(os.listdir(tmp_path)) == ["out.jsonl.gz", "r.jsonl.gz"]
    write_recording(target, head, items)
    assert read_all(target) == (head, items)


def test_a_folder_that_cannot_be_written(tmp_path: Path, lines: list[Line]) -> None:
    head, _ = read_all(write_lines(tmp_path / "r.jsonl.gz", lines))
    with pytest.raises(RecordingError, match="cannot be written: No such file"):
        RecordingWriter(tmp_path / "none" / "out.jsonl.gz", head)


def test_a_full_disk_leaves_nothing(tmp_path: Path, lines: list[Line], monkeypatch: pytest.MonkeyPatch) -> None:
    head, items = read_all(write_lines(tmp_path / "r.jsonl.gz", lines))

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RecordingError, match="No space left"):
        write_recording(tmp_path / "out.jsonl.gz", head, items)
    assert os.listdir(tmp_path) == ["r.jsonl.gz"]
