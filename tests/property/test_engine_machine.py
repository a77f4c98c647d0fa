"""The engine against a model that knows every block: payloads come in any order, some of them invalid, heads are chosen
anywhere, blocks are built, and the process is killed.

The model has no states: which block is valid is known from who made it, and the states are made beside the engine.
"""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.engine.block_tree import SLOTS, ZERO, Blocks, create, forkchoice, give, valid, write
from trinode.engine.core import EngineCore
from trinode.engine.held import HeldBlocks, InvalidBlocks, WaitingPayloads
from trinode.engine.status import InvalidForkchoiceState, PayloadStatus, Status
from trinode.protocol.types import Hash32
from trinode.storage.store import Store

picks = st.integers(0, 1 << 16)


class Making(RuleBasedStateMachine):
    """One engine, and blocks that it may get. `chain`: what is canonical, from genesis on."""

    history: int | None = None

    @initialize()
    def begin(self) -> None:
        self.path = Path(mkdtemp(prefix="engine"))
        self.blocks = Blocks()
        self.store: Store = self.blocks.new_store(self.path, history=self.history)
        self.core = self.new_core()
        self.made: list[Hash32] = []
        self.chain = [self.blocks.genesis.hash]
        self.known: set[Hash32] = set()
        self.stored: set[Hash32] = set()
        self.condemned: dict[Hash32, Hash32] = {}
        self.finalized = 0

    def new_core(self) -> EngineCore:
        return EngineCore(self.store, self.blocks.executor)

    def _parent(self, block_hash: Hash32) -> Hash32:
        return self.blocks.headers[block_hash].parent_hash

    def _number(self, block_hash: Hash32) -> int:
        return self.blocks.headers[block_hash].number

    def _is_valid(self, block_hash: Hash32) -> bool:
        return block_hash in self.blocks.executed or block_hash == self.chain[0]

    def _pick(self, pick: int, *, recent: int = 8) -> Hash32:
        """One of the blocks made last, or genesis."""
        choice = [*self.made[-recent:], self.chain[0]]
        return choice[pick % len(choice)]

    def _line(self, block_hash: Hash32) -> list[Hash32]:
        """From the last canonical ancestor, that one included."""
        line = [block_hash]
        while line[-1] not in self.chain:
            line.append(self._parent(line[-1]))
        return line[::-1]

    @rule(pick=picks, count=st.integers(1, 3), value=st.integers(0, 3))
    def blocks_are_made(self, pick: int, count: int, value: int) -> None:
        parent = self._pick(pick)
        for index in range(count):
            if not self._is_valid(parent):
                self.blocks.make_invalid(parent)
            else:
                number = self._number(parent)
                written = write((value + index) % len(SLOTS), value, hash_of=max(0, number - 2))
                self.blocks.make(parent, written, give(pick % 8), give(pick // 8), *([create()] * (value % 2)))
            parent = next(reversed(self.blocks.envelopes))
            self.made.append(parent)

    @rule(pick=picks)
    def an_invalid_block_is_made(self, pick: int) -> None:
        self.made.append(self.blocks.make_invalid(self._pick(pick)).payload.block_hash)

    @rule()
    def the_process_is_killed(self) -> None:
        self.store.close()
        self.store = self.blocks.open_store(self.path)
        self.core = self.new_core()
        self.known, self.condemned = set(self.stored), {}

    @invariant()
    def the_chain_is_what_was_chosen(self) -> None:
        assert self.core.head().hash == self.chain[-1]
        for number in (len(self.chain) - 1, len(self.chain) // 2, len(self.chain)):
            found = self.core.block_by_number(number)
            assert (found and found.hash) == (self.chain[number] if number < len(self.chain) else None)
        self.blocks.assert_state(self.store)

    def teardown(self) -> None:
        self.store.close()
        rmtree(self.path)


class Driving(Making):
    """An engine that forgets nothing that matters. `known`: the contents that it has, or can make again; `condemned`: what it
    found invalid, each with its last valid ancestor.
    """

    def _expected(self, block_hash: Hash32) -> PayloadStatus:
        """The verdict on a block whose contents the engine was given, or was not. Condemns."""
        if block_hash == ZERO:
            return PayloadStatus(Status.INVALID)
        unjudged: list[Hash32] = []
        at = block_hash
        while at not in self.chain:
            if at in self.condemned:
                self.condemned.update(dict.fromkeys(unjudged, self.condemned[at]))
                return PayloadStatus(Status.INVALID, self.condemned[at])
            if at not in self.known:
                return PayloadStatus(Status.SYNCING)
            unjudged.append(at)
            at = self._parent(at)
        for index, each in enumerate(reversed(unjudged)):
            if not self._is_valid(each):
                last_valid = self._parent(each)
                self.condemned.update(dict.fromkeys(unjudged[: len(unjudged) - index], last_valid))
                return PayloadStatus(Status.INVALID, last_valid)
        return valid(block_hash)

    def _assert_status(self, found: PayloadStatus, expected: PayloadStatus) -> None:
        assert found._replace(validation_error=None) == expected
        assert (found.validation_error is not None) == (expected.status is Status.INVALID)

    def _send(self, block_hash: Hash32) -> None:
        if block_hash == self.chain[0]:
            return
        self.known.add(block_hash)
        self._assert_status(self.core.new_payload(self.blocks.envelopes[block_hash]), self._expected(block_hash))

    @rule(pick=picks)
    def a_payload_comes(self, pick: int) -> None:
        self._send(self._pick(pick))

    @rule(pick=picks, backwards=st.booleans())
    def a_branch_comes(self, pick: int, backwards: bool) -> None:
        line = self._line(self._pick(pick))[1:]
        for block_hash in reversed(line) if backwards else line:
            self._send(block_hash)

    @rule(pick=picks, safe=picks, finalized=picks, labels=st.integers(0, 5))
    def a_head_is_chosen(self, pick: int, safe: int, finalized: int, labels: int) -> None:
        head = self._pick(pick)
        said = (self._pick(safe) if labels == 1 else ZERO, self._pick(finalized) if labels in (1, 2) else ZERO)
        expected = self._expected(head)
        ancestors = {*self.chain[: self.chain.index(self._line(head)[0]) + 1], *self._line(head)}
        if expected.status is Status.VALID and any(each not in {ZERO, *ancestors} for each in said):
            with pytest.raises(InvalidForkchoiceState):
                self.core.forkchoice_updated(forkchoice(head, *said), None)
            return
        result = self.core.forkchoice_updated(forkchoice(head, *said), None)
        self._assert_status(result.payload_status, expected)
        if expected.status is Status.VALID:
            self._choose(head)
            self._forget(said[1])

    def _choose(self, head: Hash32) -> None:
        line = self._line(head)
        self.stored.update(self.chain, line)
        self.chain = self.chain[: self.chain.index(line[0])] + line
        self.known |= self.stored

    def _forget(self, finalized: Hash32) -> None:
        """What branches off at the finalized height is dropped, but for what the store has."""
        if finalized != ZERO:
            self.finalized = self._number(finalized)
        if self.finalized >= len(self.chain):
            self.finalized = 0  # its block was taken back
        lost = [each for each in self.known if each not in self.stored and self._is_dropped(each)]
        self.known.difference_update(lost)

    def _is_dropped(self, block_hash: Hash32) -> bool:
        if self._number(block_hash) <= self.finalized:
            return True
        parent = self._parent(block_hash)  # what was executed goes with what it was executed on
        return parent not in self.chain and parent not in self.stored and self._is_dropped(parent) and self.core.block(block_hash) is None

    @rule(pick=picks, value=st.integers(1, 5))
    def a_block_is_built_on_the_head(self, pick: int, value: int) -> None:
        head = self.chain[-1]
        attributes = self.blocks.attributes(head, write(pick % len(SLOTS), value))
        expected = self.blocks.executor.build(self.blocks.states.parent(head), attributes)
        begun = self.core.forkchoice_updated(forkchoice(head), attributes).payload_id
        assert begun is not None
        envelope = self.core.get_payload(begun).envelope
        assert envelope.payload.block_hash == expected.hash
        self.blocks.add(expected)
        self.made.append(expected.hash)
        self._forget(ZERO)
        self.known.add(expected.hash)


class Pressing(Making):
    """An engine that can hold next to nothing, over a store that soon forgets states: it may say SYNCING at any time, but
    what else it says is true.
    """

    history = 3

    def new_core(self) -> EngineCore:
        held, waiting, invalid = HeldBlocks(most_blocks=2), WaitingPayloads(most_blocks=3), InvalidBlocks(most=1)
        return EngineCore(self.store, self.blocks.executor, held=held, waiting=waiting, invalid=invalid)

    def _assert_true(self, found: PayloadStatus, block_hash: Hash32) -> None:
        if found.status is not Status.SYNCING:
            line = self._line(block_hash)
            bad = [each for each in line if not self._is_valid(each)]
            expected = PayloadStatus(Status.INVALID, self._parent(bad[0])) if bad else valid(block_hash)
            assert found._replace(validation_error=None) == expected

    @rule(pick=picks)
    def a_branch_comes(self, pick: int) -> None:
        for block_hash in self._line(self._pick(pick))[1:]:
            self._assert_true(self.core.new_payload(self.blocks.envelopes[block_hash]), block_hash)

    @rule(pick=picks)
    def a_payload_comes(self, pick: int) -> None:
        block_hash = self._pick(pick)
        if block_hash != self.chain[0]:
            self._assert_true(self.core.new_payload(self.blocks.envelopes[block_hash]), block_hash)

    @rule(pick=picks)
    def a_head_is_chosen(self, pick: int) -> None:
        self._choose(self._pick(pick))

    @rule(pick=picks)
    def a_branch_comes_and_is_chosen_block_by_block(self, pick: int) -> None:
        """As a rollup node sends it: that must always work, where the state to begin with is retained."""
        base, *line = self._line(self._pick(pick))
        if self._number(base) < self.store.oldest_state:
            return
        for block_hash in line:
            status = self.core.new_payload(self.blocks.envelopes[block_hash])
            self._assert_true(status, block_hash)
            if not self._is_valid(block_hash):
                return
            assert status == valid(block_hash)
            self._choose(block_hash)
            assert self.chain[-1] == block_hash

    def _choose(self, block_hash: Hash32) -> None:
        line = self._line(block_hash)
        if len(line) == 1 and self._number(block_hash) < self.store.oldest_state:
            with pytest.raises(InvalidForkchoiceState, match="cannot go back"):
                self.core.forkchoice_updated(forkchoice(block_hash), None)
            return
        status = self.core.forkchoice_updated(forkchoice(block_hash), None).payload_status
        self._assert_true(status, block_hash)
        if status.status is Status.VALID:
            self.chain = self.chain[: self.chain.index(line[0])] + line


TestEngine = Driving.TestCase
TestEngine.settings = settings(stateful_step_count=20)

TestEngineUnderPressure = Pressing.TestCase
TestEngineUnderPressure.settings = settings(stateful_step_count=20)
