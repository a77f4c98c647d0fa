"""What stands under which key. Numbers are big-endian, so that keys are in order of numbers.

The first byte of a key is its table. No key of a table is the beginning of another one of it, but for trie nodes.

    a address                  account
    s address slot             value of a storage slot that is not 0
    c code hash                code; shared by all states and never removed
    n path                     node of the account trie, N owner path: of a storage trie; the head's only
    o (key in a or s) number   what stood under that key before the block with that number changed it; empty: nothing
    d number                   block hash, and the keys in a and s that the block changed
    h, b, r block hash         header, raw transactions, receipts
    k number                   hash of the canonical block
    t transaction hash         canonical block number and index
    x number block hash        a block that was taken back; it goes when that height is pruned
    m name                     what the store says about itself
"""

from __future__ import annotations

from struct import Struct

from trinode.execution.state import EMPTY_CODE_HASH, Account
from trinode.execution.trie.nodes import Owner, Path
from trinode.protocol.types import Address, Hash32

ACCOUNTS = b"a"
SLOTS = b"s"
CODES = b"c"
STORAGE_NODES = b"N"
ACCOUNT_NODES = b"n"
REPLACED = b"o"
CHANGED_KEYS = b"d"
HEADERS = b"h"
BODIES = b"b"
RECEIPTS = b"r"
CANONICAL = b"k"
TRANSACTIONS = b"t"
TAKEN_BACK = b"x"

ACCOUNT_KEY_SIZE = 1 + 20
SLOT_KEY_SIZE = 1 + 20 + 32
NUMBER_SIZE = 8

_HAS_CODE = 0x40
_BALANCE_SIZE = 0x3F
_PLACE = Struct(">QI")


def number_bytes(number: int) -> bytes:
    """A block number as it stands in keys."""
    return number.to_bytes(NUMBER_SIZE, "big")


def slot_key(address: Address, slot: int) -> bytes:
    """The key of a storage slot."""
    return SLOTS + address + slot.to_bytes(32, "big")


def node_key(owner: Owner, path: Path) -> bytes:
    """The key of a trie node."""
    return STORAGE_NODES + owner + path.encode() if owner else ACCOUNT_NODES + path.encode()


def encode_account(account: Account) -> bytes:
    """Flags with the balance's size, balance, code hash unless there is no code, nonce: all without leading zeros."""
    nonce, balance, code_hash = account
    size = (balance.bit_length() + 7) >> 3
    tail = nonce.to_bytes((nonce.bit_length() + 7) >> 3, "big")
    if code_hash == EMPTY_CODE_HASH:
        return bytes((size,)) + balance.to_bytes(size, "big") + tail
    return bytes((_HAS_CODE | size,)) + balance.to_bytes(size, "big") + code_hash + tail


def decode_account(value: bytes) -> Account:
    """The inverse of `encode_account`."""
    flags = value[0]
    end = 1 + (flags & _BALANCE_SIZE)
    balance = int.from_bytes(value[1:end], "big")
    if flags & _HAS_CODE:
        return Account(int.from_bytes(value[end + 32 :], "big"), balance, value[end : end + 32])
    return Account(int.from_bytes(value[end:], "big"), balance, EMPTY_CODE_HASH)


def encode_slot(value: int) -> bytes:
    """A slot's value without leading zeros; empty for 0, which is not stored."""
    return value.to_bytes((value.bit_length() + 7) >> 3, "big")


def encode_place(number: int, index: int) -> bytes:
    """Where a transaction stands: block number and index."""
    return _PLACE.pack(number, index)


def decode_place(value: bytes) -> tuple[int, int]:
    """The inverse of `encode_place`."""
    number, index = _PLACE.unpack(value)
    return number, index


def encode_changed_keys(block_hash: Hash32, accounts: list[bytes], slots: list[bytes]) -> bytes:
    """The block's hash, how many accounts, the keys of accounts and then those of slots."""
    return b"".join((block_hash, len(accounts).to_bytes(4, "big"), *accounts, *slots))


def decode_changed_keys(value: bytes) -> list[bytes]:
    """The keys in a value that `encode_changed_keys` made."""
    first_slot = 36 + ACCOUNT_KEY_SIZE * int.from_bytes(value[32:36], "big")
    accounts = [value[start : start + ACCOUNT_KEY_SIZE] for start in range(36, first_slot, ACCOUNT_KEY_SIZE)]
    return accounts + [value[start : start + SLOT_KEY_SIZE] for start in range(first_slot, len(value), SLOT_KEY_SIZE)]
