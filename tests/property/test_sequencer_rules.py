"""Whatever L1 does to the sequencer, what it sequences is derived as it is: late L1 blocks, gaps beyond the drift, reorgs, an L1 that is slow
or does not answer.
"""

from __future__ import annotations

from itertools import takewhile
from typing import NamedTuple

import trio
from hypothesis import event, given
from hypothesis import strategies as st
from trio.testing import MockClock

from harness.batcher import BatcherAccount, BatcherBlock, BatcherSettings, encode_payloads
from harness.fake_execution import FakeExecution
from harness.recording import RecordedL1Block
from harness.replay import Replay
from harness.scenario import BATCHER_KEYS, GENESIS_TIME, Scenario
from tests.unit.node.sequencer_world import FORKS, TRANSACTION, World
from trinode.jsonrpc.endpoint import UnavailableError
from trinode.protocol.batch import SingularBatch
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE
from trinode.rollup.l2_block import L2Block, L2BlockRef

# Blocks far apart, so that few of them reach the drift: 120 s on the first chain, 1800 s on the second, and both on the third.
OLD = Scenario(forks=dict.fromkeys(("regolith", "canyon", "delta", "ecotone"), 0), block_time=6, max_sequencer_drift=120, seq_window=3600)
NEW = Scenario(forks=FORKS | {"karst": 300}, block_time=12, seq_window=3600)
FJORD = Scenario(
    forks=dict.fromkeys(("regolith", "canyon", "delta", "ecotone"), 0) | {"fjord": 400, "granite": 500},
    block_time=10,
    max_sequencer_drift=120,
    seq_window=3600,
)


class Slot(NamedTuple):
    """An L1 block `gap` seconds after its parent, known `late` seconds after its time."""

    gap: int
    late: int


class Reorg(NamedTuple):
    """The last blocks go; whether derivation is `noticing` it before the sequencer does."""

    depth: int
    noticing: bool


class Trouble(NamedTuple):
    """L1 answers after `delay` seconds, after it failed so many times."""

    delay: int
    failures: int


class Mode(NamedTuple):
    """Recover mode is switched."""

    recover: bool


slots = st.builds(Slot, st.sampled_from([1, 2, 12, 12, 12, 12, 12, 24, 130, 130, 700, 700, 2500]), st.sampled_from([0, 0, 0, 1, 30, 200]))
steps = st.lists(
    st.one_of(
        slots,
        slots,
        slots,
        st.builds(Reorg, st.integers(1, 4), st.booleans()),
        st.builds(Trouble, st.sampled_from([0, 0, 3, 40]), st.integers(0, 3)),
        st.builds(Mode, st.booleans()),
    ),
    min_size=1,
    max_size=25,
)


