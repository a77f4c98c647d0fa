"""Granite: a shorter, constant channel timeout (specification: granite, derivation)."""

from __future__ import annotations

from dataclasses import replace

from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    return replace(rules, channel_timeout=50)
