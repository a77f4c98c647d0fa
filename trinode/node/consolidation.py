"""Whether a block that the engine has already is the one that was derived (specification: derivation, "L1-consolidation: payload
attributes matching").
"""

from __future__ import annotations

from trinode.execution.forks import execution_rules_of
from trinode.execution.header_fields import extra_data_of
from trinode.protocol.block import KnownBlock
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig


def mismatch(config: RollupConfig, attributes: PayloadAttributes, parent: Hash32, block: KnownBlock) -> str | None:
    """The first thing in which `block` is not what `attributes` make on the block `parent`; None: it is.

    Raises UnknownFork.
    """
    header = block.header
    rules = execution_rules_of(config.fork_at(l2_timestamp=attributes.timestamp))
    for name, found, derived in (
        ("parent hash", header.parent_hash, parent),
        ("timestamp", header.timestamp, attributes.timestamp),
        ("prev randao", header.prev_randao, attributes.prev_randao),
        ("transactions", block.transactions, attributes.transactions),
        ("gas limit", header.gas_limit, attributes.gas_limit),
        ("parent beacon block root", header.parent_beacon_block_root, attributes.parent_beacon_block_root),
        ("fee recipient", header.beneficiary, attributes.suggested_fee_recipient),
    ):
        if found != derived:
            return name
    if rules.eip1559_params and header.extra_data != extra_data_of(config, rules, attributes):
        return "extra data"
    return None
