"""Which batches are valid (specification: derivation, "Batch Queue"; delta/span-batches, "Span Batch Validity"; holocene/derivation).

Every check gives a `Verdict`; its reason names the rule. Clocks: the L1 inclusion time decides between future/past before and after
Holocene, the L1 origin time decides drift and Delta, the L2 time decides set-code transactions and activation blocks.
Where op-node lets 64-bit numbers wrap, so do we: the network follows op-node.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from trinode.derive.drops import DropReason
from trinode.derive.events import Steps, l2_block_by_number
from trinode.protocol.batch import SingularBatch
from trinode.protocol.block import L1BlockRef
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE
from trinode.protocol.span_batch import SpanBatch
from trinode.protocol.types import UINT64
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.forks import rules_of
from trinode.rollup.l2_block import L2Block, L2BlockRef

SET_CODE_TRANSACTION_TYPE = 4
POST_EXEC_TRANSACTION_TYPE = 0x7D
"""Reserved by op-node for a feature that no fork has brought yet: it drops batches with one, at any time."""
_NO_L1_BLOCK = L1BlockRef(hash=bytes(32), number=0, parent_hash=bytes(32), timestamp=0)


class Validity(Enum):
    """What becomes of a batch."""

    ACCEPT = "accept"
    DROP = "drop"
    UNDECIDED = "undecided"  # something it must be checked against is not there yet
    FUTURE = "future"
    PAST = "past"


class Verdict(NamedTuple):
    """A validity with the rule that led to it (None for ACCEPT)."""

    validity: Validity
    reason: DropReason | None = None
    detail: str = ""


ACCEPT = Verdict(Validity.ACCEPT)


def _drop(reason: DropReason, detail: str = "") -> Verdict:
    return Verdict(Validity.DROP, reason, detail)


def _undecided(detail: str) -> Verdict:
    return Verdict(Validity.UNDECIDED, DropReason.UNDECIDED, detail)


def check_singular_batch(
    config: RollupConfig, l1_blocks: Sequence[L1BlockRef], safe_head: L2BlockRef, batch: SingularBatch, inclusion: L1BlockRef
) -> Verdict:
    """Check a singular batch on top of `safe_head`; `l1_blocks` starts at the head's L1 origin or the next L1 block."""
    if not l1_blocks:
        return _undecided("no L1 origin")
    next_timestamp = safe_head.timestamp + config.block_time
    if batch.timestamp != next_timestamp:
        return _wrong_time(config, batch.timestamp > next_timestamp, f"{batch.timestamp}, next is {next_timestamp}", inclusion)
    if batch.parent_hash != safe_head.hash:
        return _drop(DropReason.PARENT_MISMATCH, f"parent {batch.parent_hash.hex()}, safe head {safe_head.hash.hex()}")
    if (batch.epoch_number + config.seq_window_size) & UINT64 < inclusion.number:
        return _drop(DropReason.SEQUENCE_WINDOW_EXPIRED, f"origin {batch.epoch_number}, included in {inclusion.number}")

    epoch = l1_blocks[0]
    if batch.epoch_number < epoch.number:
        return _drop(DropReason.EPOCH_TOO_OLD, f"{batch.epoch_number}, at least {epoch.number}")
    if batch.epoch_number > epoch.number + 1:
        return _drop(DropReason.EPOCH_TOO_NEW, f"{batch.epoch_number}, at most {epoch.number + 1}")
    if batch.epoch_number == epoch.number + 1 and len(l1_blocks) < 2:
        return _undecided(f"L1 origin {batch.epoch_number} is not there yet")
    origin = l1_blocks[batch.epoch_number - epoch.number]
    if batch.epoch_hash != origin.hash:
        return _drop(DropReason.EPOCH_HASH_MISMATCH, f"{batch.epoch_hash.hex()}, L1 has {origin.hash.hex()}")
    if batch.timestamp < origin.timestamp:
        return _drop(DropReason.BEFORE_ORIGIN, f"{batch.timestamp}, origin's {origin.timestamp}")
    advanced = origin.number != epoch.number
    next_origin = l1_blocks[1] if len(l1_blocks) > 1 else None
    verdict = _check_drift(config, batch.timestamp, bool(batch.transactions), origin, next_origin, advanced=advanced)
    if verdict is not ACCEPT:
        return verdict
    if batch.transactions and (fork := empty_activation_fork(config, batch.timestamp)) is not None:
        return _drop(DropReason.TRANSACTIONS_IN_ACTIVATION_BLOCK, fork.name.lower())
    return _check_transactions(config, batch.timestamp, batch.transactions)


def empty_activation_fork(config: RollupConfig, l2_timestamp: int) -> Fork | None:
    """The fork whose activation block is at this time and has no batch transactions (Jovian and later), if there is one."""
    activated = config.activated_forks(l2_timestamp=l2_timestamp)
    return next((fork for fork in activated if rules_of(fork).empty_activation_block), None)


