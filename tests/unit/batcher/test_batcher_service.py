"""The batcher over two chains in memory: whatever happens to L1, to L2 and to itself, derivation makes the sequencer's chain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from harness.scenario import BATCHER_KEYS, Scenario
from tests.unit.batcher.batcher_network import ALL_FORKS, KEY, L1_BLOCK_TIME, Network
from trinode.batcher.batcher import Batcher, BatcherError
from trinode.batcher.channels import Submission
from trinode.batcher.fees import Fees
from trinode.batcher.l1_sender import Refusal
from trinode.batcher.settings import BatcherSettings, BatchType, DataAvailability
from trinode.batcher.signing import address_of_key
from trinode.protocol.transaction import BlobTransaction, DynamicFeeTransaction

BLOBS = BatcherSettings()
CALLDATA = BatcherSettings(data_availability=DataAvailability.CALLDATA)
SMALL = replace(CALLDATA, max_l1_tx_size=700, target_num_frames=3, max_pending_transactions=12)
"""Channels of several transactions."""


@asynccontextmanager
async def running(batcher: Batcher) -> AsyncIterator[Batcher]:
    async with trio.open_nursery() as nursery:
        await nursery.start(batcher.run)
        yield batcher
        nursery.cancel_scope.cancel()


SINGULAR = replace(BLOBS, batch_type=BatchType.SINGULAR)


@pytest.mark.parametrize("settings", [BLOBS, CALLDATA, SMALL, SINGULAR, replace(CALLDATA, max_pending_transactions=1)])
async def test_blocks_become_safe(network: Network, autojump_clock: MockClock, settings: BatcherSettings) -> None:
    async with running(network.batcher(settings)) as batcher:
        await network.slots(8)
        assert network.safe_number > 20
        await network.drain()
        status = batcher.status()
    network.assert_all_safe()
    assert status.rebuilds == 0 and status.is_synced
    assert status.transactions_included == len(network.sender.sent) and not network.sender.refused


async def test_a_channel_an_l1_block_makes_blocks_safe_two_l1_blocks_later(network: Network, autojump_clock: MockClock) -> None:
    async with running(network.batcher(BLOBS)):
        await network.slots(10)
        lag = network.sequencer.head.ref.number - network.safe_number
    assert lag * network.config.block_time <= 2 * 12


async def test_an_early_close_makes_blocks_safe_in_the_next_l1_block(network: Network, autojump_clock: MockClock) -> None:
    async with running(network.batcher(replace(CALLDATA, max_channel_age=2.0))):
        await network.slots(10)
        lag = network.sequencer.head.ref.number - network.safe_number
    assert lag * network.config.block_time <= 12


async def test_auto_chooses_the_cheaper(network: Network, autojump_clock: MockClock) -> None:
    network.sender.conduct.mines = False
    dear = Network(Scenario(forks=ALL_FORKS, excess_blob_gas=150_000_000))
    for chain, kind in ((network, BlobTransaction), (dear, DynamicFeeTransaction)):
        settings = replace(BLOBS, data_availability=DataAvailability.AUTO, max_channel_duration=3)
        chain.sequencer._maker.data_bytes = 3000
        async with running(chain.batcher(settings)):
            await chain.slots(4)
        assert {type(pooled.tx) for pooled in chain.sender.sent} == {kind}


# ---- L1 misbehaves ----


@pytest.mark.parametrize("reinject", [True, False])
@pytest.mark.parametrize("settings", [BLOBS, SMALL])
async def test_l1_reorgs(network: Network, autojump_clock: MockClock, settings: BatcherSettings, reinject: bool) -> None:
    async with running(network.batcher(settings)):
        for depth in (1, 3, 2, 5):
            await network.slots(6)
            network.reorg(depth, reinject=reinject)
        await network.slots(8)
        await network.drain()
    network.assert_all_safe()


async def test_l1_forgets_what_an_earlier_run_posted(network: Network, autojump_clock: MockClock) -> None:
    """Its transactions were in a block, so that the next run's nonces come after them."""
    async with running(network.batcher(SMALL)):
        await network.slots(4)
        network.grow_l2()
        await trio.sleep(L1_BLOCK_TIME)
    network.sender.mine()
    async with running(network.batcher(SMALL)) as batcher:
        await trio.sleep(3)
        assert not batcher.status().is_synced  # derivation has not read that block
        network.reorg(1, reinject=False)
        await network.slots(6)
        await network.drain()
        assert any("L1's next nonce is 9, and what was sent begins at 15" in line for line in network.lines)
    network.assert_all_safe()


