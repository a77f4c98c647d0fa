"""Accounts and storage under py-evm's `State`: what the block has written, over the state before it.

Stands where py-evm expects an `AccountDatabaseAPI`, without the part of it that is about tries. Everything that a
transaction does is undone by an undo log, from checkpoint to checkpoint (yellow paper, section 6; EIP-161, EIP-1153,
EIP-2200, EIP-2929, EIP-6780, EIP-7610).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from trinode.execution.state import EMPTY_ACCOUNT, EMPTY_CODE_HASH, Account, StateChanges, StateReader
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32


class JournaledAccounts:
    """The accounts of one block in the making. Balances in wei, slots and values are uint256.

    Every method that reads raises MissingState where the state underneath does not know the answer.
    """

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        self._accounts: dict[Address, Account | None] = {}
        self._storage: dict[Address, dict[int, int]] = {}
        self._wiped: set[Address] = set()
        self._codes: dict[Hash32, bytes] = {EMPTY_CODE_HASH: b""}
        # Of the transaction:
        self._originals: dict[tuple[Address, int], int] = {}
        self._touched: set[Address] = set()
        self._warm: set[Address | tuple[Address, int]] = set()
        self._transient: dict[tuple[Address, int], bytes] = {}
        self._undo: list[Callable[[], object]] = []
        self._checkpoints: dict[int, int] = {}
        self._next_checkpoint = 0

    # Accounts

    def _account(self, address: Address) -> Account | None:
        if address not in self._accounts:
            self._accounts[address] = self._reader.account(address)
        return self._accounts[address]

    def _put(self, address: Address, account: Account) -> None:
        before = self._account(address)
        self.touch_account(address)
        if account != before:
            self._undo.append(lambda: self._accounts.__setitem__(address, before))
            self._accounts[address] = account

    def touch_account(self, address: Address) -> None:
        """Makes the account one that is deleted at the end of the transaction if it is empty then (EIP-161)."""
        if address not in self._touched:
            self._touched.add(address)
            self._undo.append(lambda: self._touched.discard(address))

    def account_exists(self, address: Address) -> bool:
        return self._account(address) is not None

    def account_is_empty(self, address: Address) -> bool:
        return self._account(address) in (None, EMPTY_ACCOUNT)

    def account_has_code_or_nonce(self, address: Address) -> bool:
        """Whether no contract can be created there: there is code, a nonce (EIP-684) or storage (EIP-7610)."""
        account = self._account(address)
        if account is None:
            return False
        return account.nonce != 0 or account.code_hash != EMPTY_CODE_HASH or self._has_storage(address)

    def get_balance(self, address: Address) -> int:
        return (self._account(address) or EMPTY_ACCOUNT).balance

    def set_balance(self, address: Address, balance: int) -> None:
        if not 0 <= balance < 2**256:
            raise ValueError(f"a balance of {balance} wei")
        self._put(address, (self._account(address) or EMPTY_ACCOUNT)._replace(balance=balance))

    def get_nonce(self, address: Address) -> int:
        return (self._account(address) or EMPTY_ACCOUNT).nonce

    def set_nonce(self, address: Address, nonce: int) -> None:
        self._put(address, (self._account(address) or EMPTY_ACCOUNT)._replace(nonce=nonce))

    def increment_nonce(self, address: Address) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code_hash(self, address: Address) -> Hash32:
        return (self._account(address) or EMPTY_ACCOUNT).code_hash

    def get_code(self, address: Address) -> bytes:
        code_hash = self.get_code_hash(address)
        return self._codes[code_hash] if code_hash in self._codes else self._reader.code(code_hash)

    def set_code(self, address: Address, code: bytes) -> None:
        code_hash = keccak256(code)
        self._codes[code_hash] = code
        self._put(address, (self._account(address) or EMPTY_ACCOUNT)._replace(code_hash=code_hash))

    # Storage

    def _has_storage(self, address: Address) -> bool:
        if any(self._storage.get(address, {}).values()):
            return True
        # Without code and nonce nobody can have cleared what was there before, so that what the reader says holds.
        return address not in self._wiped and self._reader.has_storage(address)

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        """The value now, or (`from_journal` False) as it was before the transaction."""
        if not from_journal and (address, slot) in self._originals:
            return self._originals[address, slot]
        slots = self._storage.setdefault(address, {})
        if slot not in slots:
            slots[slot] = 0 if address in self._wiped else self._reader.storage(address, slot)
        return slots[slot]

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        before = self.get_storage(address, slot)
        self._originals.setdefault((address, slot), before)
        slots = self._storage[address]
        self._undo.append(lambda: slots.__setitem__(slot, before))
        slots[slot] = value

    def delete_storage(self, address: Address) -> None:
        """py-evm's CREATE2 has the new contract's storage cleared: it has none (`account_has_code_or_nonce`)."""

    def get_transient_storage(self, address: Address, slot: int) -> bytes:
        """EIP-1153; the value without leading zeros, or with."""
        return self._transient.get((address, slot), b"")

    def set_transient_storage(self, address: Address, slot: int, value: bytes) -> None:
        before = self.get_transient_storage(address, slot)
        self._undo.append(lambda: self._transient.__setitem__((address, slot), before))
        self._transient[address, slot] = value

    # Warm accounts and slots (EIP-2929)

    def is_address_warm(self, address: Address) -> bool:
        return address in self._warm

    def mark_address_warm(self, address: Address) -> None:
        self._mark_warm(address)

    def is_storage_warm(self, address: Address, slot: int) -> bool:
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: Address, slot: int) -> None:
        self._mark_warm((address, slot))

    def _mark_warm(self, key: Address | tuple[Address, int]) -> None:
        if key not in self._warm:
            self._warm.add(key)
            self._undo.append(lambda: self._warm.discard(key))

    # Checkpoints

    def record(self) -> int:
        self._next_checkpoint += 1
        self._checkpoints[self._next_checkpoint] = len(self._undo)
        return self._next_checkpoint

    def discard(self, checkpoint: int) -> None:
        """Undoes all since the checkpoint."""
        length = self._checkpoints.pop(checkpoint)
        while len(self._undo) > length:
            self._undo.pop()()

    def commit(self, checkpoint: int) -> None:
        del self._checkpoints[checkpoint]

    # The ends of a transaction and of the block

    def end_transaction(self, destroyed: Iterable[Address] = ()) -> None:
        """Deletes accounts that self-destructed, and touched ones that are empty; what has happened is final then."""
        empty = [address for address in self._touched if self._account(address) == EMPTY_ACCOUNT]
        for address in (*destroyed, *empty):
            self._accounts[address] = None
            self._storage[address] = {}
            self._wiped.add(address)
        self._originals.clear()
        self._touched.clear()
        self._warm.clear()
        self._transient.clear()
        self._undo.clear()
        self._checkpoints.clear()

    def changes(self) -> StateChanges:
        """What differs from the state before the block."""
        changes = StateChanges()
        before = {address: self._reader.account(address) for address in self._accounts}
        for address, account in self._accounts.items():
            if account == before[address]:
                continue
            changes.accounts[address] = account
            code_hash = EMPTY_CODE_HASH if account is None else account.code_hash
            if code_hash not in (EMPTY_CODE_HASH, (before[address] or EMPTY_ACCOUNT).code_hash):
                changes.codes[code_hash] = self._codes[code_hash]
        changes.wiped = {address for address in self._wiped if before[address] and self._reader.has_storage(address)}
        for address, slots in self._storage.items():
            changed = {slot: value for slot, value in slots.items() if value != self._before(changes, address, slot)}
            if changed:
                changes.storage[address] = changed
        return changes

    def _before(self, changes: StateChanges, address: Address, slot: int) -> int:
        return 0 if address in changes.wiped else self._reader.storage(address, slot)
