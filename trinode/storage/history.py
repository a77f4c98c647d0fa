"""What each block replaced: older states are read from it, and blocks are taken back by it.

For each key in the state that a block changes, the value before stands under that key and the block's number, so that
the first such value after block N is what the key had in the state of N, found in one seek. If there is none, the key
still has in the head what it had then. A list of the changed keys by block leads to all of them, to take a block back
or to forget that it can be.
"""

from __future__ import annotations

from trinode.execution.errors import MissingState
from trinode.execution.state import StateChanges
from trinode.execution.trie.nodes import TrieNodes
from trinode.execution.trie.state_tries import account_key
from trinode.protocol.types import Address, Hash32
from trinode.storage.database import Batch, View
from trinode.storage.errors import CorruptStore
from trinode.storage.tables import (
    ACCOUNT_KEY_SIZE,
    ACCOUNTS,
    CHANGED_KEYS,
    CODES,
    REPLACED,
    SLOTS,
    STORAGE_NODES,
    decode_account,
    decode_changed_keys,
    encode_account,
    encode_changed_keys,
    encode_slot,
    node_key,
    number_bytes,
    slot_key,
)


def emptied(changes: StateChanges) -> set[Address]:
    """The accounts that lose the storage that they had before the changes."""
    return changes.wiped | {address for address, account in changes.accounts.items() if account is None}


def flat_values(view: View, changes: StateChanges) -> dict[bytes, bytes]:
    """The changes as values by key, empty for what is not there afterwards. Reads the slots that are wiped from `view`."""
    values = {}
    for address in emptied(changes):
        for key, _ in view.entries(SLOTS + address):
            values[key] = b""
    for address, slots in changes.storage.items():
        for slot, value in slots.items():
            values[slot_key(address, slot)] = encode_slot(value)
    for address, account in changes.accounts.items():
        values[ACCOUNTS + address] = b"" if account is None else encode_account(account)
    return values


def put_state(batch: Batch, view: View, changes: StateChanges, nodes: TrieNodes, values: dict[bytes, bytes] | None = None) -> None:
    """Makes the state after `changes` the head's, flat and as trie nodes. `values`: the changes by key, if they are at hand."""
    for key, value in (flat_values(view, changes) if values is None else values).items():
        if value:
            batch.put(key, value)
        else:
            batch.delete(key)
    for code_hash, code in changes.codes.items():
        batch.put(CODES + code_hash, code)
    for address in emptied(changes):
        for key, _ in view.entries(STORAGE_NODES + account_key(address)):
            batch.delete(key)
    for (owner, path), rlp in nodes.items():
        if rlp is None:
            batch.delete(node_key(owner, path))
        else:
            batch.put(node_key(owner, path), rlp)


def put_replaced(batch: Batch, view: View, number: int, block_hash: Hash32, values: dict[bytes, bytes]) -> None:
    """Notes what block `number` replaces by `values`; `view` shows the state before it."""
    suffix = number_bytes(number)
    accounts: list[bytes] = []
    slots: list[bytes] = []
    for key, value in values.items():
        before = view.get(key) or b""
        if before != value:
            batch.put(REPLACED + key + suffix, before)
            (accounts if len(key) == ACCOUNT_KEY_SIZE else slots).append(key)
    batch.put(CHANGED_KEYS + suffix, encode_changed_keys(block_hash, accounts, slots))


def changed_keys(view: View, number: int) -> list[bytes]:
    """The keys that block `number` changed. Raises CorruptStore if that is not known."""
    value = view.get(CHANGED_KEYS + number_bytes(number))
    if value is None:
        raise CorruptStore(f"the list of what block {number} changed is missing. Restore the folder, or remove it and import a snapshot.")
    return decode_changed_keys(value)


def forget(batch: Batch, view: View, number: int) -> None:
    """Removes what block `number` replaced: it cannot be taken back any more, or has been."""
    suffix = number_bytes(number)
    for key in changed_keys(view, number):
        batch.delete(REPLACED + key + suffix)
    batch.delete(CHANGED_KEYS + suffix)


def values_before(view: View, first: int, last: int, most: int) -> dict[bytes, bytes]:
    """What blocks `first` to `last` changed, with the values before `first`; empty where there was nothing.

    Raises MissingState if these are more than `most` keys, CorruptStore.
    """
    values: dict[bytes, bytes] = {}
    for number in range(first, last + 1):
        suffix = number_bytes(number)
        for key in changed_keys(view, number):
            if key not in values:
                value = view.get(REPLACED + key + suffix)
                if value is None:
                    raise CorruptStore(f"what block {number} replaced is missing. Restore the folder, or remove it and import a snapshot.")
                values[key] = value
        if len(values) > most:
            raise MissingState(f"more than {most} accounts and slots changed since block {first - 1}: its tries cannot be made")
    return values


def changed_addresses(view: View, first: int, last: int, most: int) -> set[Address]:
    """The accounts that blocks `first` to `last` touched, themselves or in their storage.

    Raises MissingState if more than `most` accounts and slots are to be gone through, CorruptStore.
    """
    found: set[Address] = set()
    keys = 0
    for number in range(first, last + 1):
        changed = changed_keys(view, number)
        keys += len(changed)
        if keys > most:
            raise MissingState(f"more than {most} accounts and slots changed since block {first - 1}: they are not gone through")
        found.update([key[1:ACCOUNT_KEY_SIZE] for key in changed])
    return found


def as_changes(values: dict[bytes, bytes]) -> StateChanges:
    """Values by key as changes of a state, without codes; slots of accounts that are gone are left out."""
    changes = StateChanges()
    for key, value in values.items():
        if len(key) == ACCOUNT_KEY_SIZE:
            changes.accounts[key[1:]] = decode_account(value) if value else None
    gone = emptied(changes)
    for key, value in values.items():
        if len(key) != ACCOUNT_KEY_SIZE and (address := key[1:ACCOUNT_KEY_SIZE]) not in gone:
            changes.storage.setdefault(address, {})[int.from_bytes(key[ACCOUNT_KEY_SIZE:], "big")] = int.from_bytes(value, "big")
    return changes
