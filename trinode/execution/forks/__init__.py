"""The forks, one module each, deltas only: `apply` makes a fork's rules of execution from those of the fork before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from trinode.execution.errors import UnknownFork
from trinode.execution.forks import (
    bedrock,
    canyon,
    delta,
    ecotone,
    fjord,
    granite,
    holocene,
    isthmus,
    jovian,
    karst,
    regolith,
)
from trinode.execution.rules import ExecutionRules
from trinode.rollup.fork import Fork

_APPLY: dict[Fork, Callable[[ExecutionRules], ExecutionRules]] = {
    Fork.BEDROCK: bedrock.apply,
    Fork.REGOLITH: regolith.apply,
    Fork.CANYON: canyon.apply,
    Fork.DELTA: delta.apply,
    Fork.ECOTONE: ecotone.apply,
    Fork.FJORD: fjord.apply,
    Fork.GRANITE: granite.apply,
    Fork.HOLOCENE: holocene.apply,
    Fork.ISTHMUS: isthmus.apply,
    Fork.JOVIAN: jovian.apply,
    Fork.KARST: karst.apply,
}


@cache
def execution_rules_of(fork: Fork) -> ExecutionRules:
    """The rules of `fork`: those of all forks up to it. Raises UnknownFork for one that is known by name only."""
    if fork not in _APPLY:
        raise UnknownFork(f"the rules of execution of {fork.label} are not known to this version")
    before = ExecutionRules() if fork is Fork.BEDROCK else execution_rules_of(Fork(fork - 1))
    return _APPLY[fork](replace(before, fork=fork))