def _wrong_time(config: RollupConfig, future: bool, detail: str, inclusion: L1BlockRef, past: DropReason = DropReason.PAST) -> Verdict:
    """Before Holocene a future batch is kept and a past one dropped; from it on, a future one drops and a past one is skipped."""
    holocene = config.is_active(Fork.HOLOCENE, l1_inclusion_timestamp=inclusion.timestamp)
    if future:
        return Verdict(Validity.DROP if holocene else Validity.FUTURE, DropReason.FUTURE, detail)
    return Verdict(Validity.PAST if holocene else Validity.DROP, past, detail)


def _check_drift(
    config: RollupConfig, timestamp: int, has_transactions: bool, origin: L1BlockRef, next_origin: L1BlockRef | None, *, advanced: bool
) -> Verdict:
    """Beyond the sequencer drift a block is empty, and adopts the next L1 origin as soon as its time allows."""
    latest = origin.timestamp + config.max_sequencer_drift_at(l1_origin_timestamp=origin.timestamp)
    if timestamp <= latest:
        return ACCEPT
    if has_transactions:
        return _drop(DropReason.DRIFT_WITH_TRANSACTIONS, f"{timestamp}, latest {latest}")
    if advanced:
        return ACCEPT
    if next_origin is None:
        return _undecided("the next L1 origin decides whether this empty batch beyond the drift is valid")
    if timestamp >= next_origin.timestamp:
        return _drop(DropReason.DRIFT_WITHOUT_ADVANCE, f"{timestamp}, next origin's {next_origin.timestamp}")
    return ACCEPT  # empty, to keep L2 time going while L1 is late


def _check_transactions(config: RollupConfig, l2_timestamp: int, transactions: Iterable[bytes]) -> Verdict:
    set_code = config.rules(l2_timestamp=l2_timestamp).set_code_transactions
    for index, raw in enumerate(transactions):
        if not raw:
            return _drop(DropReason.EMPTY_TRANSACTION, f"transaction {index}")
        if raw[0] == DEPOSIT_TRANSACTION_TYPE:
            return _drop(DropReason.DEPOSIT_TRANSACTION, f"transaction {index}")
        if raw[0] == POST_EXEC_TRANSACTION_TYPE:
            return _drop(DropReason.POST_EXEC_TRANSACTION, f"transaction {index}")
        if raw[0] == SET_CODE_TRANSACTION_TYPE and not set_code:
            return _drop(DropReason.SET_CODE_BEFORE_ISTHMUS, f"transaction {index}")
    return ACCEPT


def check_span_prefix(
    config: RollupConfig, l1_blocks: Sequence[L1BlockRef], safe_head: L2BlockRef, batch: SpanBatch, inclusion: L1BlockRef
) -> Steps[tuple[Verdict, L2BlockRef]]:
    """The checks that need not look at each block of the span; also gives the L2 block that the span builds on."""
    if not l1_blocks:
        return _undecided("no L1 origin"), safe_head
    first, last = batch[0], batch[-1]
    origin = l1_blocks[0]
    if first.epoch_number == origin.number + 1:
        if len(l1_blocks) < 2:
            return _undecided(f"L1 origin {first.epoch_number} is not there yet"), safe_head
        origin = l1_blocks[1]
    if not config.is_active(Fork.DELTA, l1_origin_timestamp=origin.timestamp):
        return _drop(DropReason.SPAN_ORIGIN_BEFORE_DELTA, f"origin {origin.number}"), safe_head
    next_timestamp = safe_head.timestamp + config.block_time
    if first.timestamp > next_timestamp:
        return _wrong_time(config, True, f"{first.timestamp}, next is {next_timestamp}", inclusion), safe_head
    if last.timestamp < next_timestamp:
        detail = f"last {last.timestamp}, next is {next_timestamp}"
        return _wrong_time(config, False, detail, inclusion, DropReason.NO_NEW_BLOCKS), safe_head

    parent = safe_head
    if first.timestamp < next_timestamp:
        overlap = safe_head.timestamp - first.timestamp
        if overlap < 0 or overlap % config.block_time != 0:
            return _drop(DropReason.MISALIGNED, f"{first.timestamp}, safe head's {safe_head.timestamp}"), safe_head
        parent_number = safe_head.number - overlap // config.block_time - 1
        block = (yield from l2_block_by_number(parent_number)) if parent_number >= 0 else None
        if block is None:
            return _undecided(f"L2 block {parent_number} is not there"), safe_head
        parent = block.ref
    return _check_span_origins(config, l1_blocks, parent, batch, inclusion), parent


