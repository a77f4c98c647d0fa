"""The output root, which commits to an L2 block for withdrawals (OP Stack specification: proposals, "L2 Output
Commitment Construction").
"""

from __future__ import annotations

from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Hash32

_VERSION_0 = bytes(32)


def output_root(state_root: Hash32, message_passer_storage_root: Hash32, block_hash: Hash32) -> Hash32:
    """Output root, version 0. The middle one is the storage root of the L2ToL1MessagePasser predeploy."""
    return keccak256(_VERSION_0 + state_root + message_passer_storage_root + block_hash)