class Play:
    """A world, and a derivation that goes back to what is valid on L1 whenever L1 reorgs or the sequencer asks for it."""

    def __init__(self, scenario: Scenario, confirmations: int) -> None:
        self.world = world = World(scenario)
        self.scenario = scenario
        self._resets_seen = 0
        world.l1.confirmations = confirmations
        world.chain.pool = [[TRANSACTION]] * 10_000  # more than there are blocks

    async def run(self, played: list[Slot | Reorg | Trouble | Mode]) -> None:
        """Plays it, and then lets L1 go on as it should."""
        world = self.world
        async with trio.open_nursery() as nursery:
            await nursery.start(world.sequencer.run)
            nursery.start_soon(self._answer_resets)
            for step in played:
                await self._step(step)
            world.l1.delay, world.l1.failures = 0, []
            world.sequencer.set_recover_mode(False)
            await self._go_back()
            for _ in range(6 + world.l1.confirmations):
                now = int(world.now()) + 1
                await self._step(Slot(max(12, now - self._l1_time), 0))
            await trio.sleep(40)
            assert world.now() - (world.head.timestamp - GENESIS_TIME) <= self.scenario.block_time, world.sequencer.status()
            await world.sequencer.stop()
            nursery.cancel_scope.cancel()

    @property
    def _l1_time(self) -> int:
        return self.world.fake_l1.head.header.timestamp - GENESIS_TIME

    async def _step(self, step: Slot | Reorg | Trouble | Mode) -> None:
        world = self.world
        match step:
            case Slot(gap, late):
                await trio.sleep(max(0, self._l1_time + gap + late - world.now()))
                world.grow_l1(seconds=gap)
            case Reorg(depth, noticing):
                depth = min(depth, len(world.fake_l1.chain) - 1)
                if depth:
                    world.fake_l1.rewind(depth)
                    world.sequencer.wake()
                    if noticing:
                        await self._go_back()
            case Trouble(delay, failures):
                world.l1.delay = delay
                world.l1.failures = [UnavailableError("L1", "eth_getBlockByNumber", "no answer", None) for _ in range(failures)]
            case Mode(recover):
                world.sequencer.set_recover_mode(recover)

    async def _answer_resets(self) -> None:
        while True:
            await trio.sleep(0.5)
            if len(self.world.resets) > self._resets_seen:
                self._resets_seen = len(self.world.resets)
                event("the sequencer asked for a reset")
                await self._go_back()

    async def _go_back(self) -> None:
        """Blocks that cannot be derived any more go."""
        chain = self.world.chain
        chain.lose()
        await trio.sleep(0.2)
        valid = takewhile(lambda block: self._is_valid(block.ref), chain.blocks[1:])
        chain.go_back(len(chain.blocks) - 1 - sum(1 for _ in valid))

    def _is_valid(self, ref: L2BlockRef) -> bool:
        """Its L1 origin is canonical; and if it is beyond the drift, the next L1 block is known, and later, or the origin is new."""
        fake_l1, config = self.world.fake_l1, self.world.config
        origin, following = fake_l1.by_number(ref.l1_origin.number), fake_l1.by_number(ref.l1_origin.number + 1)
        if origin is None or origin.id != ref.l1_origin:
            return False
        time = origin.header.timestamp
        if ref.timestamp <= time + config.max_sequencer_drift_at(l1_origin_timestamp=time) or ref.sequence_number == 0:
            return True
        return following is not None and following.header.timestamp > ref.timestamp

    def derive(self) -> list[L2BlockRef]:
        """What derivation makes of the chain as a batcher posts it: all at once, in a last L1 block."""
        world, config = self.world, self.world.config
        account = BatcherAccount(BATCHER_KEYS[0], config.l1_chain_id, config.batch_inbox_address)
        blocks = [BatcherBlock(_batch_of(block), block.ref.sequence_number) for block in world.chain.blocks[1:]]
        settings = BatcherSettings()
        world.fake_l1.extend(account.send(encode_payloads(config, settings, bytes(16), blocks), settings))
        derived: list[L2BlockRef] = []

        def take(_attributes: object, block: L2Block | None) -> None:
            assert block is not None
            derived.append(block.ref)

        replay = Replay(world.start, FakeExecution(config), on_derived=take)
        for block in world.fake_l1.chain:
            replay.feed(RecordedL1Block(0, block, {}))
        return derived


def _batch_of(block: L2Block) -> SingularBatch:
    ref = block.ref
    transactions = tuple(raw for raw in block.transactions if raw[0] != DEPOSIT_TRANSACTION_TYPE)
    return SingularBatch(ref.parent_hash, ref.l1_origin.number, ref.l1_origin.hash, ref.timestamp, transactions)


@given(scenario=st.sampled_from([OLD, NEW, FJORD]), confirmations=st.integers(0, 3), played=steps)
def test_what_is_sequenced_is_derived(scenario: Scenario, confirmations: int, played: list[Slot | Reorg | Trouble | Mode]) -> None:
    async def main() -> list[L2BlockRef]:
        play = Play(scenario, confirmations)
        await play.run(played)
        sequenced = [block.ref for block in play.world.chain.blocks[1:]]
        assert play.derive()[: len(sequenced)] == sequenced
        return sequenced

    sequenced = trio.run(main, clock=MockClock(autojump_threshold=0))
    assert sequenced
