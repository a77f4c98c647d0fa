"""Ecotone: data in blobs, the L1 attributes packed, six upgrade deposits.

Specification: ecotone, derivation and L1 attributes.
"""

from __future__ import annotations

from dataclasses import replace

from trinode.protocol.l1_info import L1InfoFormat
from trinode.rollup.fork import Fork
from trinode.rollup.forks.bundle import with_upgrade_deposits
from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    rules = replace(rules, blob_data=True, l1_info_format=L1InfoFormat.ECOTONE, parent_beacon_block_root=True)
    return with_upgrade_deposits(rules, Fork.ECOTONE)
