"""The state after blocks that are not in the store: what they changed, on top of a state that is."""

from __future__ import annotations

from collections.abc import Sequence

from trinode.execution.block import ExecutedBlock
from trinode.execution.errors import MissingState
from trinode.execution.state import BLOCK_HASHES, Account, StateReader
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, Hash32


class OverlayState:
    """The state after `blocks`, of which the first was executed on `base` and each other on the one before (a `StateReader`).

    `tries`: the tries of the same state, which know better than a list of changes whether an account has any storage left.
    """

    def __init__(self, base: StateReader, blocks: Sequence[ExecutedBlock], tries: StateTries) -> None:
        self._base = base
        self._changes = [block.changes for block in reversed(blocks)]  # what counts is what came last
        self._codes = {code_hash: code for block in blocks for code_hash, code in block.changes.codes.items()}
        self._hashes = {block.header.number: block.hash for block in blocks}
        self._number = blocks[-1].header.number
        self._tries = tries

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        for changes in self._changes:
            if address in changes.accounts:
                return changes.accounts[address]
        return self._base.account(address)

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot; 0: there is none."""
        for changes in self._changes:
            slots = changes.storage.get(address)
            if slots is not None and slot in slots:
                return slots[slot]
            if address in changes.wiped or (address in changes.accounts and changes.accounts[address] is None):
                return 0
        return self._base.storage(address, slot)

    def has_storage(self, address: Address) -> bool:
        """Whether any slot of the account is not 0."""
        return self._tries.storage_root(address) != EMPTY_TRIE_ROOT

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash. Raises MissingState."""
        code = self._codes.get(code_hash)
        return self._base.code(code_hash) if code is None else code

    def block_hash(self, number: int) -> Hash32:
        """The hash of an ancestor, at most 256 before the block of this state. Raises MissingState."""
        if not self._number - BLOCK_HASHES <= number <= self._number:
            raise MissingState(f"the hash of block {number} is not known in the state of block {self._number}")
        found = self._hashes.get(number)
        return self._base.block_hash(number) if found is None else found
