"""Moves of the head, from the engine's thread to those who follow them (no specification; the order is that of op-geth's notifications)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import trio

from trinode.protocol.head_move import BlockWithReceipts, HeadMove
from trinode.protocol.header import Header
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.types import Hash32
from trinode.rpc.subscriptions.feed import Feed, Follower

MOST_BYTES = 32 << 20
"""Of moves that are kept for those who follow."""

MOST_PENDING_BYTES = 16 << 20
"""Of transactions that are kept for those who follow the pool."""

_BLOCK_BYTES = 1500
_LOG_BYTES = 500
_TRANSACTION_BYTES = 500


class PlacedLog(NamedTuple):
    """A log with its place: `transaction_index` and `log_index` in the block."""

    log: Log
    transaction_hash: Hash32
    transaction_index: int
    log_index: int


@dataclass(frozen=True, slots=True, eq=False)
class ToldBlock:
    """What of a block is told; `logs` are all that it has."""

    header: Header
    hash: Hash32
    logs: tuple[PlacedLog, ...]


class HeadMoved(NamedTuple):
    """One move of the head. Both lists begin with the oldest block."""

    removed: tuple[ToldBlock, ...]
    added: tuple[ToldBlock, ...]


class ChainEvents:
    """The moves of one chain's head. Made within trio, whose thread all is for, but for `publish`."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._feed: Feed[HeadMoved] = Feed(_weight, most_bytes)

    def publish(self, move: HeadMove) -> None:
        """The head has moved. For any one thread: moves are told in the order of the calls."""
        told = None if move.removed is None else HeadMoved(_told(move.removed), _told(move.added))
        self._token.run_sync_soon(self._tell, told)

    def subscribe(self) -> Follower[HeadMoved]:
        """All moves from now on. To be closed."""
        return self._feed.follow()

    async def next_head(self) -> None:
        """Returns when the head moves next. Who must not miss a move subscribes, and looks then."""
        await self._feed.changed()

    def _tell(self, moved: HeadMoved | None) -> None:
        if moved is None:
            self._feed.break_off()
        else:
            self._feed.publish(moved)


class PendingTransactions:
    """Transactions that blocks can have now, as the pool finds. Made within trio, whose thread all is for, but for `publish`."""

    def __init__(self, *, most_bytes: int = MOST_PENDING_BYTES) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._feed: Feed[bytes] = Feed(lambda raw: _TRANSACTION_BYTES + len(raw), most_bytes)

    def publish(self, transactions: Sequence[bytes]) -> None:
        """Raw transactions became pending. For any thread."""
        self._token.run_sync_soon(self._tell, transactions)

    def subscribe(self) -> Follower[bytes]:
        """All from now on, one by one. To be closed."""
        return self._feed.follow()

    def _tell(self, transactions: Sequence[bytes]) -> None:
        for raw in transactions:
            self._feed.publish(raw)


def matching_logs(moved: HeadMoved, matches: Callable[[ToldBlock, Log], bool]) -> Iterable[tuple[ToldBlock, PlacedLog, bool]]:
    """The logs of a move that match, in op-geth's order: those that were removed (True) first, both by rising blocks."""
    for removed, blocks in ((True, moved.removed), (False, moved.added)):
        for block in blocks:
            for placed in block.logs:
                if matches(block, placed.log):
                    yield block, placed, removed


def _told(blocks: Sequence[BlockWithReceipts]) -> tuple[ToldBlock, ...]:
    return tuple([ToldBlock(each.block.header, each.block.hash, tuple(_placed(each))) for each in blocks])


def _placed(found: BlockWithReceipts) -> Iterable[PlacedLog]:
    index = 0
    for position, (raw, receipt) in enumerate(zip(found.block.transactions, found.receipts or (), strict=False)):
        if receipt.logs:
            hash = transaction_hash(raw)
            for log in receipt.logs:
                yield PlacedLog(log, hash, position, index)
                index += 1


def _weight(moved: HeadMoved) -> int:
    blocks = (*moved.removed, *moved.added)
    return sum(_BLOCK_BYTES + sum(_LOG_BYTES + len(placed.log.data) for placed in block.logs) for block in blocks)
