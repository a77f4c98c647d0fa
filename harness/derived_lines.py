"""Derived attributes as JSON lines, with the names, order and values of the reference program's output (op-node-derive)."""

from __future__ import annotations

import json
from typing import Any

from trinode.derive.events import DerivedAttributes
from trinode.protocol.types import BlockId
from trinode.rollup.json_fields import to_hex
from trinode.rollup.l2_block import L2Block


def derived_line(derived: DerivedAttributes, block: L2Block | None) -> str:
    """One line for a set of attributes and the block made of it; None where the engine refused it."""
    attributes = derived.attributes
    fields: dict[str, Any] = {
        "number": derived.number,
        "timestamp": attributes.timestamp,
        "prev_randao": _hex(attributes.prev_randao),
        "fee_recipient": _hex(attributes.suggested_fee_recipient),
        "gas_limit": attributes.gas_limit,
        "parent_beacon_block_root": _hex(attributes.parent_beacon_block_root),
        "eip1559_params": _hex(attributes.eip1559_params),
        "min_base_fee": attributes.min_base_fee,
        "no_tx_pool": attributes.no_tx_pool,
        "transactions": [_hex(raw) for raw in attributes.transactions],
        "l1_origin": _id(derived.l1_origin),
        "sequence_number": derived.sequence_number,
        "derived_from": _id(derived.derived_from),
        "parent_hash": _hex(derived.parent.hash),
        "withdrawals": None if attributes.withdrawals is None else [],
    }
    if derived.deposits_only:
        fields["deposits_only"] = True
    fields["concluding"] = derived.concluding
    fields["hash"] = None if block is None else _hex(block.ref.hash)
    return json.dumps(fields, separators=(",", ":"))


def _hex(value: bytes | None) -> str | None:
    return None if value is None else to_hex(value)


def _id(block: BlockId) -> dict[str, Any]:
    return {"number": block.number, "hash": _hex(block.hash)}