@pytest.mark.parametrize("settings", [BLOBS, SMALL])
async def test_the_pool_forgets(network: Network, autojump_clock: MockClock, settings: BatcherSettings) -> None:
    async with running(network.batcher(settings)) as batcher:
        for _ in range(4):
            await network.slots(2)
            network.grow_l2()
            await trio.sleep(3)
            network.sender.pool.clear()
        await network.drain()
        assert batcher.status().rebuilds == 0
    network.assert_all_safe()


async def test_what_pays_too_little_is_replaced(network: Network, autojump_clock: MockClock) -> None:
    network.sender.conduct.wanted_tip = 2 * 10**9
    async with running(network.batcher(replace(CALLDATA, resubmission_timeout=13))):
        await network.slots(12)
        network.sender.conduct.wanted_tip = 0
        await network.drain()
    network.assert_all_safe()
    tips = [pooled.tx.max_priority_fee_per_gas for pooled in network.sender.sent if pooled.tx.nonce == 0]
    assert len(tips) > 3 and tips == sorted(tips) and tips[-1] >= 2 * 10**9


async def test_blobs_are_replaced_by_twice_the_fees_within_the_limit(network: Network, autojump_clock: MockClock) -> None:
    network.sender.conduct.mines = False
    limits = replace(BLOBS, resubmission_timeout=20, fee_limit_threshold=2 * 10**9, fee_limit_multiplier=4, max_pending_transactions=1)
    async with running(network.batcher(limits)):
        await network.slots(14)
        offers = [pooled.offers for pooled in network.sender.sent]
        assert len(offers) in {2, 3}
        assert all(new >= 2 * old for before, after in pairwise(offers) for new, old in zip(after, before, strict=True))
        assert sum("fee limits" in line for line in network.lines) == 1
        network.sender.conduct.mines = True
        await network.drain()
    network.assert_all_safe()


async def test_l1_does_not_answer_for_a_while(network: Network, autojump_clock: MockClock) -> None:
    conduct = network.sender.conduct
    async with running(network.batcher(SMALL)):
        for _ in range(3):
            await network.slots(2)
            conduct.unavailable = True
            await network.slots(3)
            conduct.unavailable = False
            conduct.takes_but_hangs_up = True
            await network.slots(1)
            conduct.takes_but_hangs_up = False
        await network.slots(6)
        await network.drain()
    network.assert_all_safe()
    assert sum("does not answer" in line for line in network.lines) < 20


async def test_l1_suggests_no_fee_for_a_while(network: Network, autojump_clock: MockClock) -> None:
    settings = replace(CALLDATA, max_pending_transactions=1)
    async with running(network.batcher(settings)) as batcher:
        for _ in range(3):
            network.sender.conduct.mines = False
            await network.slots(3)  # channels are packed, and wait
            network.sender.conduct.unavailable_tips = True
            network.sender.conduct.mines = True
            await network.slots(2)
            network.sender.conduct.unavailable_tips = False
        await network.drain()
        assert batcher.status().rebuilds == 0
    network.assert_all_safe()


@pytest.mark.parametrize("refusal", [Refusal.INSUFFICIENT_FUNDS, Refusal.BUSY, Refusal.UNDERPRICED, Refusal.NONCE_TOO_HIGH, Refusal.OTHER])
async def test_refusals_are_said_once_and_got_over(network: Network, autojump_clock: MockClock, refusal: Refusal) -> None:
    async with running(network.batcher(SMALL)) as batcher:
        await network.slots(3)
        network.sender.conduct.refuse = (refusal, "no")
        await network.slots(3)
        network.sender.conduct.refuse = None
        await network.slots(3)
        await network.drain()
        assert batcher.status().rebuilds == 0
    network.assert_all_safe()
    assert sum("refuses" in line for line in network.lines) <= 2