def _check_span_origins(
    config: RollupConfig, l1_blocks: Sequence[L1BlockRef], parent: L2BlockRef, batch: SpanBatch, inclusion: L1BlockRef
) -> Verdict:
    """Parent hash, sequence window and the L1 origins at both ends of a span on top of `parent`."""
    start, end = batch[0].epoch_number, batch[-1].epoch_number
    if batch.parent_check != parent.hash[:20]:
        return _drop(DropReason.PARENT_MISMATCH, f"parent {batch.parent_check.hex()}.., here {parent.hash.hex()}")
    if (start + config.seq_window_size) & UINT64 < inclusion.number:
        return _drop(DropReason.SEQUENCE_WINDOW_EXPIRED, f"origin {start}, included in {inclusion.number}")
    if start > parent.l1_origin.number + 1:
        return _drop(DropReason.EPOCH_TOO_NEW, f"{start}, at most {parent.l1_origin.number + 1}")
    index = end - l1_blocks[0].number  # l1_blocks are consecutive
    if not 0 <= index < len(l1_blocks):
        return _undecided(f"L1 origin {end} is not there")
    if batch.l1_origin_check != l1_blocks[index].hash[:20]:
        return _drop(DropReason.EPOCH_HASH_MISMATCH, f"{batch.l1_origin_check.hex()}.., L1 has {l1_blocks[index].hash.hex()}")
    if start < parent.l1_origin.number:
        return _drop(DropReason.EPOCH_TOO_OLD, f"{start}, at least {parent.l1_origin.number}")
    return ACCEPT


def check_span_batch(
    config: RollupConfig, l1_blocks: Sequence[L1BlockRef], safe_head: L2BlockRef, batch: SpanBatch, inclusion: L1BlockRef
) -> Steps[Verdict]:
    """All checks of a span batch at once, as before Holocene."""
    verdict, parent = yield from check_span_prefix(config, l1_blocks, safe_head, batch, inclusion)
    if verdict is not ACCEPT:
        return verdict
    verdict = _check_span_blocks(config, l1_blocks, safe_head, parent, batch)
    if verdict is not ACCEPT:
        return verdict
    return (yield from check_span_overlap(config, safe_head, parent, batch))


def _check_span_blocks(
    config: RollupConfig, l1_blocks: Sequence[L1BlockRef], safe_head: L2BlockRef, parent: L2BlockRef, batch: SpanBatch
) -> Verdict:
    """Each block of the span after the safe head: time, drift, transactions."""
    index = 0  # of the last L1 origin found; it stays where an element's origin is not found, as in op-node
    for number in range(first_new_block(batch, safe_head), len(batch)):
        element = batch[number]
        before = batch[number - 1].epoch_number if number > 0 else parent.l1_origin.number
        advanced = element.epoch_number > before
        found = element.epoch_number - l1_blocks[0].number
        origin = _NO_L1_BLOCK
        if index <= found < len(l1_blocks):
            index, origin = found, l1_blocks[found]
        if element.timestamp < origin.timestamp:
            return _drop(DropReason.BEFORE_ORIGIN, f"block {number}: {element.timestamp}, origin's {origin.timestamp}")
        next_origin = l1_blocks[index + 1] if index + 1 < len(l1_blocks) else None
        has_transactions = bool(element.transactions)
        verdict = _check_drift(config, element.timestamp, has_transactions, origin, next_origin, advanced=advanced)
        if verdict is ACCEPT:
            verdict = _check_transactions(config, element.timestamp, element.transactions)
        if verdict is not ACCEPT:
            return verdict._replace(detail=f"block {number}: {verdict.detail}")
    return ACCEPT


def check_span_overlap(config: RollupConfig, safe_head: L2BlockRef, parent: L2BlockRef, batch: SpanBatch) -> Steps[Verdict]:
    """The span's blocks that are safe already must be those of the safe chain."""
    if batch[0].timestamp >= safe_head.timestamp + config.block_time:
        return ACCEPT
    for number in range(parent.number + 1, safe_head.number + 1):
        block = yield from l2_block_by_number(number)
        if block is None:
            return _undecided(f"L2 block {number} is not there")
        element = batch[number - parent.number - 1]
        if sequencer_transactions(block) != element.transactions:
            return _drop(DropReason.OVERLAP_TRANSACTIONS, f"block {number}")
        if block.ref.l1_origin.number != element.epoch_number:
            return _drop(DropReason.OVERLAP_ORIGIN, f"block {number}: {element.epoch_number}, there {block.ref.l1_origin.number}")
    return ACCEPT


def sequencer_transactions(block: L2Block) -> tuple[bytes, ...]:
    """A block's transactions behind its deposits."""
    deposits = sum(raw[0] == DEPOSIT_TRANSACTION_TYPE for raw in block.transactions)
    return block.transactions[deposits:]


def first_new_block(batch: SpanBatch, safe_head: L2BlockRef) -> int:
    """Index of the span's first block after the safe head."""
    return bisect_right(range(len(batch)), safe_head.timestamp, key=lambda index: batch[index].timestamp)
