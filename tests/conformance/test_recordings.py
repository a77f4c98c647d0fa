"""Every recording is derived again, bit for bit: attributes, transactions, origins, sequence numbers, L1 sources, system configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.fake_execution import FakeExecution
from harness.recording import open_recording
from harness.replay import Report, replay_recorded
from tests.shared import shared

DEVNET = Path(__file__).parent.parent.parent / "fixtures" / "devnet"


def replay(path: Path) -> Report:
    with open_recording(path) as reader:
        return replay_recorded(reader.head, list(reader), FakeExecution(reader.head.rollup_config))


@pytest.mark.parametrize(
    ("name", "blocks", "invalid", "reorgs"),
    [
        ("forks-regolith-to-karst", 258, 0, 0),
        ("window-expiry-and-garbage", 320, 3, 2),
        ("window-expiry-and-garbage-fjord", 327, 3, 2),
        ("steady-karst", 294, 0, 0),
    ],
)
def test_devnet_of_the_reference_programs(name: str, blocks: int, invalid: int, reorgs: int) -> None:
    report = replay(DEVNET / f"{name}.jsonl.gz")
    assert report.difference is None
    assert (report.matched, report.expected) == (blocks, blocks)
    assert (report.invalid, report.l1_reorgs) == (invalid, reorgs)


def test_real_op_mainnet() -> None:
    report = replay(shared("recordings/op-mainnet-regolith-109279674.jsonl.gz"))
    assert report.difference is None
    assert (report.matched, report.expected) == (16, 16)
