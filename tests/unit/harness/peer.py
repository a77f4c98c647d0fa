"""The reference derivation (op-node's pipeline, `op-node-derive`) as a peer of tests: where it is, and what it says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.differential import PROGRAM, find_program
from harness.sequencer import SequencedBlock
from harness.simulation import Simulation

STOPS = ("error", "critical", "temporary", "reset_loop", "unsupported")


def find_peer() -> str:
    """The program in the folder TRINODE_PEERS or on PATH; skips the test, saying so, where there is none."""
    found = find_program()
    if found is None:
        pytest.skip(f"{PROGRAM} is neither in the folder TRINODE_PEERS nor on PATH")
    return str(found)


def derive(recording: Path, *options: str) -> list[dict[str, Any]]:
    """The lines that the peer prints for a recording; fails the test where it calls the recording bad."""
    command = [find_peer(), "--fake-execution", *options, str(recording)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def stops(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events that end a run before its L1 does."""
    return [line for line in lines if line.get("event") in STOPS]


def last_blocks(lines: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """What was derived last for each number, and made a block."""
    return {line["number"]: line for line in lines if "event" not in line and line["hash"] is not None}


def line_of(block: SequencedBlock, derived_from: int) -> dict[str, Any]:
    """What the peer prints for a sequenced block that L1 block `derived_from` completes."""
    attributes, ref = block.attributes, block.block.ref
    return {
        "number": ref.number,
        "timestamp": attributes.timestamp,
        "prev_randao": _hex(attributes.prev_randao),
        "fee_recipient": _hex(attributes.suggested_fee_recipient),
        "gas_limit": attributes.gas_limit,
        "parent_beacon_block_root": _hex(attributes.parent_beacon_block_root),
        "eip1559_params": _hex(attributes.eip1559_params),
        "min_base_fee": attributes.min_base_fee,
        "no_tx_pool": attributes.no_tx_pool,
        "transactions": [_hex(raw) for raw in attributes.transactions],
        "l1_origin": {"number": ref.l1_origin.number, "hash": _hex(ref.l1_origin.hash)},
        "sequence_number": ref.sequence_number,
        "parent_hash": _hex(ref.parent_hash),
        "withdrawals": None if attributes.withdrawals is None else [],
        "hash": _hex(ref.hash),
        "derived_from": derived_from,
    }


def differences(lines: Iterable[dict[str, Any]], simulation: Simulation, *, sources: bool = True) -> list[str]:
    """How the peer's final chain differs from the sequenced one; `sources`: compare also what each block is derived
    from."""
    blocks = last_blocks(lines)
    found = []
    for block, derived_from in simulation.expected:
        want = line_of(block, derived_from)
        have = blocks.pop(want["number"], None)
        if have is None:
            found.append(f"block {want['number']} is missing")
            continue
        have = have | {"derived_from": have["derived_from"]["number"]}
        names = [name for name in want if want[name] != have[name] and (sources or name != "derived_from")]
        found += [f"block {want['number']}: {name} {have[name]}, sequenced {want[name]}" for name in names]
    for number, line in blocks.items():  # of channels that were not wholly posted in the end
        mine = simulation.sequencer.by_number(number)
        if mine is None or line["hash"] != _hex(mine.block.ref.hash):
            found.append(f"block {number} was never sequenced")
    return found


def _hex(data: bytes | None) -> str | None:
    return None if data is None else "0x" + data.hex()
