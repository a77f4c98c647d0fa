"""The blocks that the engine knows: the canonical chain in the store, and what branches off it.

A block that is not canonical is held with what it changed, or waits with nothing but its contents (because it was not
executed yet, or was taken back from the canonical chain). The way from a block back to the canonical chain is a line; along
it blocks are executed, and made canonical.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trinode.engine.held import MOST_HELD_BLOCKS, MOST_WAITING, HeldBlock, HeldBlocks, InvalidBlocks, Verdict, WaitingPayloads
from trinode.engine.overlay import OverlayState
from trinode.engine.status import PayloadStatus, Status
from trinode.execution.block import BlockExecutor, ExecutedBlock, Parent
from trinode.execution.errors import InvalidBlock, MissingState
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.block import KnownBlock
from trinode.protocol.types import BlockId, Hash32
from trinode.storage.store import Store

MOST_AT_ONCE = MOST_HELD_BLOCKS + MOST_WAITING
"""Blocks of a line that are executed without becoming canonical one by one: all that can be held and wait, and no more of what was taken back."""
SYNCING = PayloadStatus(Status.SYNCING)


class NotValid(Exception):
    """A block is not known to be valid. `status`: INVALID, or SYNCING where an ancestor or its state is missing."""

    def __init__(self, status: PayloadStatus) -> None:
        super().__init__(status)
        self.status = status


class Line(NamedTuple):
    """The blocks from a canonical one, which is not counted, to another that is built on it; none if that one is canonical."""

    base: BlockId
    blocks: tuple[HeldBlock | KnownBlock, ...]

    def passes(self, block_hash: Hash32, canonical_number: int | None) -> bool:
        """Whether a block is on the way from genesis to the line's end, that one included."""
        if canonical_number is not None:
            return canonical_number <= self.base.number
        return any(hash_of(block) == block_hash for block in self.blocks)


