"""Conditions of transactions: whoever sent one wants it in a block only while the chain is so (ERC-7796; op-geth checks when it makes a block)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trinode.execution.state import StateReader
from trinode.execution.trie.state_tries import StateTries

MOST_COST_OF_A_BLOCK = 5_000
"""What the conditions of all transactions may have looked up for one block (op-geth's limit for a second): some 50 ms."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """A block that begins: its number and time, and the state that it begins with, in both its forms."""

    number: int
    timestamp: int
    state: StateReader
    tries: StateTries


class Condition(Protocol):
    """What must be so. Called on the engine's thread."""

    @property
    def cost(self) -> int:
        """How much it looks up."""

    def problem(self, number: int, timestamp: int, state: StateReader, tries: StateTries) -> str | None:
        """What is not so in a block of that number and time on that state; None: it holds. Raises what reading the state raises."""