async def test_l1_wants_cell_proofs(network: Network, autojump_clock: MockClock) -> None:
    async with running(network.batcher(BLOBS)):
        await network.slots(2)
        network.sender.conduct.sidecar_version = 1
        network.sender.pool.clear()
        await network.slots(2)
        network.sender.conduct.sidecar_version = 0
        network.sender.pool.clear()
        await network.slots(2)
        await network.drain()
    network.assert_all_safe()
    assert {pooled.sidecar_version for pooled in network.sender.sent} == {0, 1}
    assert network.sender.refused == [Refusal.SIDECAR_VERSION] * 2


async def test_receipts_come_late(network: Network, autojump_clock: MockClock) -> None:
    async with running(network.batcher(CALLDATA)) as batcher:
        for _ in range(3):
            network.sender.conduct.hides_receipts = True
            await network.slots(2)
            network.sender.conduct.hides_receipts = False
            await network.slots(2)
        await network.drain()
        assert batcher.status().rebuilds == 0
    network.assert_all_safe()


# ---- the batcher stops, L2 changes, others interfere ----


@pytest.mark.parametrize("settings", [BLOBS, SMALL])
async def test_restarts(network: Network, autojump_clock: MockClock, settings: BatcherSettings) -> None:
    for seconds in (30, 5, 17, 1, 40, 12, 3):
        async with running(network.batcher(settings)), trio.open_nursery() as nursery:
            nursery.start_soon(network.slots, 1 + seconds // 12)
            await trio.sleep(seconds)
        await network.slots(1)
    async with running(network.batcher(settings)):
        await network.slots(4)
        await network.drain()
    network.assert_all_safe()


async def test_what_an_earlier_run_left_stuck_is_replaced(network: Network, autojump_clock: MockClock) -> None:
    network.sender.conduct.mines = False
    async with running(network.batcher(BLOBS)):
        await network.slots(3)
    assert network.sender.pool
    settings = replace(CALLDATA, settle_timeout=60)
    async with running(network.batcher(settings)):
        await network.slots(7)
        assert any("stuck" in line for line in network.lines)
        network.sender.conduct.mines = True
        await network.slots(12)
        await network.drain()
    network.assert_all_safe()
    assert Refusal.ALREADY_RESERVED in network.sender.refused


async def test_l2_goes_back(network: Network, autojump_clock: MockClock) -> None:
    async with running(network.batcher(replace(CALLDATA, max_channel_duration=3))) as batcher:
        for _ in range(3):
            await network.slots(4)
            network.grow_l2()
            await trio.sleep(3)
            del network.sequencer.chain[network.safe_number + 1 :]
        await network.slots(5)
        await network.drain()
        assert batcher.status().rebuilds >= 1
    network.assert_all_safe()


async def test_somebody_else_uses_the_account(network: Network, autojump_clock: MockClock) -> None:
    async with running(network.batcher(replace(CALLDATA, max_channel_age=1.0))) as batcher:
        await network.slots(4)
        network.grow_l2()
        await trio.sleep(3)
        mine = network.sender.pool.copy()
        network.sender.pool.clear()
        stranger = network.batcher(CALLDATA)._submitter
        other = Submission((b"\x00nothing",), False, nonce=min(mine), fees=Fees(10**10, 10**11, 0))
        await network.sender.send((await stranger._signer.sign(other, 0)).network)
        await network.slots(8)
        await network.drain()
        assert batcher.status().rebuilds == 1
    network.assert_all_safe()


async def test_the_chains_batcher_is_another(network: Network, autojump_clock: MockClock) -> None:
    async with running(network.batcher(CALLDATA, key=BATCHER_KEYS[1])):
        await network.slots(1)
    assert f"the batcher of the chain is 0x{address_of_key(KEY).hex()}" in network.lines[0]


async def test_another_l1_is_refused(network: Network, autojump_clock: MockClock) -> None:
    network.sender.chain_id_said = 1
    with pytest.raises(BatcherError, match="chain 1, not 900"):
        await network.batcher().run()


# ---- forks ----


@pytest.mark.parametrize("settings", [SMALL, BLOBS])
async def test_through_all_forks(network: Network, autojump_clock: MockClock, settings: BatcherSettings) -> None:
    forks = {label: 40 * index for index, label in enumerate(ALL_FORKS)}
    network = Network(Scenario(forks=forks, channel_timeout=50, seq_window=100))
    async with running(network.batcher(settings)) as batcher:
        await network.slots(38)
        await network.drain()
        assert batcher.status().rebuilds == 0
    network.assert_all_safe()


