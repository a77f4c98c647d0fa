"""Derivation under all that L1 can do, in any order: right, damaged and arbitrary data, deposits, updates, reorgs, and restarts.

What must hold after each step: the engine's chain is consistent. At the end: a node that only ever saw the final L1 has the same safe chain.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness.batcher import BatcherBlock, BatcherSettings
from harness.damage import Damage
from harness.fake_l1 import L1Transaction
from harness.l1_activity import ConfigUpdateMaker, DepositMaker, StrayMaker
from harness.scenario import STRANGER_KEY
from harness.strategies import FORKS, any_payloads, batcher_settings
from tests.property.observed_network import ObservedNetwork, assert_engine_consistent
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork

seeds = st.integers(0, 1 << 30)
MAX_L1_BLOCKS = 60


class Derivation(RuleBasedStateMachine):
    """One network. Each rule adds to L1, takes from it, or disturbs derivation."""

    network: ObservedNetwork

    @initialize(fork=st.sampled_from(FORKS), window=st.integers(4, 12), timeout=st.integers(2, 6), block_time=st.sampled_from((4, 6, 12)))
    def begin(self, fork: Fork, window: int, timeout: int, block_time: int) -> None:
        self.fork = fork
        self.network = network = ObservedNetwork(fork, seq_window=window, channel_timeout=timeout, block_time=block_time)
        self.highest = network.l1.head.header.number
        self.channels = 0
        self.waiting: list[bytes] = []
        random = Random(0)
        self.strays = StrayMaker(network.config, random, STRANGER_KEY)
        self.deposits = DepositMaker(network.config.deposit_contract_address, random)
        self.updates = ConfigUpdateMaker(network.config, random, list[Address](network.accounts))

    # ---- L1 grows ----

    def _post(self, transactions: list[L1Transaction], slots: int = 1) -> None:
        self.network.post(transactions, seconds=12 * slots)
        self.highest = max(self.highest, self.network.l1.head.header.number)

    def _has_room(self) -> bool:
        return len(self.network.l1.chain) < MAX_L1_BLOCKS

    def _may_build(self) -> bool:
        return self._has_room() and self.network.is_caught_up

    @precondition(_has_room)
    @rule(count=st.integers(1, 4), slots=st.integers(1, 3))
    def nothing_happens(self, count: int, slots: int) -> None:
        for _ in range(count):
            self._post([], slots)

    @precondition(_may_build)
    @rule(data=st.data(), seed=seeds, frames=st.integers(1, 5), at_once=st.integers(1, 5))
    def the_batcher_posts(self, data: st.DataObject, seed: int, frames: int, at_once: int) -> None:
        if not (blocks := self.network.more_blocks(seed)):
            return
        way = data.draw(batcher_settings(self.fork))
        payloads = self.network.payloads(blocks, way, frames, self._channel())
        self._post(self.network.account.send(payloads[:at_once], way))
        self.waiting += payloads[at_once:]

    @precondition(_may_build)
    @rule(seed=seeds, chance=st.sampled_from((0.3, 1.0)), frames=st.integers(1, 5))
    def the_batcher_posts_damaged(self, seed: int, chance: float, frames: int) -> None:
        payloads = self.network.payloads(self.network.more_blocks(seed), BatcherSettings(), frames, self._channel())
        damaged = Damage.everything(chance).payloads(payloads, Random(seed))
        self._post([self.network.account.calldata(payload) for payload in damaged])

    @precondition(lambda self: self._has_room() and bool(self.waiting))
    @rule(count=st.integers(1, 5))
    def what_waited_is_posted(self, count: int) -> None:
        sent, self.waiting = self.waiting[:count], self.waiting[count:]
        self._post([self.network.account.calldata(payload) for payload in sent])

    @precondition(_may_build)
    @rule(data=st.data(), seed=seeds)
    def the_batcher_posts_anything(self, data: st.DataObject, seed: int) -> None:
        blocks = self.network.more_blocks(seed, until=self.network.l1.head.header.timestamp + 24)
        packed = [BatcherBlock(block.batch, block.sequence_number) for block in blocks]
        if packed:
            payloads = data.draw(any_payloads(self.network.config, packed))
            self._post([self.network.account.calldata(payload) for payload in payloads])

    def _channel(self) -> bytes:
        self.channels += 1
        return self.channels.to_bytes(2, "big")

    @precondition(_has_room)
    @rule(succeeded=st.booleans())
    def users_deposit(self, succeeded: bool) -> None:
        self._post([replace(self.strays.transfer(), logs=tuple(self.deposits.logs()), succeeded=succeeded)])

    @precondition(_has_room)
    @rule(succeeded=st.booleans())
    def the_config_is_updated(self, succeeded: bool) -> None:
        logs = tuple(self.updates.logs(self.network.l1.head.header.timestamp))
        self._post([replace(self.strays.transfer(), logs=logs, succeeded=succeeded)])

    # ---- what goes wrong ----

    @rule(ahead=st.integers(1, 6))
    def a_block_will_be_invalid(self, ahead: int) -> None:
        # Only what nobody has executed yet: an engine does not change its mind about a block.
        self.network.invalid.add(self.network.highest_tried + ahead)

    @precondition(lambda self: len(self.network.l1.chain) > 1)
    @rule(depth=st.integers(1, MAX_L1_BLOCKS))
    def l1_reorgs(self, depth: int) -> None:
        # Below the depth at which the pipeline stops for good, and asks for an operator.
        deepest = min(len(self.network.l1.chain) - 1, 4 * self.network.config.seq_window_size)
        self.network.l1.rewind(1 + (depth - 1) % deepest)
        self._post([])

    @rule(renew=st.booleans())
    def derivation_is_restarted(self, renew: bool) -> None:
        self.network.observed.restart(renew=renew)
        self.network.observed.run()

    @rule(soon=st.integers(1, 40))
    def derivation_will_stop(self, soon: int) -> None:
        self.network.observed.stop_after(soon)

    # ---- what must hold ----

    @invariant()
    def the_engine_is_consistent(self) -> None:
        if self.network.is_caught_up:
            assert_engine_consistent(self.network)

    def teardown(self) -> None:
        """Let derivation see every reorg, and compare it with a node that saw none."""
        if not hasattr(self, "network"):
            return
        while self.network.l1.head.header.number <= self.highest:
            self.network.post([])
        self.the_engine_is_consistent()
        fresh = self.network.fresh()
        assert fresh.safe_chain == self.network.observed.safe_chain
        assert fresh.pipeline.status == self.network.replay.pipeline.status


Derivation.TestCase.settings = settings(stateful_step_count=15)
TestDerivation = Derivation.TestCase
