"""Jovian: the minimum base fee, the DA footprint, an activation block without batch transactions, five upgrade
deposits.

Specification: jovian, derivation and L1 attributes.
"""

from __future__ import annotations

from dataclasses import replace

from trinode.protocol.l1_info import L1InfoFormat
from trinode.rollup.fork import Fork
from trinode.rollup.forks.bundle import with_upgrade_deposits
from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    rules = replace(rules, l1_info_format=L1InfoFormat.JOVIAN, min_base_fee=True, empty_activation_block=True)
    return with_upgrade_deposits(rules, Fork.JOVIAN)
