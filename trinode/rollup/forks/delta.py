"""Delta: span batches (specification: delta)."""

from __future__ import annotations

from dataclasses import replace

from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    return replace(rules, span_batches=True)
