"""Canyon: withdrawals in the attributes, channels in the order in which they become ready (specification: canyon)."""

from __future__ import annotations

from dataclasses import replace

from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    return replace(rules, reads_any_ready_channel=True, withdrawals=True)
