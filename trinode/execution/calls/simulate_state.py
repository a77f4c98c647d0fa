"""The state between simulated blocks: what a block changed lies over the state before it, and overrides are written into the block that they are for
(execution-apis, "eth_simulateV1"; what that leaves open as op-geth has it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trinode.execution.calls.context import AccountOverride, StateOverrides
from trinode.execution.evm.journal import Journal
from trinode.execution.state import EMPTY_ACCOUNT, Account, StateChanges, StateReader
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class SimulatedState:
    """The state after a simulated block (a `StateReader`): `changes` over the state `below`. `tries` is the same state; `hashes` those of the blocks
    since the base block, by number.
    """

    below: StateReader
    changes: StateChanges
    tries: StateTries
    hashes: Mapping[int, Hash32]

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        accounts = self.changes.accounts
        return accounts[address] if address in accounts else self.below.account(address)

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot."""
        value = self.changes.storage.get(address, {}).get(slot)
        if value is not None:
            return value
        if address in self.changes.wiped or (address in self.changes.accounts and self.changes.accounts[address] is None):
            return 0
        return self.below.storage(address, slot)

    def has_storage(self, address: Address) -> bool:
        """Whether any slot is not 0."""
        return self.tries.storage_root(address) != EMPTY_TRIE_ROOT

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash."""
        code = self.changes.codes.get(code_hash)
        return self.below.code(code_hash) if code is None else code

    def block_hash(self, number: int) -> Hash32:
        """The hash of a simulated block, of the base block, or of one before it."""
        found = self.hashes.get(number)
        return self.below.block_hash(number) if found is None else found


def override(journal: Journal, overrides: StateOverrides) -> None:
    """Writes overrides into a block that has not begun. An account of which anything is set is there from now on, even if it is empty."""
    for address, wanted in overrides.items():
        account = journal.account(address)
        if _sets_anything(wanted) and journal.accounts[address] is None:
            journal.set_account(address, EMPTY_ACCOUNT)
        if wanted.code is not None:
            journal.set_code(address, wanted.code)
        nonce, balance, code_hash = journal.account(address)
        changed = Account(
            nonce if wanted.nonce is None else wanted.nonce,
            balance if wanted.balance is None else wanted.balance,
            code_hash,
        )
        if changed != account:
            journal.set_account(address, changed)
        if wanted.state is not None:
            journal.note_creation(address)  # of a contract there, which would begin without storage
        for slot, value in (wanted.state or wanted.state_diff or {}).items():
            slots = journal.slots(address)
            journal.load(slots, slot)
            journal.store(slots, slot, value)
    journal.begin_transaction()


def _sets_anything(wanted: AccountOverride) -> bool:
    fields = (wanted.balance, wanted.nonce, wanted.code, wanted.state)
    return bool(wanted.state_diff) or any(each is not None for each in fields)


def changes_with_empty_accounts(journal: Journal, overridden: StateOverrides) -> StateChanges:
    """What a block changed. Accounts that overrides made, and that no transaction has touched, stay though they are empty."""
    changes = journal.changes()
    for address, wanted in overridden.items():
        if _sets_anything(wanted) and journal.accounts.get(address) == EMPTY_ACCOUNT:
            changes.accounts[address] = EMPTY_ACCOUNT
            if wanted.state is not None:
                changes.wiped.add(address)
            if written := {slot: value for slot, value in journal.slots(address).values.items() if value}:
                changes.storage[address] = written
    return changes
