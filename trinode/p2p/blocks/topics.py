"""The topics of blocks: one for each layout of the payload (specification: rollup-node-p2p, "Gossip Topics").

    version 1  /optimism/<chain id>/0/blocks  until Canyon
    version 2  /optimism/<chain id>/1/blocks  Canyon, Delta
    version 3  /optimism/<chain id>/2/blocks  Ecotone to Holocene
    version 4  /optimism/<chain id>/3/blocks  since Isthmus
"""

from __future__ import annotations

from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork

VERSIONS = (1, 2, 3, 4)
"""Layouts of the payload (`protocol.payload`)."""


def block_topic(chain_id: int, version: int) -> str:
    """The topic of a chain's blocks in that layout."""
    return f"/optimism/{chain_id}/{version - 1}/blocks"


def block_version(rollup: RollupConfig, *, l2_timestamp: int) -> int:
    """The layout in which a block of that time is sent."""
    fork = rollup.fork_at(l2_timestamp=l2_timestamp)
    return 1 + sum(fork >= first for first in (Fork.CANYON, Fork.ECOTONE, Fork.ISTHMUS))
