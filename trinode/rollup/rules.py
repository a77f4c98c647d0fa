"""What the forks change for derivation, as plain values.

`trinode.rollup.forks` folds the deltas of the forks into one `Rules` per fork. A rule says what it is, not since when:
that a caller asks with the right clock (L1 inclusion, L1 origin or L2 time) is what `RollupConfig.rules` has keywords
for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.l1_info import L1InfoFormat
from trinode.rollup.fork import Fork


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one fork. The defaults are Bedrock's."""

    fork: Fork = Fork.BEDROCK

    reads_any_ready_channel: bool = False
    """The channel bank gives out the first channel that is ready, not only the first channel (by L1 inclusion time)."""
    span_batches: bool = False
    """Batches of type 1 are accepted (by L1 inclusion time, and again by the time of the batch's first origin)."""
    blob_data: bool = False
    """Batcher data is read from blobs too, and calldata of blob transactions is not data (by L1 inclusion time)."""
    brotli: bool = False
    """Channels may be compressed with brotli (by L1 inclusion time)."""
    max_rlp_bytes_per_channel: int = 10_000_000
    """Bytes of inflated channel that are read (by L1 inclusion time)."""
    max_channel_bank_size: int = 100_000_000
    """Bytes of channels, overhead included, that the channel bank keeps (by L1 inclusion time)."""
    sequencer_drift: int | None = None
    """Seconds that L2 may be ahead of its L1 origin; None: what the rollup config says (by L1 origin time)."""
    channel_timeout: int | None = None
    """L1 blocks that a channel stays open; None: what the rollup config says (by L1 inclusion time)."""
    strict_ordering: bool = False
    """Holocene's stages: frames, channels and batches in order, invalid blocks replaced (by L1 inclusion time)."""

    l1_info_format: L1InfoFormat = L1InfoFormat.BEDROCK
    """The L1 attributes of all its blocks but the activation block, which keeps the format before (by L2 time)."""
    l1_info_is_system_transaction: bool = True
    l1_info_gas: int = 150_000_000
    withdrawals: bool = False
    """Payload attributes carry an (empty) list of withdrawals (by L2 time)."""
    parent_beacon_block_root: bool = False
    """Payload attributes carry the L1 origin's parent beacon block root (by L2 time)."""
    eip1559_params: bool = False
    """Payload attributes carry the EIP-1559 parameters and extraData keeps them (by L2 time)."""
    set_code_transactions: bool = False
    """Batches may hold transactions of type 4 (by L2 time)."""
    operator_fee: bool = False
    """The L1 attributes carry the operator fee (by L2 time)."""
    min_base_fee: bool = False
    """Payload attributes carry the minimum base fee and extraData keeps it (by L2 time)."""
    empty_activation_block: bool = False
    """A batch for the fork's activation block must be empty (by L2 time)."""

    upgrade_deposits: tuple[DepositTransaction, ...] = ()
    """What the fork's activation block executes after the user deposits."""
    upgrade_transactions: tuple[bytes, ...] = field(default=(), repr=False)
    """The same, encoded."""
    upgrade_gas: int = 0
    """What the fork's activation block adds to the system config's gas limit."""
