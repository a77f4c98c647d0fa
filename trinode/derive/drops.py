"""Why a piece of batcher data came to nothing: one member for each rule of the specification that can drop it.

The value is the sentence that `explain` prints; the name is what metrics count. Reasons are grouped by the stage that gives them
(OP Stack specification: derivation, "L2 Chain Derivation Pipeline"; Holocene's changes: holocene/derivation).
"""

from __future__ import annotations

from enum import Enum


class DropReason(Enum):
    """The rule by which data was dropped."""

    # L1 retrieval
    BAD_SIGNATURE = "the inbox transaction's signature gives no sender"
    UNAUTHORIZED_SENDER = "the inbox transaction was not sent by the batcher"
    UNSUPPORTED_TYPE = "the inbox transaction's type may not carry batcher data"
    BLOB_TRANSACTION_CALLDATA = "calldata of a blob transaction is ignored once blobs carry the data"
    BAD_BLOB = "the blob does not hold encoded data"

    # Frame queue
    BAD_FRAMES = "the data does not parse as frames, so that none of its frames count"
    FRAME_AFTER_LAST = "the frame follows its channel's closing frame"
    FRAME_OUT_OF_ORDER = "the frame is not the next one of its channel"
    FRAME_OF_UNFINISHED_CHANNEL = "a first frame of another channel came before this frame's channel was closed"
    FRAME_WITHOUT_FIRST = "the frame's channel has no first frame"

    # Channel bank and channel assembler
    FRAME_DUPLICATE = "the channel has a frame of this number already"
    FRAME_SECOND_LAST = "the channel has a closing frame already"
    FRAME_BEYOND_END = "the frame's number is not below that of the closing frame"
    FRAME_PRUNED_BY_LAST = "the closing frame has a lower number than this one"
    FRAME_OF_OTHER_CHANNEL = "the frame is for another channel than the open one"
    FRAME_TOO_LATE = "the frame's channel has timed out"
    CHANNEL_TIMED_OUT = "the channel was not complete within the channel timeout"
    CHANNEL_PRUNED = "the channel bank was over its size"
    CHANNEL_TOO_LARGE = "the channel is larger than what may be read of it"
    CHANNEL_REPLACED = "a first frame opened another channel before this one was complete"

    # Channel reader
    BAD_CHANNEL = "the channel cannot be read (any further)"
    BAD_BATCH = "the batch does not decode, and ends its channel"
    BAD_SPAN_TRANSACTION = "a transaction of the span batch cannot be put together"
    SPAN_BATCH_BEFORE_DELTA = "span batches are not accepted before Delta"
    CHANNEL_FLUSHED = "an invalid batch or block of this channel took the rest of it along"

    # Batch queue and batch stage
    ORIGIN_BEHIND = "the batch is read from an L1 block not after the safe head's L1 origin, so it is older than the safe head"
    EPOCH_UNKNOWN = "no L1 block is there to check the batch against"
    FUTURE = "the batch's timestamp is later than the next block's"
    PAST = "the batch's timestamp is earlier than the next block's"
    NO_NEW_BLOCKS = "the span batch has no block after the safe head"
    PARENT_MISMATCH = "the batch's parent is not the safe head"
    SEQUENCE_WINDOW_EXPIRED = "the batch was included after its sequencing window"
    EPOCH_TOO_OLD = "the batch's L1 origin is older than its parent's"
    EPOCH_TOO_NEW = "the batch's L1 origin skips an L1 block"
    EPOCH_HASH_MISMATCH = "the batch's L1 origin is of another L1 chain"
    BEFORE_ORIGIN = "the block's timestamp is earlier than its L1 origin's"
    DRIFT_WITH_TRANSACTIONS = "the block has transactions beyond the maximal sequencer drift"
    DRIFT_WITHOUT_ADVANCE = "beyond the maximal sequencer drift the batch keeps an L1 origin although the next one could be adopted"
    TRANSACTIONS_IN_ACTIVATION_BLOCK = "the activation block of this fork has no batch transactions"
    EMPTY_TRANSACTION = "a transaction of the batch is empty"
    DEPOSIT_TRANSACTION = "a transaction of the batch is a deposit"
    POST_EXEC_TRANSACTION = "a transaction of the batch is of the reserved type 0x7d"
    SET_CODE_BEFORE_ISTHMUS = "set-code transactions are not accepted before Isthmus"
    SPAN_ORIGIN_BEFORE_DELTA = "the span batch's first L1 origin is before Delta"
    MISALIGNED = "the span batch overlaps the safe chain at timestamps that no block of it has"
    OVERLAP_TRANSACTIONS = "a block of the span batch that is safe already has other transactions there"
    OVERLAP_ORIGIN = "a block of the span batch that is safe already has another L1 origin there"
    UNDECIDED = "what the batch must be checked against is not there yet, and it is not kept"
    SPAN_ABANDONED = "the rest of the span batch does not follow the block before it"
    FORK_SWITCH = "Holocene's stages start without what was buffered before it"

    # Execution
    BLOCK_INVALID = "the engine refused the block"

    @property
    def is_repetition(self) -> bool:
        """Whether the batch is only about blocks that are safe already, as after a reset, when L1 is read again."""
        return self in (DropReason.ORIGIN_BEHIND, DropReason.PAST, DropReason.NO_NEW_BLOCKS)
