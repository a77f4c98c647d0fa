"""What our engine answers to payloads and fork choices beside what op-geth answers, on one small chain that branches.

Where ours knows more, it is not asked here: a payload whose parent came after it is still unknown to op-geth, and a head that
goes back to an ancestor stays where it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from harness.bare_blocks import rehashed
from harness.engine_differential.chain import fork_times, make_chain
from harness.engine_differential.op_geth import OpGeth, RpcError, find_geth
from harness.execution.states import MemoryStates, genesis_parent
from tests.unit.engine.block_tree import ZERO, forkchoice
from tests.unit.execution.small_chain import l1_attributes, transfer
from trinode.engine.api.codec import (
    decode_forkchoice_result,
    decode_payload_status,
    encode_attributes,
    encode_forkchoice_state,
    encode_payload,
)
from trinode.engine.core import EngineCore
from trinode.engine.payloads import built_payload
from trinode.engine.status import InvalidForkchoiceState, InvalidPayloadAttributes, PayloadStatus
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.execution.genesis import build_genesis, parse_genesis
from trinode.protocol.l1_info import L1InfoFormat
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.types import Hash32
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

pytestmark = pytest.mark.peers

Answer: TypeAlias = tuple[object, ...]
"""Status, last valid block, and whether a payload is built; or the code of an error."""

_CODES = {InvalidForkchoiceState: -38002, InvalidPayloadAttributes: -38003}


class Both:
    """Our engine and op-geth, at the same genesis."""

    def __init__(self, geth: OpGeth, store: Store, executor: BlockExecutor, states: MemoryStates, genesis: Hash32) -> None:
        self.geth, self.core, self.executor, self.states = geth, EngineCore(store, executor), executor, states
        self.genesis = self.head = genesis
        self._salt = 0

    def attributes(self, parent: Hash32) -> PayloadAttributes:
        """What makes a block on `parent`, another one each time."""
        self._salt += 1
        return PayloadAttributes(
            timestamp=self.states.parent(parent).header.timestamp + 2,
            prev_randao=self._salt.to_bytes(32, "big"),
            suggested_fee_recipient=bytes.fromhex("4200000000000000000000000000000000000011"),
            withdrawals=(),
            parent_beacon_block_root=ZERO,
            transactions=(l1_attributes(L1InfoFormat.ISTHMUS),),
            no_tx_pool=True,
            gas_limit=30_000_000,
            eip1559_params=bytes(8),
        )

    def make(self, parent: Hash32) -> PayloadEnvelope:
        """A block that neither knows."""
        block = self.executor.build(self.states.parent(parent), self.attributes(parent))
        self.states.add(block)
        return built_payload(block).envelope

    def send(self, envelope: PayloadEnvelope) -> str:
        """The status that both answer."""
        params: list[object] = [encode_payload(envelope.payload), [], "0x" + ZERO.hex(), []]
        theirs = decode_payload_status(self.geth.call("engine_newPayloadV4", *params), "result")
        ours = self.core.new_payload(envelope)
        assert _shown(ours) == _shown(theirs)
        return ours.status

    def choose(self, head: Hash32, safe: Hash32 = ZERO, finalized: Hash32 = ZERO, attributes: PayloadAttributes | None = None) -> object:
        """The status, or the error's code, that both answer."""
        state = forkchoice(head, safe, finalized)
        params = (encode_forkchoice_state(state), None if attributes is None else encode_attributes(attributes))
        theirs: Answer
        ours: Answer
        try:
            result = decode_forkchoice_result(self.geth.call("engine_forkchoiceUpdatedV3", *params), "result")
            theirs = (*_shown(result.payload_status), result.payload_id is not None)
        except RpcError as error:
            theirs = (error.code,)
        try:
            result = self.core.forkchoice_updated(state, attributes)
            ours = (*_shown(result.payload_status), result.payload_id is not None)
        except (InvalidForkchoiceState, InvalidPayloadAttributes) as error:
            ours = (_CODES[type(error)],)
        assert ours == theirs
        assert self.geth.call("eth_getBlockByNumber", "latest", False)["hash"] == "0x" + self.core.head().hash.hex()
        return ours[0]


def _shown(status: PayloadStatus) -> Answer:
    """Without the reason, which is in each one's words."""
    return status.status, status.latest_valid_hash


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    program = find_geth()
    if program is None:
        pytest.skip("geth (op-geth) is not in TRINODE_PEERS or on PATH")
    chain = make_chain(fork_times("isthmus", 10, Random(1)), Random(1))
    genesis = build_genesis(parse_genesis(chain.genesis), chain.config)
    identity = ChainIdentity(chain.config.l2_chain_id, genesis.hash)
    with ExitStack() as stack:
        geth = stack.enter_context(OpGeth(program, chain.genesis))
        store = stack.enter_context(Store.create(tmp_path / "store", identity, genesis, history=None))
        executor = BlockExecutor(chain.config, FastEngine())
        yield Both(geth, store, executor, MemoryStates(genesis_parent(genesis)), genesis.hash)


def test_payloads_and_fork_choices(both: Both) -> None:
    first = both.make(both.genesis)
    second = both.make(first.payload.block_hash)
    assert [both.choose(ZERO), both.choose(b"\x01" * 32)] == ["INVALID", "SYNCING"]
    assert [both.send(second), both.choose(second.payload.block_hash)] == ["SYNCING", "SYNCING"]
    assert [both.send(first), both.send(second), both.send(first)] == ["VALID"] * 3
    side = both.make(both.genesis)
    longer = both.make(side.payload.block_hash)
    assert [both.send(side), both.send(longer)] == ["VALID"] * 2
    for envelope in (second, longer, second):
        assert both.choose(envelope.payload.block_hash) == "VALID"
    head, below, other = second.payload.block_hash, first.payload.block_hash, side.payload.block_hash
    for safe, finalized in ((b"\x01" * 32, ZERO), (other, ZERO), (ZERO, b"\x01" * 32), (ZERO, other)):
        assert both.choose(head, safe, finalized) == -38002
    assert both.choose(head, head, below) == "VALID"


def test_invalid_payloads(both: Both) -> None:
    first = both.make(both.genesis)
    assert [both.send(first), both.choose(first.payload.block_hash)] == ["VALID"] * 2
    second = both.make(first.payload.block_hash)
    third = both.make(second.payload.block_hash)
    lying = replace(second, payload=replace(second.payload, state_root=b"\x09" * 32))
    bad = rehashed(lying)
    child = rehashed(replace(third, payload=replace(third.payload, parent_hash=bad.payload.block_hash)))
    late = rehashed(replace(second, payload=replace(second.payload, timestamp=first.payload.timestamp)))
    for envelope in (lying, bad, bad, child, late):
        assert both.send(envelope) == "INVALID"
    for envelope in (bad, child):
        assert both.choose(envelope.payload.block_hash) == "INVALID"
    assert [both.send(second), both.choose(second.payload.block_hash)] == ["VALID"] * 2


def test_attributes(both: Both) -> None:
    first = both.make(both.genesis)
    head = first.payload.block_hash
    assert [both.send(first), both.choose(head)] == ["VALID"] * 2
    good = both.attributes(head)
    assert both.choose(head, attributes=good) == "VALID"
    for attributes in (
        replace(good, transactions=(*good.transactions, transfer(0, 7))),
        replace(good, transactions=(*good.transactions, b"\x05junk")),
        replace(good, timestamp=first.payload.timestamp),
        replace(good, eip1559_params=None),
        replace(good, eip1559_params=bytes(7) + b"\x01"),
    ):
        assert both.choose(head, attributes=attributes) == -38003
