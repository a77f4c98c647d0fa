"""The engine driven as op-node drives it, over chains that op-geth made: all hashes are those that were recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.execution.cases import ChainCase, ExpectedBlock
from harness.execution.chain_files import read_chain_file
from harness.execution.run import genesis_of
from tests.shared import shared
from trinode.engine.core import EngineCore
from trinode.engine.sender_recovery import ThreadedRecovery
from trinode.engine.status import ForkchoiceState, PayloadStatus, Status
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import Hash32
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

AT_ONCE = 5
"""Blocks that the follower is sent before it chooses the last of them."""


class Node:
    """An engine with a store of its own, at the recording's genesis."""

    def __init__(self, path: Path, case: ChainCase, recover: ThreadedRecovery) -> None:
        genesis = genesis_of(case.path, case.genesis, case.config)
        self.path, self.recover, self.case = path, recover, case
        self.identity = ChainIdentity(case.config.l2_chain_id, genesis.hash)
        self.genesis = genesis.hash
        self.store = Store.create(path, self.identity, genesis, history=None)
        self.core = self._core()

    def _core(self) -> EngineCore:
        return EngineCore(self.store, BlockExecutor(self.case.config, FastEngine(), self.recover))

    def restart(self) -> None:
        """The process begins again."""
        self.store.close()
        self.store = Store.open(self.path, self.identity)
        self.core = self._core()


def derive(node: Node, parent: Hash32, finalized: Hash32, block: ExpectedBlock) -> PayloadEnvelope:
    """What op-node does with derived attributes: build on the safe head, take, insert, choose, and say that it is safe."""
    status, begun = node.core.forkchoice_updated(ForkchoiceState(parent, parent, finalized), block.attributes)
    assert status == PayloadStatus(Status.VALID, parent)
    assert begun is not None
    envelope = node.core.get_payload(begun).envelope
    assert envelope.payload.block_hash == block.hash
    assert node.core.new_payload(envelope) == PayloadStatus(Status.VALID, block.hash)
    status, begun = node.core.forkchoice_updated(ForkchoiceState(envelope.payload.block_hash, envelope.payload.block_hash, finalized), None)
    assert (status, begun) == (PayloadStatus(Status.VALID, block.hash), None)
    return envelope


def follow(node: Node, envelopes: list[PayloadEnvelope]) -> None:
    """Unsafe payloads come backwards, wait, and become canonical together."""
    first, *others = envelopes
    assert {node.core.new_payload(envelope).status for envelope in reversed(others)} <= {Status.SYNCING}
    head = envelopes[-1].payload.block_hash
    assert node.core.new_payload(first).status is Status.VALID
    for envelope in envelopes:
        assert node.core.new_payload(envelope) == PayloadStatus(Status.VALID, envelope.payload.block_hash)
    result = node.core.forkchoice_updated(ForkchoiceState(head, bytes(32), bytes(32)), None)
    assert result.payload_status == PayloadStatus(Status.VALID, head)


@pytest.mark.parametrize(
    ("recording", "count"),
    [
        ("forks-regolith-to-karst", 60),
        pytest.param("forks-regolith-to-karst", None, marks=pytest.mark.long),
        pytest.param("window-expiry-and-garbage-fjord", None, marks=pytest.mark.long),
    ],
)
def test_the_recorded_chain_comes_out(recording: str, count: int | None, tmp_path: Path) -> None:
    case = read_chain_file(shared(f"recordings/{recording}.jsonl.gz"))
    with ThreadedRecovery() as recover:
        maker, follower = (Node(tmp_path / name, case, recover) for name in ("maker", "follower"))
        parent = maker.genesis
        envelopes: list[PayloadEnvelope] = []
        for block in case.blocks[:count]:
            finalized = envelopes[-8].payload.block_hash if len(envelopes) >= 8 else maker.genesis
            envelopes.append(derive(maker, parent, finalized, block))
            parent = envelopes[-1].payload.block_hash
            if len(envelopes) % AT_ONCE == 0:
                follow(follower, envelopes[-AT_ONCE:])
        for node, length in ((maker, len(envelopes)), (follower, len(envelopes) // AT_ONCE * AT_ONCE)):
            node.restart()
            assert node.core.head().hash == envelopes[length - 1].payload.block_hash
        safe, last_finalized = maker.core.safe(), maker.core.finalized()
        assert safe is not None and last_finalized is not None
        assert (safe.hash, last_finalized.header.number) == (parent, safe.header.number - 8)
        for envelope in envelopes:
            found = maker.core.block_by_number(envelope.payload.block_number)
            assert found is not None
            assert (found.hash, found.transactions) == (envelope.payload.block_hash, envelope.payload.transactions)
        for node in (maker, follower):
            node.store.close()
