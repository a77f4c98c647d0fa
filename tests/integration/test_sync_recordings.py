"""`trinode` on recordings that are served as an L1 over HTTP by another process: what it derives and executes is what was recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.fake_execution import FakeExecution
from harness.node_process import ANY_PORTS, NodeProcess
from harness.recording import RecordedItem, RecordedL1Block, RecordedL2Block, open_recording
from harness.replay import final_l1_hashes, replay_recorded
from harness.served import ServedRecording, node_options, served
from tests.shared import shared
from trinode.jsonrpc.endpoint import Endpoint, Retries
from trinode.l1.source import L1Source

TIMEOUT = 300.0
POLL = 0.1
OP_MAINNET = "op-mainnet-regolith-109279674"
Status = dict[str, dict[str, int | str]]


class Recording:
    """A recording, and what must come out of it."""

    def __init__(self, name: str) -> None:
        self.path = shared(f"recordings/{name}.jsonl.gz")
        with open_recording(self.path, check=False) as reader:
            self.head = reader.head
            self.items: list[RecordedItem] = list(reader)
        self.l1 = [item.block for item in self.items if isinstance(item, RecordedL1Block)]
        final = final_l1_hashes(self.items)
        self.l2 = [item for item in self.items if isinstance(item, RecordedL2Block) and item.block.ref.l1_origin.hash in final]

    @property
    def reorgs(self) -> list[int]:
        """How many blocks were shown before each block that is no child of the one before it."""
        return [index for index in range(1, len(self.l1)) if self.l1[index].header.parent_hash != self.l1[index - 1].hash]

    @contextmanager
    def node(self, l1: ServedRecording, folder: Path) -> Iterator[NodeProcess]:
        options = node_options(self.head, l1, folder) | {"datadir": folder / "data", "l1.http-poll-interval": "200ms"}
        options["genesis"] = self.path.parent / str(self.head.l2_genesis)
        with NodeProcess([*[f"--{name}={value}" for name, value in options.items()], *ANY_PORTS]) as node:
            yield node

    def assert_derived(self, node: NodeProcess) -> None:
        """The node has all recorded blocks."""
        wait_until(node, lambda status: int(status["safe_l2"]["number"]) >= self.l2[-1].header.number)
        shown = node.call_many([("eth_getBlockByNumber", [hex(item.header.number), False]) for item in self.l2])
        assert [block["hash"] for block in shown] == ["0x" + item.block.ref.hash.hex() for item in self.l2]


def wait_until(node: NodeProcess, holds: Callable[[Status], bool]) -> None:
    """Returns when the node says so of itself."""
    end = time.monotonic() + TIMEOUT
    while not holds(node.call("optimism_syncStatus", server="rpc")):
        assert time.monotonic() < end, "\n".join(node.lines)
        time.sleep(POLL)


@pytest.mark.parametrize(
    "name",
    [
        "forks-regolith-to-karst",
        "window-expiry-and-garbage",
        "window-expiry-and-garbage-fjord",
        pytest.param("steady-karst", marks=pytest.mark.long),
    ],
)
def test_a_node_derives_and_executes_what_was_recorded(name: str, tmp_path: Path) -> None:
    recording = Recording(name)
    with served(recording.path) as l1, recording.node(l1, tmp_path) as node:
        recording.assert_derived(node)
        assert not [line for line in node.lines if "[error]" in line or "Traceback" in line]


def test_it_follows_the_recorded_reorgs(tmp_path: Path) -> None:
    """L1 is as it was before each of the reorgs until the node has derived from that, and then goes on."""
    recording = Recording("window-expiry-and-garbage")
    assert len(recording.reorgs) == 2
    with served(recording.path, blocks=recording.reorgs[0]) as l1, recording.node(l1, tmp_path) as node:
        seen = recording.reorgs[0]
        for until in (*recording.reorgs[1:], len(recording.l1)):
            doomed = recording.l1[seen - 1]
            wait_until(node, lambda status, doomed=doomed: status["current_l1"]["hash"] == "0x" + doomed.hash.hex())  # type: ignore[misc]
            assert l1.show(until - seen) == until - seen
            seen = until
        recording.assert_derived(node)


async def test_op_mainnets_l1_comes_over_http_as_it_was_recorded() -> None:
    """There is no state to execute on (tests/conformance/test_stateless_op_mainnet.py has the witnesses): what is derived is held against
    the recorded blocks.
    """
    recording = Recording(OP_MAINNET)
    config = recording.head.rollup_config
    with served(recording.path) as l1:
        endpoint = Endpoint("L1", l1.url, concurrency=4, timeout=30, retries=Retries(1))
        source = L1Source([endpoint], None, (config.deposit_contract_address, config.l1_system_config_address))
        fetched: list[RecordedItem] = []
        for item in recording.items:
            if isinstance(item, RecordedL1Block):
                block = await source.block_by_number(item.block.header.number)
                assert block == item.block
                item = replace(item, block=block)
            fetched.append(item)
        await endpoint.close()
    report = replay_recorded(recording.head, fetched, FakeExecution(config))
    assert report.equal
    assert report.matched == len(recording.l2) > 0