class BlockTree:
    """The store with what branches off its chain. For one thread at a time, which alone writes to the store."""

    def __init__(self, store: Store, executor: BlockExecutor, held: HeldBlocks, waiting: WaitingPayloads, invalid: InvalidBlocks) -> None:
        self._store = store
        self._executor = executor
        self.held = held
        self.waiting = waiting
        self.invalid = invalid

    # ---- what there is ----

    def executed(self, block_hash: Hash32) -> bool:
        """Whether the block is canonical, or held."""
        return self.held.get(block_hash) is not None or self._store.blocks.canonical_number(block_hash) is not None

    def block(self, block_hash: Hash32) -> KnownBlock | None:
        """A block that was executed at some time; None: it is not known."""
        held = self.held.get(block_hash)
        if held is not None:
            return KnownBlock(held.block.header, block_hash, held.block.transactions)
        header = self._store.blocks.header(block_hash)
        transactions = None if header is None else self._store.blocks.transactions(block_hash)
        return None if header is None or transactions is None else KnownBlock(header, block_hash, transactions)

    def line_to(self, block_hash: Hash32) -> Line:
        """The line that ends with that block. Raises NotValid if it is invalid, or its ancestors are not all known."""
        blocks: list[HeldBlock | KnownBlock] = []
        while (number := self._store.blocks.canonical_number(block_hash)) is None:
            verdict = self.invalid.get(block_hash)
            if verdict is not None:
                self._condemn(blocks, verdict)
                raise NotValid(_invalid(verdict))
            block = self.held.get(block_hash) or self.waiting.get(block_hash) or self.block(block_hash)
            if block is None:
                raise NotValid(SYNCING)
            blocks.append(block)
            block_hash = (block if isinstance(block, KnownBlock) else block.block).header.parent_hash
        return Line(BlockId(number, block_hash), tuple(reversed(blocks)))

    # ---- execution ----

    def parent(self, line: Line) -> Parent:
        """What is needed to execute a block on the end of the line. Raises NotValid, UnknownFork."""
        return self._parent(line.base, self.execute(line))

    def _parent(self, base: BlockId, blocks: Sequence[HeldBlock]) -> Parent:
        try:
            if not blocks:
                return self._store.parent_for(base.hash)
            state = self._store.state_at(base.hash)
        except MissingState as error:
            raise NotValid(SYNCING) from error
        tries = self._tries(base, blocks)
        executed = [held.block for held in blocks]
        return Parent(executed[-1].header, executed[-1].hash, OverlayState(state, executed, tries), tries)

    def _tries(self, base: BlockId, blocks: Sequence[HeldBlock]) -> StateTries:
        """The tries after `blocks`. Those that were made when another block was the head are made again from the changes."""
        head = self._store.head.hash
        usable = len(blocks)
        while usable and blocks[usable - 1].tries_on != head:
            usable -= 1
        tries = blocks[usable - 1].tries if usable else self._parent(base, ()).tries
        for held in blocks[usable:]:
            tries, _ = tries.updated(held.block.changes)
            assert tries.root == held.block.header.state_root
            held.tries, held.tries_on = tries, head
        return tries

    def execute(self, line: Line) -> list[HeldBlock]:
        """All blocks of the line, executed; they are held as far as there is room. Raises NotValid, UnknownFork."""
        if len(line.blocks) > MOST_AT_ONCE:
            raise NotValid(SYNCING)
        done: list[HeldBlock] = []
        for position, block in enumerate(line.blocks):
            if isinstance(block, KnownBlock):
                block = self._check(line, position, block, self._parent(line.base, done))
            done.append(block)
        return done

    def _check(self, line: Line, position: int, block: KnownBlock, parent: Parent) -> HeldBlock:
        try:
            executed = self._executor.check(parent, block.header, block.transactions)
        except InvalidBlock as error:
            verdict = Verdict(parent.hash, str(error))
            self.invalid.keep(block)
            self._condemn(line.blocks[position:], verdict)
            raise NotValid(_invalid(verdict)) from error
        return self.hold(executed)

    def hold(self, block: ExecutedBlock) -> HeldBlock:
        """Holds a block that was executed just now, so that its tries are of use with the present head; if there is room, and
        was for its parent.
        """
        held = HeldBlock(block, block.tries, self._store.head.hash)
        if self.executed(block.header.parent_hash) and self.held.add(held):
            self.waiting.remove(block.hash)
        return held

    def _condemn(self, blocks: Sequence[HeldBlock | KnownBlock], verdict: Verdict) -> None:
        """Remembers that these are invalid: one is, and the others are built on it."""
        for block in blocks:
            self.invalid.add(hash_of(block), verdict)
            self.waiting.remove(hash_of(block))

    # ---- fork choice ----

    def adopt(self, line: Line) -> list[ExecutedBlock]:
        """Makes the end of the line the head; the blocks that were added to the chain. Raises NotValid, and nothing has changed then.

        What was taken back from the chain is executed again here, one block after the other, whatever its number.
        """
        if any(isinstance(block, KnownBlock) and self.waiting.get(block.hash) is not None for block in line.blocks):
            line = Line(line.base, tuple(self.execute(line)))
        if line.base.number < self._store.oldest_state:
            raise NotValid(SYNCING)
        if line.base.hash != self._store.head.hash:
            self._store.rewind(line.base.hash)
        added = []
        for block in line.blocks:
            if isinstance(block, KnownBlock):
                executed = self._executor.check(self._store.parent_for(block.header.parent_hash), block.header, block.transactions)
            else:
                executed = block.block
            self._store.append(executed)
            added.append(executed)
            self.held.remove(executed.hash)
            self.waiting.remove(executed.hash)
        return added

    def forget(self, number: int) -> None:
        """Drops what branches off at that height or below: it cannot become canonical any more."""
        for blocks in (self.held, self.waiting):
            blocks.drop_until(number)


def hash_of(block: HeldBlock | KnownBlock) -> Hash32:
    """The block's hash."""
    return block.hash if isinstance(block, KnownBlock) else block.block.hash


def _invalid(verdict: Verdict) -> PayloadStatus:
    return PayloadStatus(Status.INVALID, verdict.latest_valid, verdict.reason)
