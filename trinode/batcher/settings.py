"""What an operator chooses of the batcher; the names are op-batcher's where it has the option."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

GWEI = 10**9
MOST_BLOBS_PER_TRANSACTION = 6
"""What an L1 transaction may carry at most since Osaka (EIP-7594), and before it in a block of Cancun."""


class DataAvailability(Enum):
    """Where batcher data goes. AUTO: each channel where it costs less at the fees of the moment."""

    BLOBS = "blobs"
    CALLDATA = "calldata"
    AUTO = "auto"


class BatchType(Enum):
    """The batches of a channel, where the chain takes them: one for each block, or one for all."""

    SINGULAR = 0
    SPAN = 1


class Compression(Enum):
    """AUTO: brotli as soon as the chain takes it (Fjord), zlib before."""

    AUTO = "auto"
    ZLIB = "zlib"


@dataclass(frozen=True, slots=True)
class BatcherSettings:
    """Durations in seconds, fees in wei per gas, sizes in bytes. Raises ValueError for values that make no batcher.

    `max_channel_duration`: L1 blocks after which a channel is closed; 0 leaves it open until it is full or about to be too late.
    `max_channel_age`: the same in seconds, for an L1 whose blocks are far apart. `target_num_frames`: blobs, or transactions with
    calldata, that a channel should fill. `sub_safety_margin`: L1 blocks that a channel is closed before it would be too late.
    `max_pending_transactions`: sent and not yet in a block; 0 for no limit. `num_confirmations`: L1 blocks until a transaction is
    watched no more. `fee_limit_multiplier`: a replacement costs at most so many times what a new transaction would, where that is
    more than `fee_limit_threshold`. `max_tip`: None for no limit. `settle_timeout`: how long transactions of an earlier run are
    waited for. `compression_level`: None for the best. `blob_proofs_only`: blobs go with one proof each also after L1's Osaka, for an L1 that
    takes them so; cell proofs need a library that takes seconds to load.
    """

    data_availability: DataAvailability = DataAvailability.BLOBS
    batch_type: BatchType = BatchType.SPAN
    compression: Compression = Compression.AUTO
    compression_level: int | None = 9
    max_channel_duration: int = 1
    max_channel_age: float | None = None
    target_num_frames: int = 6
    max_blobs_per_transaction: int = MOST_BLOBS_PER_TRANSACTION
    max_l1_tx_size: int = 120_000
    sub_safety_margin: int = 10
    poll_interval: float = 1.0
    max_pending_transactions: int = 4
    resubmission_timeout: float = 48.0
    num_confirmations: int = 10
    settle_timeout: float = 600.0
    min_tip: int = GWEI
    max_tip: int | None = None
    min_blob_fee: int = GWEI
    fee_limit_multiplier: int = 5
    fee_limit_threshold: int = 100 * GWEI
    blob_proofs_only: bool = False

    def __post_init__(self) -> None:
        wrong = (
            ("max_channel_duration", self.max_channel_duration < 0),
            ("target_num_frames", self.target_num_frames < 1),
            ("max_blobs_per_transaction", not 1 <= self.max_blobs_per_transaction <= MOST_BLOBS_PER_TRANSACTION),
            ("max_l1_tx_size", not 100 <= self.max_l1_tx_size <= 128_000),
            ("poll_interval", self.poll_interval <= 0),
            ("max_pending_transactions", self.max_pending_transactions < 0),
            ("resubmission_timeout", self.resubmission_timeout <= 0),
            ("num_confirmations", self.num_confirmations < 1),
            ("min_tip", self.max_tip is not None and self.min_tip > self.max_tip),
            ("fee_limit_multiplier", self.fee_limit_multiplier < 2),
        )
        for name, is_wrong in wrong:
            if is_wrong:
                raise ValueError(f"the batcher's {name} cannot be {getattr(self, name)}")
