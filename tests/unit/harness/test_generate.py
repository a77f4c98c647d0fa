"""Made-up recordings: the same for the same seed, and derived by op-node's own pipeline as they were sequenced."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.differential import derive_here
from harness.fake_l1 import FakeL1
from harness.generate import generate, write_recording
from harness.recording import RecordedL1Block, open_recording
from harness.scenario import BatcherSpec, Scenario, ScenarioError, parse_scenario
from harness.simulation import Simulation
from tests.unit.harness import peer
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

FORKS = SCHEDULED_FORKS[:-1]  # Lagoon's rules are not final
SINGULAR = BatcherSpec(frame_size=900)
SPAN = BatcherSpec(span_blocks=7, frame_size=900, frames_per_payload=2)
SPAN_BROTLI_BLOBS = BatcherSpec(
    span_blocks=1000, compression="brotli", level=5, frame_size=5000, blobs_per_transaction=2
)
SINGULAR_BLOBS = BatcherSpec(frame_size=5000, frames_per_payload=3, blobs_per_transaction=1)
ENCODINGS = {
    "singular": SINGULAR,
    "span": SPAN,
    "span-brotli-blobs": SPAN_BROTLI_BLOBS,
    "singular-blobs": SINGULAR_BLOBS,
}
CHAOS = Scenario(
    l1_blocks=40,
    forks={fork.label: 0 for fork in FORKS},
    seq_window=20,
    max_origin_lag=2,
    batcher=BatcherSpec(vary=True),
    submit_every=2,
    config_every=5,
    change_batcher=True,
    strays=True,
    chaos=0.3,
    batch_chaos=0.3,
    reorg_every=13,
    reorg_depth=3,
)


def at_genesis(last: Fork) -> dict[str, int]:
    return {fork.label: 0 for fork in FORKS if fork <= last}


def spread(seconds: int) -> dict[str, int]:
    """Each fork so many seconds after the one before it."""
    return {fork.label: seconds * index for index, fork in enumerate(FORKS)}


def changed(scenario: Scenario, **fields: Any) -> Scenario:
    return Scenario(**({name: getattr(scenario, name) for name in scenario.__struct_fields__} | fields))


def agree(scenario: Scenario, path: Path, *, sources: bool = True, seed: int = 1) -> Simulation:
    """op-node derives what was sequenced, and nothing else; so do we, line for line."""
    played = write_recording(scenario, seed, path)
    lines = peer.derive(path)
    assert peer.stops(lines) == []
    assert peer.differences(lines, played, sources=sources) == []
    theirs = [line for line in lines if "event" not in line]
    assert [json.loads(line) for line in derive_here(path).lines] == theirs
    return played


# ---- clean chains, beside op-node ----


@pytest.mark.peers
@pytest.mark.parametrize("fork", FORKS, ids=lambda fork: fork.label)
def test_op_node_derives_each_fork(fork: Fork, tmp_path: Path) -> None:
    encoding = list(ENCODINGS)[fork % len(ENCODINGS)]
    scenario = Scenario(l1_blocks=12, forks=at_genesis(fork), batcher=ENCODINGS[encoding], config_every=4, strays=True)
    assert len(agree(scenario, tmp_path / "a.jsonl.gz").expected) > 40


@pytest.mark.peers
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_op_node_derives_across_all_boundaries(encoding: str, tmp_path: Path) -> None:
    scenario = Scenario(
        l1_blocks=32,
        l1_forks={"shanghai": 24, "cancun": 60, "prague": 120, "osaka": 200, "bpo1": 260},
        forks=spread(36),
        batcher=ENCODINGS[encoding],
        config_every=3,
        change_batcher=True,
        pectra_blob_schedule=150,
        omit_receipts=True,
        finalized_lag=6,
    )
    assert len(agree(scenario, tmp_path / "a.jsonl.gz").expected) > 150


@pytest.mark.peers
@pytest.mark.parametrize("seed", range(2))
def test_op_node_derives_whatever_way_it_is_packed(seed: int, tmp_path: Path) -> None:
    scenario = Scenario(
        l1_blocks=32,
        missed_slot_chance=0.1,
        forks=spread(36),
        batcher=BatcherSpec(vary=True),
        payloads_per_block=1,
        interleave=True,
        disorder=True,
        max_sequencer_drift=20,
        advance_chance=0.3,
        confirmations=1,
        strays=True,
    )
    agree(scenario, tmp_path / "a.jsonl.gz", sources=False, seed=seed)


@pytest.mark.peers
@pytest.mark.parametrize("fork", [Fork.REGOLITH, Fork.FJORD, Fork.KARST], ids=lambda fork: fork.label)
def test_op_node_derives_through_reorgs(fork: Fork, tmp_path: Path) -> None:
    scenario = Scenario(l1_blocks=45, forks=at_genesis(fork), reorg_every=11, reorg_depth=4, payloads_per_block=1)
    played = agree(scenario, tmp_path / "a.jsonl.gz", sources=False)
    assert len(played.l1.by_hash) == 45
    assert len(played.l1.chain) == 45 - 3 * 4


@pytest.mark.peers
@pytest.mark.parametrize(
    "together", [(Fork.CANYON, Fork.DELTA), (Fork.ECOTONE, Fork.FJORD), (Fork.HOLOCENE, Fork.KARST)]
)
def test_op_node_derives_where_forks_come_together(together: tuple[Fork, Fork], tmp_path: Path) -> None:
    first, last = together
    forks = {fork.label: 0 if fork < first else 60 + 2 * (fork - first) for fork in FORKS if fork <= last}
    agree(Scenario(l1_blocks=15, forks=forks, batcher=BatcherSpec(vary=True)), tmp_path / "a.jsonl.gz")


# ---- chaos, beside op-node ----


@pytest.mark.peers
@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({}, []),
        ({"forks": at_genesis(Fork.FJORD)}, []),
        ({"forks": spread(36), "outage_every": 15}, []),
        (
            {"invalid_blocks": [20, 21, 60], "reject_undecodable": True},
            ["--invalid-block", "20,21,60", "--reject-undecodable"],
        ),
    ],
    ids=["karst", "fjord", "all-forks", "invalid"],
)
def test_chaos_runs_through(change: dict[str, Any], options: list[str], tmp_path: Path) -> None:
    scenario = changed(CHAOS, **change)
    path = tmp_path / "chaos.jsonl.gz"
    played = write_recording(scenario, 5, path)
    lines = peer.derive(path, "--no-verify", *options)
    assert peer.stops(lines) == []
    ours = derive_here(path, scenario.invalid_blocks, reject_undecodable=scenario.reject_undecodable)
    assert ours.stopped is None
    assert [json.loads(line) for line in ours.lines] == [line for line in lines if "event" not in line]
    blocks = peer.last_blocks(lines)
    with_batches = [line for line in blocks.values() if any(raw[:4] != "0x7e" for raw in line["transactions"])]
    assert max(blocks) > 60
    assert len(with_batches) > 20  # the sequencer finds its way back
    assert played.sequencer.head.ref.number >= max(blocks)


# ---- without a peer ----


def test_a_recording_is_read_back_with_all_checks(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    played = write_recording(Scenario(l1_blocks=8, batcher=SPAN_BROTLI_BLOBS, forks=at_genesis(Fork.KARST)), 3, path)
    with open_recording(path) as reader:
        blocks = [item.block for item in reader if isinstance(item, RecordedL1Block)]
        assert reader.head.rollup_config == played.config
        assert reader.head.l2_start == played.head.l2_start
        assert "seed 3" in reader.head.source
    assert blocks == played.l1.chain
    assert blocks[0].id == played.config.genesis.l1


@pytest.mark.parametrize(
    "scenario",
    [Scenario(l1_blocks=10, batcher=BatcherSpec(vary=True)), changed(CHAOS, l1_blocks=16)],
    ids=["clean", "chaos"],
)
def test_seed_and_specification_decide_every_byte(scenario: Scenario, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path, seed in zip(paths, (7, 7, 8), strict=True):
        write_recording(scenario, seed, path)
    first, again, other = [path.read_bytes() for path in paths]
    assert first == again
    assert first != other


@pytest.mark.parametrize("change", [{}, {"forks": at_genesis(Fork.FJORD)}, {"forks": spread(24), "outage_every": 14}])
def test_we_derive_a_chain_in_spite_of_chaos(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    write_recording(changed(CHAOS, **change), 2, path)
    ours = derive_here(path)
    assert ours.stopped is None
    assert len(ours.lines) > 100


def test_what_was_posted_is_expected_once() -> None:
    played = Simulation(Scenario(l1_blocks=30, reorg_every=9, payloads_per_block=1), 4)
    list(played.run())
    expected = played.expected
    assert [block.block.ref.number for block, _ in expected] == list(range(1, len(expected) + 1))
    assert all(block.batch.epoch_number < l1_number for block, l1_number in expected)
    assert all(earlier[1] <= later[1] for earlier, later in pairwise(expected))


def test_the_command_writes_a_recording(tmp_path: Path) -> None:
    spec, out = tmp_path / "spec.json", tmp_path / "out.jsonl.gz"
    spec.write_text(json.dumps({"l1_blocks": 9, "forks": {"regolith": 0}, "batcher": {"frame_size": 50}}))
    result = CliRunner().invoke(generate, [str(out), "--seed", "2", "--spec", str(spec), "--set", "l1_blocks=7"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.output)
    assert summary["l1_blocks"] == 7
    assert summary["l2_head"] > 0
    with gzip.open(out) as lines:
        assert json.loads(next(lines))["type"] == "recording"
        assert sum(json.loads(line)["type"] == "l1_block" for line in lines) == 7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["--set", "l1_blocks"], "'l1_blocks' is not FIELD=JSON"),
        (["--set", "l1_blocks=x"], "l1_blocks: "),
        (["--set", "l1_blocks=0"], "l1_blocks: must be positive"),
        (["--set", "nonsense=1"], "unknown field `nonsense`"),
        (["--set", 'forks={"fjord": 0}'], "fjord"),
        (["--set", 'forks={"lagoon": 0}'], "lagoon's rules are not final"),
        (["--set", 'forks={"atlantis": 0}'], "forks: known are"),
        (["--set", "block_time=13"], "block_time: must be 1 to l1_block_time"),
        (["--set", 'batcher={"frame_size": 200000, "blobs_per_transaction": 1}'], "do not fit into blobs"),
        (["--set", "reorg_every=5", "--set", "finalized_lag=1"], "finalized_lag: must not be less than reorg_depth"),
    ],
)
def test_a_bad_specification_is_named(settings: list[str], message: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl.gz"
    result = CliRunner().invoke(generate, [str(out), *settings])
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_specification_that_is_no_json_is_named() -> None:
    with pytest.raises(ScenarioError, match="truncated"):
        parse_scenario(b"{")
    assert parse_scenario(b"{}") == Scenario()


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of L1")

    monkeypatch.setattr(FakeL1, "extend", fail)
    with pytest.raises(RuntimeError, match="out of L1"):
        write_recording(Scenario(), 1, tmp_path / "a.jsonl.gz")
    assert list(tmp_path.iterdir()) == []
