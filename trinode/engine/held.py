"""Blocks that are not in the store: executed ones with what they changed, and payloads that wait for an ancestor.

All of it is bounded and in memory only. What is dropped, or lost with the process, can be sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from trinode.execution.block import ExecutedBlock
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.block import KnownBlock
from trinode.protocol.types import Hash32

MOST_HELD_BLOCKS = 128
MOST_HELD_BYTES = 256 * 1024 * 1024
MOST_WAITING = 256
MOST_WAITING_BYTES = 64 * 1024 * 1024
MOST_INVALID = 512
MOST_BAD_BLOCKS = 10

_HEADER_BYTES = 1_000
_CHANGE_BYTES = 200  # what an account or a slot takes in memory, roughly
_NODE_BYTES = 300  # what a decoded trie node takes beyond its RLP, roughly


@dataclass(slots=True)
class HeldBlock:
    """An executed block. `tries`: the state after it, of use while block `tries_on` is the store's head: nodes that nobody
    asked for yet are read from there.
    """

    block: ExecutedBlock
    tries: StateTries
    tries_on: Hash32


class HeldBlocks:
    """Executed blocks by their hashes."""

    def __init__(self, most_blocks: int = MOST_HELD_BLOCKS, most_bytes: int = MOST_HELD_BYTES) -> None:
        self._most_blocks = most_blocks
        self._most_bytes = most_bytes
        self._blocks: dict[Hash32, HeldBlock] = {}
        self._sizes: dict[Hash32, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def get(self, block_hash: Hash32) -> HeldBlock | None:
        """The block of that hash; None: it is not held."""
        return self._blocks.get(block_hash)

    def add(self, held: HeldBlock) -> bool:
        """Holds a block; whether there is room for it. Room is made by dropping the oldest block that is no ancestor of it,
        and what is built on that one.
        """
        block = held.block
        if block.hash in self._blocks:
            return True
        size = _size(block)
        kept = set(self._ancestors(block.header.parent_hash))
        while len(self._blocks) >= self._most_blocks or (self._blocks and self._bytes + size > self._most_bytes):
            oldest = next((block_hash for block_hash in self._blocks if block_hash not in kept), None)
            if oldest is None:
                return False
            self._drop_branch(oldest)
        self._blocks[block.hash] = held
        self._sizes[block.hash] = size
        self._bytes += size
        return True

    def remove(self, block_hash: Hash32) -> None:
        """Lets go of a block that the store has now."""
        if self._blocks.pop(block_hash, None) is not None:
            self._bytes -= self._sizes.pop(block_hash)

    def drop_until(self, number: int) -> None:
        """Drops the blocks up to that height, and what is built on them."""
        for block_hash in [block_hash for block_hash, held in self._blocks.items() if held.block.header.number <= number]:
            self._drop_branch(block_hash)

    def _ancestors(self, block_hash: Hash32) -> Iterator[Hash32]:
        while (held := self._blocks.get(block_hash)) is not None:
            yield block_hash
            block_hash = held.block.header.parent_hash

    def _drop_branch(self, root: Hash32) -> None:
        dropped = [root]
        for parent in dropped:  # grows while it is gone through
            dropped += [block_hash for block_hash, held in self._blocks.items() if held.block.header.parent_hash == parent]
            self.remove(parent)


class WaitingPayloads:
    """Blocks that were not executed, by their hashes; the oldest are dropped first."""

    def __init__(self, most_blocks: int = MOST_WAITING, most_bytes: int = MOST_WAITING_BYTES) -> None:
        self._most_blocks = most_blocks
        self._most_bytes = most_bytes
        self._blocks: dict[Hash32, KnownBlock] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def get(self, block_hash: Hash32) -> KnownBlock | None:
        """The block of that hash; None: it is not here."""
        return self._blocks.get(block_hash)

    def add(self, block: KnownBlock) -> None:
        """Keeps a block. The last one is kept whatever its size."""
        self.remove(block.hash)
        self._blocks[block.hash] = block
        self._bytes += _body_size(block.transactions)
        while len(self._blocks) > self._most_blocks or (len(self._blocks) > 1 and self._bytes > self._most_bytes):
            self.remove(next(iter(self._blocks)))

    def remove(self, block_hash: Hash32) -> None:
        """Lets go of a block, if it is here."""
        block = self._blocks.pop(block_hash, None)
        if block is not None:
            self._bytes -= _body_size(block.transactions)

    def drop_until(self, number: int) -> None:
        """Drops the blocks up to that height."""
        for block_hash in [block_hash for block_hash, block in self._blocks.items() if block.header.number <= number]:
            self.remove(block_hash)


class Verdict(NamedTuple):
    """Why a block is invalid, and its last ancestor that is valid."""

    latest_valid: Hash32
    reason: str


class InvalidBlocks:
    """Blocks that were found invalid, and those that are known to be built on them; the oldest are forgotten first."""

    def __init__(self, most: int = MOST_INVALID) -> None:
        self._most = most
        self._verdicts: dict[Hash32, Verdict] = {}
        self.last: tuple[KnownBlock, ...] = ()
        """Those that were executed and found invalid last, the last one first. May be read on any thread."""

    def __len__(self) -> int:
        return len(self._verdicts)

    def get(self, block_hash: Hash32) -> Verdict | None:
        """What was found; None: nothing against that block."""
        return self._verdicts.get(block_hash)

    def keep(self, block: KnownBlock) -> None:
        """Keeps all of a block, for who wants to see what was wrong with it."""
        self.last = (block, *self.last[: MOST_BAD_BLOCKS - 1])

    def add(self, block_hash: Hash32, verdict: Verdict) -> None:
        """Remembers a block."""
        self._verdicts[block_hash] = verdict
        if len(self._verdicts) > self._most:
            del self._verdicts[next(iter(self._verdicts))]


def _size(block: ExecutedBlock) -> int:
    """Bytes that a block takes, roughly."""
    changes = block.changes
    keys = len(changes.accounts) + sum(map(len, changes.storage.values()))
    codes = sum(map(len, changes.codes.values()))
    nodes = sum(_NODE_BYTES + len(rlp or b"") for rlp in block.nodes.values())
    return 2 * _body_size(block.transactions) + keys * _CHANGE_BYTES + codes + nodes  # raw and decoded


def _body_size(transactions: tuple[bytes, ...]) -> int:
    return _HEADER_BYTES + sum(map(len, transactions))
