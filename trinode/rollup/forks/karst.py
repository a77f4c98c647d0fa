"""Karst: thirty-one upgrade deposits, with gas of their own in the activation block (specification:
l2-upgrades-1-execution).

The gas would stay in the gas limit of all later blocks, because these take it from their parent. It is taken off again
when the system config is read from the activation block, except on the chains that had passed Karst before
(`RollupConfig.keep_karst_upgrade_gas`).
"""

from __future__ import annotations

from trinode.rollup.fork import Fork
from trinode.rollup.forks.bundle import with_upgrade_deposits
from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    return with_upgrade_deposits(rules, Fork.KARST, adds_gas=True)
