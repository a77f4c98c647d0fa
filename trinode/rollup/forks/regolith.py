"""Regolith: the L1 attributes deposit becomes an ordinary one that pays for its gas (specification: regolith)."""

from __future__ import annotations

from dataclasses import replace

from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    return replace(rules, l1_info_is_system_transaction=False, l1_info_gas=1_000_000)
