"""The state of a block in the making: what was read, what is new, and how to undo it.

Everything that a call may have to take back is noted in one undo log; a snapshot is the log's length. What holds for one transaction only
(warm sets, original values, transient storage: EIP-2929, EIP-2200, EIP-1153) is dropped when it ends.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from trinode.execution.state import EMPTY_ACCOUNT, EMPTY_CODE_HASH, Account, StateChanges, StateReader
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Log
from trinode.protocol.types import Address, Hash32

_ABSENT: Any = object()


class Snapshot(NamedTuple):
    """A point that `revert` can go back to."""

    undo_length: int
    log_count: int
    refund: int


class Slots:
    """The storage of one account: `values` as they are now, `base` as they were before the block, `original` as they were before the transaction
    (only those that it has written), `warm` those that it has accessed. `is_wiped`: the account was made or destroyed in this block, so that the
    reader's values are none of its.
    """

    __slots__ = ("address", "base", "is_wiped", "original", "values", "warm")

    def __init__(self, address: Address, *, is_wiped: bool = False) -> None:
        self.address = address
        self.values: dict[int, int] = {}
        self.base: dict[int, int] = {}
        self.original: dict[int, int] = {}
        self.warm: set[int] = set()
        self.is_wiped = is_wiped


class Journal:
    """Accounts, storage, logs and refunds on top of a StateReader, with an undo log."""

    __slots__ = (
        "_active",
        "_base",
        "_codes",
        "_new_codes",
        "_reader",
        "_slots",
        "accounts",
        "created",
        "destroyed",
        "logs",
        "refund",
        "transient",
        "undo",
        "undone_logs",
        "warm_addresses",
    )

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        self.accounts: dict[Address, Account | None] = {}
        self._base: dict[Address, Account | None] = {}
        self._slots: dict[Address, Slots] = {}
        self._active: list[Slots] = []
        self._codes: dict[Hash32, bytes] = {EMPTY_CODE_HASH: b""}
        self._new_codes: dict[Hash32, bytes] = {}
        self.undo: list[tuple[Any, ...]] = []
        self.logs: list[Log] = []
        self.undone_logs = 0
        self.refund = 0
        self.warm_addresses: set[Address] = set()
        self.transient: dict[tuple[Address, int], int] = {}
        self.created: set[Address] = set()
        self.destroyed: set[Address] = set()

    # -- accounts

    def account(self, address: Address) -> Account:
        """The account as it is now; the empty one where there is none."""
        try:
            return self.accounts[address] or EMPTY_ACCOUNT
        except KeyError:
            account = self._reader.account(address)
            self._base[address] = self.accounts[address] = account
            return account or EMPTY_ACCOUNT

    def set_account(self, address: Address, account: Account | None) -> None:
        """Replaces the account; it has been read before."""
        self.undo.append((self.accounts, address, self.accounts[address]))
        self.accounts[address] = account

    def add_balance(self, address: Address, amount: int) -> None:
        """Adds `amount` wei (or takes it, if negative; the caller has checked that it is there). An empty account that is
        touched is gone (EIP-161).
        """
        nonce, balance, code_hash = account = self.account(address)
        if amount:
            self.set_account(address, Account(nonce, balance + amount, code_hash))
        elif account == EMPTY_ACCOUNT and self.accounts[address] is not None:
            self.set_account(address, None)

    def increment_nonce(self, address: Address) -> None:
        nonce, balance, code_hash = self.account(address)
        self.set_account(address, Account(nonce + 1, balance, code_hash))

    def set_code(self, address: Address, code: bytes) -> None:
        nonce, balance, _ = self.account(address)
        code_hash = keccak256(code) if code else EMPTY_CODE_HASH
        self._codes[code_hash] = code
        if code:
            self._new_codes[code_hash] = code
        self.set_account(address, Account(nonce, balance, code_hash))

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash."""
        code = self._codes.get(code_hash)
        if code is None:
            code = self._codes[code_hash] = self._reader.code(code_hash)
        return code

    def code_of(self, address: Address) -> bytes:
        """The code at `address`."""
        return self.code(self.account(address).code_hash)

    def is_taken(self, address: Address) -> bool:
        """Whether no contract can be created there (EIP-684, EIP-7610)."""
        nonce, _, code_hash = self.account(address)
        if nonce or code_hash != EMPTY_CODE_HASH:
            return True
        slots = self._slots.get(address)
        if slots is not None and any(slots.values.values()):
            return True
        return (slots is None or not slots.is_wiped) and self._reader.has_storage(address)

    # -- storage

    def slots(self, address: Address) -> Slots:
        """The account's storage, to read and write it by `load` and `store`."""
        slots = self._slots.get(address)
        if slots is None:
            slots = self._slots[address] = Slots(address)
        self._active.append(slots)
        return slots

    def load(self, slots: Slots, slot: int) -> int:
        """The value now. Gas is for the caller."""
        value = slots.values.get(slot)
        if value is None:
            value = 0 if slots.is_wiped else self._reader.storage(slots.address, slot)
            slots.values[slot] = slots.base[slot] = value
        return value

    def store(self, slots: Slots, slot: int, value: int) -> None:
        """Sets a value that has been loaded before."""
        values = slots.values
        old = values[slot]
        if slot not in slots.original:
            slots.original[slot] = old
        self.undo.append((values, slot, old))
        values[slot] = value

    def warm_slot(self, slots: Slots, slot: int) -> None:
        self.undo.append((slots.warm, slot))
        slots.warm.add(slot)

    def warm_address(self, address: Address) -> None:
        self.undo.append((self.warm_addresses, address))
        self.warm_addresses.add(address)

    def store_transient(self, address: Address, slot: int, value: int) -> None:
        key = (address, slot)
        self.undo.append((self.transient, key, self.transient.get(key, _ABSENT)))
        self.transient[key] = value

    # -- creation and destruction

    def note_creation(self, address: Address) -> None:
        """`address` becomes a contract in this transaction: it has no storage yet."""
        self.created.add(address)
        self.undo.append((self.created, address))
        old = self._slots.get(address)
        self.undo.append((self._slots, address, _ABSENT if old is None else old))
        fresh = self._slots[address] = Slots(address, is_wiped=True)
        if old is not None:
            # What is warm belongs to the transaction (its access list), not to the account.
            fresh.warm = old.warm

    def note_destruction(self, address: Address) -> None:
        """`address` is gone when the transaction ends."""
        if address not in self.destroyed:
            self.undo.append((self.destroyed, address))
            self.destroyed.add(address)

    # -- undoing

    def snapshot(self) -> Snapshot:
        return Snapshot(len(self.undo), len(self.logs), self.refund)

    def revert(self, snapshot: Snapshot) -> None:
        """Takes back all that was done since `snapshot`."""
        undo, (length, log_count, self.refund) = self.undo, snapshot
        while len(undo) > length:
            entry = undo.pop()
            if len(entry) == 2:
                entry[0].discard(entry[1])
            elif entry[2] is _ABSENT:
                entry[0].pop(entry[1], None)
            else:
                entry[0][entry[1]] = entry[2]
        self.undone_logs += len(self.logs) - log_count
        del self.logs[log_count:]

    def begin_transaction(self) -> None:
        """Forgets what held for the transaction before."""
        for slots in self._active:
            slots.warm.clear()
            slots.original.clear()
        self._active.clear()
        self.undo.clear()
        self.logs = []
        self.refund = 0
        self.warm_addresses = set()
        self.transient.clear()
        self.created.clear()
        self.destroyed.clear()

    def end_transaction(self) -> None:
        """Removes the accounts that destroyed themselves."""
        for address in self.destroyed:
            self.account(address)
            self.accounts[address] = None
            self._slots[address] = Slots(address, is_wiped=True)

    # -- the end of the block

    def changes(self) -> StateChanges:
        """What differs from the state before the block."""
        changes = StateChanges()
        for address, account in self.accounts.items():
            base = self._base[address]
            if account == EMPTY_ACCOUNT and base != EMPTY_ACCOUNT:
                account = None
            if account != base:
                changes.accounts[address] = account
                if account is not None and (base is None or account.code_hash != base.code_hash) and account.code_hash in self._new_codes:
                    changes.codes[account.code_hash] = self._new_codes[account.code_hash]
        for address, slots in self._slots.items():
            self._storage_changes(address, slots, changes)
        return changes

    def _storage_changes(self, address: Address, slots: Slots, changes: StateChanges) -> None:
        if self.accounts.get(address, _ABSENT) in (None, EMPTY_ACCOUNT):
            return
        if slots.is_wiped:
            # Only of interest if there was an account with storage before.
            if self._base.get(address) is not None and self._reader.has_storage(address):
                changes.wiped.add(address)
            written = {slot: value for slot, value in slots.values.items() if value}
        else:
            base = slots.base
            written = {slot: value for slot, value in slots.values.items() if base[slot] != value}
        if written:
            changes.storage[address] = written
