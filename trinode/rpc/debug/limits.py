"""What one `debug_` request that does not trace may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DebugLimits:
    """Bounds of requests.

    `seconds`: of one that executes or reads much, `threads`: how many of those at a time. `accounts` and `slots`: of one page. `page_slots`: of all
    accounts of a page with their storage. `searched`: accounts or slots that are gone through to find out what a hashed key is the hash of.
    `modified`: accounts and slots that may have changed between two blocks that are compared. `kept_nodes`: bytes of trie nodes of witnesses that
    can be asked for by their hashes afterwards.
    """

    seconds: float = 30.0
    threads: int = 2
    accounts: int = 256
    slots: int = 1024
    page_slots: int = 100_000
    searched: int = 1_000_000
    modified: int = 200_000
    kept_nodes: int = 16_000_000
