"""Any chain, any settings, any mishaps: what the batcher posts, derivation turns into the sequencer's chain."""

from __future__ import annotations

from random import Random
from unittest.mock import patch

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from harness.scenario import Scenario
from harness.sequencer import SequencerSettings
from harness.strategies import fork_schedules
from tests.unit.batcher.batcher_network import Network, at_once
from trinode.batcher.settings import BatcherSettings, BatchType, Compression, DataAvailability

MISHAPS = ("nothing", "reorg", "reorg without the transactions", "pool forgets", "no answers", "hang up", "restart", "dear", "L2 goes back")


@st.composite
def batcher_settings(draw: st.DrawFn) -> BatcherSettings:
    return BatcherSettings(
        data_availability=draw(st.sampled_from((DataAvailability.CALLDATA, DataAvailability.CALLDATA, DataAvailability.AUTO))),
        batch_type=draw(st.sampled_from(BatchType)),
        compression=draw(st.sampled_from(Compression)),
        compression_level=draw(st.sampled_from((0, 1, 5))),
        max_channel_duration=draw(st.integers(0, 4)),
        max_channel_age=draw(st.sampled_from((None, 1.0, 15.0))),
        target_num_frames=draw(st.integers(1, 6)),
        max_l1_tx_size=draw(st.sampled_from((900, 5000, 120_000))),
        poll_interval=draw(st.sampled_from((0.5, 2.0, 7.0))),
        max_pending_transactions=draw(st.sampled_from((0, 0, 12))),
        resubmission_timeout=draw(st.sampled_from((8.0, 20.0, 48.0))),
        num_confirmations=draw(st.integers(1, 10)),
    )


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    return Scenario(forks=draw(fork_schedules()), block_time=draw(st.sampled_from((2, 3, 6))), channel_timeout=30, seq_window=200)


class Play:
    """One network with one batcher, which is started anew at will."""

    def __init__(self, scenario: Scenario, chosen: BatcherSettings, seed: int) -> None:
        sequencer = SequencerSettings(transactions=3, max_origin_lag=Random(seed).randint(1, 4))
        self.network = Network(scenario, seed=seed, sequencer=sequencer)
        self.settings = chosen
        self.random = Random(seed)

    async def run(self, mishaps: list[str]) -> None:
        """All mishaps, some L1 blocks apart, and then peace until all is safe."""
        async with trio.open_nursery() as nursery:
            scope = await nursery.start(self._batcher)
            for mishap in mishaps:
                await self.network.slots(self.random.randint(1, 4))
                if mishap == "restart":
                    scope.cancel()
                    await trio.sleep(self.random.choice((0, 1, 20)))
                    scope = await nursery.start(self._batcher)
                else:
                    await self._suffer(mishap)
            await self.network.slots(3)
            await self.network.drain(60)
            nursery.cancel_scope.cancel()

    async def _batcher(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope() as scope:
            task_status.started(scope)
            await self.network.batcher(self.settings).run()

    async def _suffer(self, mishap: str) -> None:
        network, conduct = self.network, self.network.sender.conduct
        if mishap.startswith("reorg"):
            depth = self.random.randint(1, min(5, len(network.l1.chain) - 1))
            network.reorg(depth, reinject=mishap == "reorg")
        elif mishap == "pool forgets":
            network.grow_l2()
            await trio.sleep(self.random.randint(1, 6))
            network.sender.pool.clear()
        elif mishap == "no answers":
            conduct.unavailable = True
            await network.slots(2)
            conduct.unavailable = False
        elif mishap == "hang up":
            conduct.takes_but_hangs_up = True
            await network.slots(1)
            conduct.takes_but_hangs_up = False
        elif mishap == "dear":
            conduct.wanted_tip = 2 * 10**9
            await network.slots(3)
            conduct.wanted_tip = 0
        elif mishap == "L2 goes back":
            network.grow_l2()
            await trio.sleep(self.random.randint(1, 6))
            del network.sequencer.chain[network.safe_number + 1 :]


@settings(max_examples=settings().max_examples // 3)
@given(scenario=scenarios(), chosen=batcher_settings(), seed=st.integers(0, 1 << 30), mishaps=st.lists(st.sampled_from(MISHAPS), max_size=6))
def test_whatever_happens_the_chain_is_derived(scenario: Scenario, chosen: BatcherSettings, seed: int, mishaps: list[str]) -> None:
    play = Play(scenario, chosen, seed)
    with patch.object(trio.to_thread, "run_sync", at_once):
        trio.run(play.run, mishaps, clock=MockClock(autojump_threshold=0))
    play.network.assert_all_safe()
