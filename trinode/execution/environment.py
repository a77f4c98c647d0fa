"""What the EVM knows of the block that it is in."""

from __future__ import annotations

from dataclasses import dataclass

from trinode.execution.rules import ExecutionRules
from trinode.protocol.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class BlockEnvironment:
    """The header fields of a block that are known before it is executed. Base fee in wei, gas in gas, timestamp in
    seconds. `parent_beacon_block_root` is None before Ecotone. `rules` are those of the block's timestamp.
    """

    rules: ExecutionRules
    chain_id: int
    number: int
    timestamp: int
    fee_recipient: Address
    gas_limit: int
    base_fee: int
    prev_randao: Hash32
    parent_hash: Hash32
    parent_beacon_block_root: Hash32 | None = None
    blob_base_fee: int = 1
    """What BLOBBASEFEE gives: 1 in every L2 block, which has no blobs (specification: exec-engine, ecotone)."""
