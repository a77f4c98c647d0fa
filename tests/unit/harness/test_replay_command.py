"""`trinode-harness replay` and `explain` as a user meets them: verdicts, differences, and one clear line for each kind of bad input."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import main

ROOT = Path(__file__).parent.parent.parent.parent
RECORDING = ROOT / "fixtures" / "devnet" / "forks-regolith-to-karst.jsonl.gz"
BAD_INPUT = 2
L1_BLOCKS = 45
"""So much of the recording is used here: its first blobs are among them."""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    """The start of the recording, without what later L1 blocks lead to."""
    kept: list[dict[str, Any]] = []
    seen: set[int] = set()
    with gzip.open(RECORDING, "rt") as file:
        for line in map(json.loads, file):
            if line["type"] == "l1_block":
                if len(seen) == L1_BLOCKS:
                    continue
                seen.add(line["number"])
            if line["type"] == "l1_labels" and len(seen) == L1_BLOCKS:
                continue
            if line["type"] == "l2_block" and line["derived_from"]["number"] > max(seen):
                continue
            kept.append(line)
    return kept


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode(), 1))
    return path


Change = Callable[[list[dict[str, Any]]], None]


def changed(lines: list[dict[str, Any]], change: Change) -> list[dict[str, Any]]:
    copied: list[dict[str, Any]] = json.loads(json.dumps(lines))
    change(copied)
    return copied


def of_type(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == kind]


def test_a_recording_that_is_derived_again(lines: list[dict[str, Any]], tmp_path: Path) -> None:
    result = run("replay", write(tmp_path / "r.jsonl.gz", lines))
    assert result.exit_code == 0, result.output
    count = len(of_type(lines, "l2_block"))
    assert f"{count} of {count} blocks equal" in result.output


def test_the_verdict_as_json(lines: list[dict[str, Any]], tmp_path: Path) -> None:
    result = run("replay", "--json", write(tmp_path / "r.jsonl.gz", lines))
    verdict = json.loads(result.stdout)
    assert verdict["equal"] is True
    assert verdict["matched"] == verdict["expected"] == len(of_type(lines, "l2_block"))


def other_randao(lines: list[dict[str, Any]]) -> None:
    of_type(lines, "l2_block")[20]["attributes"]["prev_randao"] = "0x" + "11" * 32


def test_the_first_difference_is_named_with_both_values(lines: list[dict[str, Any]], tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl.gz", changed(lines, other_randao))
    result = run("replay", "--no-check", path)
    assert result.exit_code == 1
    assert "block 21 differs in attributes.prev_randao" in result.output
    assert "0x" + "11" * 32 in result.output
    assert "DIFFERENT" in result.output


def test_a_missing_block_is_a_difference(lines: list[dict[str, Any]], tmp_path: Path) -> None:
    def cut_l1(copied: list[dict[str, Any]]) -> None:
        last = of_type(copied, "l1_block")[-12:]
        numbers = {line["number"] for line in last}
        copied[:] = [
            line
            for line in copied
            if line not in last and line["type"] != "l1_labels" and not (line["type"] == "l2_block" and line["derived_from"]["number"] in numbers)
        ]
        extra = next(line for line in lines if line["type"] == "l2_block" and line["derived_from"]["number"] in numbers)
        copied.append(extra | {"derived_from": None})

    result = run("replay", "--no-check", write(tmp_path / "r.jsonl.gz", changed(lines, cut_l1)))
    assert result.exit_code == 1
    assert "DIFFERENT" in result.output


def first_blob(lines: list[dict[str, Any]]) -> dict[str, str]:
    blobs: dict[str, str] = next(line["blobs"] for line in of_type(lines, "l1_block") if line["blobs"])
    return blobs


def without_blob(lines: list[dict[str, Any]]) -> None:
    first_blob(lines).clear()


def altered_blob(lines: list[dict[str, Any]]) -> None:
    blobs = first_blob(lines)
    name = next(iter(blobs))
    blobs[name] = blobs[name][:200] + ("0" if blobs[name][200] != "0" else "1") + blobs[name][201:]


def altered_transaction(lines: list[dict[str, Any]]) -> None:
    block = next(line for line in of_type(lines, "l1_block") if line["transactions"])
    block["transactions"][0] = block["transactions"][0][:-2] + "00"


def without_window(lines: list[dict[str, Any]]) -> None:
    lines[0]["rollup_config"]["seq_window_size"] = 0


def of_another_l2(lines: list[dict[str, Any]]) -> None:
    lines[0]["rollup_config"]["genesis"]["l2"]["hash"] = "0x" + "22" * 32


def of_another_l1(lines: list[dict[str, Any]]) -> None:
    lines[0]["l1_chain_config"]["chain_id"] = 1


def with_alt_da(lines: list[dict[str, Any]]) -> None:
    lines[0]["rollup_config"]["alt_da"] = {
        "da_challenge_contract_address": "0x" + "33" * 20,
        "da_commitment_type": "KeccakCommitment",
        "da_challenge_window": 10,
        "da_resolve_window": 10,
    }


def with_lagoon(lines: list[dict[str, Any]]) -> None:
    lines[0]["rollup_config"]["lagoon_time"] = 2_000_000_000


def headless(lines: list[dict[str, Any]]) -> None:
    del lines[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without_blob, "blob"),
        (altered_blob, "versioned hash"),
        (altered_transaction, "transactions"),
        (without_window, "seq_window_size"),
        (of_another_l2, "genesis"),
        (of_another_l1, "chain_id"),
        (with_alt_da, "alt-DA"),
        (with_lagoon, "Lagoon"),
        (headless, "recording"),
    ],
)
def test_bad_input_is_one_line_and_status_2(lines: list[dict[str, Any]], change: Change, says: str, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.jsonl.gz", changed(lines, change))
    for command in ("replay", "explain"):
        result = run(command, path)
        assert result.exit_code == BAD_INPUT, result.output
        error = result.stderr.strip().splitlines()
        assert len(error) == 1
        assert "bad.jsonl.gz" in error[0]
        assert says in error[0]


def test_a_truncated_file_and_a_missing_one(lines: list[dict[str, Any]], tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl.gz", lines)
    path.write_bytes(path.read_bytes()[:-5000])
    for bad in (path, tmp_path / "nowhere.jsonl.gz"):
        result = run("replay", bad)
        assert result.exit_code == BAD_INPUT
        assert len(result.stderr.strip().splitlines()) == 1
        assert bad.name in result.stderr


def test_lines_of_derived_attributes(lines: list[dict[str, Any]], tmp_path: Path) -> None:
    result = run("replay", "--fake-execution", "--print", write(tmp_path / "r.jsonl.gz", lines))
    printed = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["number"] for line in printed] == list(range(1, len(printed) + 1))
    assert list(printed[0]) == [
        "number", "timestamp", "prev_randao", "fee_recipient", "gas_limit", "parent_beacon_block_root", "eip1559_params", "min_base_fee",
        "no_tx_pool", "transactions", "l1_origin", "sequence_number", "derived_from", "parent_hash", "withdrawals", "concluding", "hash",
    ]  # fmt: skip
    assert printed[0]["parent_hash"] == lines[0]["rollup_config"]["genesis"]["l2"]["hash"]


def test_explain_says_what_became_of_all_data(lines: list[dict[str, Any]], tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl.gz", lines)
    result = run("explain", path)
    assert result.exit_code == 0
    assert "not sent by the batcher [unauthorized_sender]" in result.output
    for part in ("transaction", "frame", "channel", "batch", "L2 block"):
        assert f"  {part} " in result.output
    as_json = [json.loads(line) for line in run("explain", "--json", "--drops", path).stdout.splitlines()]
    assert all(line["what"] != "derived" for line in as_json)
    assert any(line.get("reason") == "unauthorized_sender" for line in as_json)
