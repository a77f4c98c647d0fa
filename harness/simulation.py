"""Plays users, sequencer and batcher over an in-memory L1, as a scenario says, and hands out what L1 shows.

Without chaos, what is derived is known in advance: `Simulation.expected`. With it, derivation runs beside (`follower`),
so that the sequencer goes on from the chain that there really is. All randomness comes from the seed, one stream for
each actor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import NamedTuple

from harness.bad_batches import BadBatches
from harness.batcher import BatcherAccount, BatcherBlock, BatcherSettings, address_of, encode_payloads
from harness.fake_execution import FakeExecution
from harness.fake_l1 import L1Transaction
from harness.follower import Follower
from harness.l1_activity import ConfigUpdateMaker, DepositMaker, StrayMaker
from harness.l2_transactions import TransactionMaker
from harness.poster import Poster, PostingOptions
from harness.recording import RecordedItem
from harness.scenario import BATCHER_KEYS, STRANGER_KEY, Scenario, make_head, make_l1
from harness.sequencer import SequencedBlock, Sequencer
from trinode.protocol.receipt import Receipt
from trinode.protocol.types import Hash32
from trinode.rollup.fork import Fork
from trinode.rollup.system_config import SystemConfig, update_system_config

_PATIENCE = 3  # L1 blocks after which the batcher posts again what was not derived


class Inclusion(NamedTuple):
    """L2 blocks up to `l2_number` are wholly posted up to L1 block `l1_number`."""

    l1_number: int
    l2_number: int


class Simulation:
    """One made-up network. `head` is the recording's first line; iterate over `run` once for the rest."""

    def __init__(self, scenario: Scenario, seed: int, source: str = "made up") -> None:
        self.scenario = scenario
        self._seed = seed
        self.l1 = make_l1(scenario)
        self.head = make_head(scenario, self.l1, source)
        self.config = config = self.head.rollup_config
        self._random = self._stream("slots")
        maker = TransactionMaker(config.l2_chain_id, self._stream("transactions"), scenario.transaction_bytes)
        start = self.head.l2_start.block
        settings = scenario.sequencer_settings()
        self.sequencer = Sequencer(config, self.l1, start, self._stream("sequencer"), settings, maker)
        self._poster = self._make_poster(maker)
        self._deposits = DepositMaker(config.deposit_contract_address, self._stream("deposits"))
        batchers = [address_of(key) for key in BATCHER_KEYS] if scenario.change_batcher else []
        self._updates = ConfigUpdateMaker(config, self._stream("config"), batchers)
        self._strays = StrayMaker(config, self._stream("strays"), STRANGER_KEY)
        self._stranger = BatcherAccount(STRANGER_KEY, config.l1_chain_id, config.batch_inbox_address)
        accounts = [BatcherAccount(key, config.l1_chain_id, config.batch_inbox_address) for key in BATCHER_KEYS]
        self._accounts = {account.address: account for account in accounts}
        self._system_configs: dict[Hash32, SystemConfig] = {self.l1.head.hash: config.genesis.system_config}
        execution = FakeExecution(config, frozenset(scenario.invalid_blocks), scenario.reject_undecodable)
        self._follower = Follower(self.head, execution) if scenario.needs_follower else None
        self.inclusions: list[Inclusion] = []
        self._shown = 0
        self._waited = 0
        self._silent_until = 0
        self._next_seconds = self._draw_seconds(self.l1.head.header.timestamp)

    def _make_poster(self, maker: TransactionMaker) -> Poster:
        scenario, config = self.scenario, self.config
        options = PostingOptions(
            settings=scenario.batcher.settings(),
            vary=scenario.batcher.vary,
            payloads_per_block=scenario.payloads_per_block,
            interleave=scenario.interleave,
            disorder=scenario.disorder,
            chaos=scenario.chaos,
            batch_chaos=scenario.batch_chaos,
        )
        bad = BadBatches(config, self.l1, self._stream("bad batches"), maker)
        return Poster(config, self.l1, self._stream("batcher"), options, bad)

    def _stream(self, actor: str) -> Random:
        return Random(f"{self._seed}/{actor}")

    # ---- what comes out ----

    def run(self) -> Iterator[RecordedItem]:
        """Play the whole scenario; yields L1's events as they happen. Raises what a follower's replay raises."""
        yield from self._show()
        for step in range(1, self.scenario.l1_blocks):
            if self._reorgs_at(step):
                self._reorg()
            self._step(step)
            if self.scenario.finalized_lag is not None:
                lag = self.scenario.finalized_lag
                self.l1.label(safe_lag=lag // 2, finalized_lag=lag)
            yield from self._show()

    @property
    def expected(self) -> list[tuple[SequencedBlock, int]]:
        """Without chaos: the blocks that are derived in the end, each with the number of the L1 block that completes
        it."""
        result: list[tuple[SequencedBlock, int]] = []
        for inclusion in self.inclusions:
            blocks = self.sequencer.chain[len(result) :]
            result += [
                (block, inclusion.l1_number) for block in blocks if block.block.ref.number <= inclusion.l2_number
            ]
        return result

    def _show(self) -> Iterator[RecordedItem]:
        events, self._shown = self.l1.events[self._shown :], len(self.l1.events)
        for event in events:
            if self._follower is not None:
                self._follower.feed(event)
            yield event
        if self._follower is not None:
            self._follow(self._follower)

    # ---- one L1 block ----

    def _step(self, step: int) -> None:
        timestamp = self.l1.head.header.timestamp + self._next_seconds
        number = self.l1.head.header.number + 1
        self.sequencer.produce(timestamp, number + -step % self.scenario.submit_every)
        others, system_config = self._others(number, timestamp)
        account = self._accounts[system_config.batcher_address]
        others += self._make_strays(account, timestamp)
        unposted = self.sequencer.unposted
        if unposted and self._poster.idle and step % self.scenario.submit_every == 0 and not self._is_silent(step):
            self._poster.pack(unposted, self.sequencer.chain, timestamp)
            self.sequencer.posted = unposted[-1].block.ref.number
        seconds, self._next_seconds = self._next_seconds, self._draw_seconds(timestamp)
        flush = self._must_not_wait(timestamp)
        sent = self._poster.send(account, self._stranger, timestamp, flush=flush)
        block = self.l1.extend(self._interspersed(sent, others), seconds=seconds)
        self._system_configs[block.hash] = system_config
        if self._poster.idle:
            self.inclusions.append(Inclusion(number, self.sequencer.posted))

    def _must_not_wait(self, timestamp: int) -> bool:
        """Whether a channel that is unfinished after the L1 block of that time would be in the way, or be lost.

        Before Canyon a channel that a reorg leaves unfinished holds up all others; Holocene forgets what is unfinished.
        """
        holds_up = not self.config.is_active(Fork.CANYON, l1_inclusion_timestamp=timestamp)
        return (holds_up and bool(self.scenario.reorg_every)) or self._holocene_between(
            timestamp, timestamp + self._next_seconds
        )

    def _draw_seconds(self, before: int) -> int:
        """Seconds from the L1 block of the time `before` to the next one."""
        slot = seconds = self.scenario.l1_block_time
        while self._random.random() < self.scenario.missed_slot_chance and seconds < 50 * slot:
            if self._hides_holocene(before, before + seconds + slot):
                break
            seconds += slot
        return seconds

    def _hides_holocene(self, before: int, after: int) -> bool:
        """Whether Holocene comes between two L1 blocks, but not as the first fork: then op-node keeps the stages of
        before.

        It halts where those meet a batch of the past. A scenario may ask for that, but a missed slot should not bring
        it about.
        """
        return self._holocene_between(before, after) and self.config.first_fork_between(before, after) != Fork.HOLOCENE

    def _holocene_between(self, before: int, after: int) -> bool:
        """Whether Holocene comes between two L1 blocks, so that unfinished channels are lost."""
        active = [self.config.is_active(Fork.HOLOCENE, l1_inclusion_timestamp=time) for time in (before, after)]
        return active == [False, True]

    def _is_silent(self, step: int) -> bool:
        if self.scenario.outage_every and step % self.scenario.outage_every == 0:
            self._silent_until = step + self.scenario.seq_window + self._random.randint(-3, 5)
        return step < self._silent_until

    def _others(self, number: int, timestamp: int) -> tuple[list[L1Transaction], SystemConfig]:
        """What users and the chain's operator do in this block, and the system config after it."""
        scenario, random = self.scenario, self._random
        others = [self._strays.transfer()]
        if scenario.deposits_every and number % scenario.deposits_every == 0:
            failed = random.random() < 0.1
            others.append(replace(self._strays.transfer(), logs=tuple(self._deposits.logs()), succeeded=not failed))
        system_config = self._system_configs[self.l1.head.hash]
        if scenario.config_every and number % scenario.config_every == 0:
            update = replace(
                self._strays.transfer(), logs=tuple(self._updates.logs(timestamp)), succeeded=random.random() > 0.1
            )
            others.insert(random.randint(0, len(others)), update)
            receipt = Receipt(0, update.succeeded, 0, bytes(256), update.logs)
            system_config, _ = update_system_config(
                system_config, [receipt], self.config, l1_inclusion_timestamp=timestamp
            )
        return others, system_config

    def _make_strays(self, account: BatcherAccount, timestamp: int) -> list[L1Transaction]:
        """Something that would derive another next block, were it read."""
        unposted = self.sequencer.unposted
        if not self.scenario.strays or not unposted:
            return []
        batch = unposted[0].batch._replace(transactions=() if unposted[0].batch.transactions else (b"\x02",))
        block = BatcherBlock(batch, unposted[0].sequence_number)
        payload = encode_payloads(self.config, BatcherSettings(), self._random.randbytes(16), [block])[0]
        ecotone = self.config.is_active(Fork.ECOTONE, l1_inclusion_timestamp=timestamp)
        prague = self.l1.chain_config.prague_time
        takes_blobs = self.l1.chain_config.blob_schedule_at(timestamp) is not None
        is_prague = prague is not None and timestamp >= prague
        return [self._strays.make(account, payload, ecotone=ecotone and takes_blobs, prague=is_prague)]

    def _interspersed(self, sent: Sequence[L1Transaction], others: Sequence[L1Transaction]) -> list[L1Transaction]:
        """All of them; the batcher's stay in order."""
        block = list(sent)
        for other in others:
            block.insert(self._random.randint(0, len(block)), other)
        return block

    # ---- reorgs, and what chaos does ----

    def _reorgs_at(self, step: int) -> bool:
        every, depth = self.scenario.reorg_every, self.scenario.reorg_depth
        # Derivation notices a reorg when the next number comes: there must be L1 blocks left for that.
        return bool(every) and step % every == 0 and depth < step and step + depth + 2 < self.scenario.l1_blocks

    def _reorg(self) -> None:
        self.l1.rewind(self.scenario.reorg_depth)
        number = self.l1.head.header.number
        self.inclusions = [inclusion for inclusion in self.inclusions if inclusion.l1_number <= number]
        posted = self.inclusions[-1].l2_number if self.inclusions else self.sequencer.start.ref.number
        self.sequencer.rewind(number, posted)
        self._poster.forget()
        self._next_seconds = self._draw_seconds(self.l1.head.header.timestamp)

    def _follow(self, follower: Follower) -> None:
        """Let the sequencer go on from what is derived; post again what was lost."""
        for number in follower.take_rejected():
            if number in self.scenario.invalid_blocks:
                self.sequencer.give_up(number)
        head = follower.head
        if head is None:
            return
        if differing := follower.differing(self.sequencer):
            self.sequencer.adopt(differing)
            self._poster.forget()
        behind = head.number < self.sequencer.posted
        self._waited = self._waited + 1 if behind and self._poster.idle else 0
        if self._waited > _PATIENCE:
            self.sequencer.posted = head.number
            self._waited = 0
