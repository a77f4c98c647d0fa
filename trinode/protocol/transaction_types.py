"""The signed transaction types as values; `transaction` encodes, decodes, signs and recovers them.

Fees and values are in wei, gas in gas. `to` None creates a contract. The signature defaults to none, for a transaction
yet to be signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeAlias

from trinode.protocol.types import Address, Hash32


class AccessListEntry(NamedTuple):
    """An account and some of its storage that are warm from the start (EIP-2930)."""

    address: Address
    storage_keys: tuple[Hash32, ...]


class Authorization(NamedTuple):
    """An account's signed leave to run the code at `address` as its own (EIP-7702); `chain_id` 0 is any chain."""

    chain_id: int
    address: Address
    nonce: int
    y_parity: int
    r: int
    s: int


def legacy_v(chain_id: int | None, y_parity: int = 0) -> int:
    """The `v` of a legacy signature: EIP-155 for a chain, 27 or 28 where it holds on all chains."""
    return y_parity + (27 if chain_id is None else 35 + 2 * chain_id)


@dataclass(frozen=True, slots=True)
class LegacyTransaction:
    """Type 0, without a type byte. `v` holds the parity of y and the chain id, if any."""

    nonce: int
    gas_price: int
    gas_limit: int
    to: Address | None
    value: int
    data: bytes
    v: int = 27
    r: int = 0
    s: int = 0

    @property
    def chain_id(self) -> int | None:
        """The chain that the signature is for; None where it holds on all (before EIP-155)."""
        return (self.v - 35) // 2 if self.v >= 35 else None

    @property
    def y_parity(self) -> int:
        """What `v` says of y: 0 or 1; any other number if `v` is no valid one."""
        return (self.v - 35) % 2 if self.v >= 35 else self.v - 27


@dataclass(frozen=True, slots=True)
class AccessListTransaction:
    """Type 1 (EIP-2930)."""

    TYPE_BYTE: ClassVar[bytes] = b"\x01"

    chain_id: int
    nonce: int
    gas_price: int
    gas_limit: int
    to: Address | None
    value: int
    data: bytes
    access_list: tuple[AccessListEntry, ...] = ()
    y_parity: int = 0
    r: int = 0
    s: int = 0


@dataclass(frozen=True, slots=True)
class DynamicFeeTransaction:
    """Type 2 (EIP-1559)."""

    TYPE_BYTE: ClassVar[bytes] = b"\x02"

    chain_id: int
    nonce: int
    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    gas_limit: int
    to: Address | None
    value: int
    data: bytes
    access_list: tuple[AccessListEntry, ...] = ()
    y_parity: int = 0
    r: int = 0
    s: int = 0


@dataclass(frozen=True, slots=True)
class BlobTransaction:
    """Type 3 (EIP-4844), without its blobs."""

    TYPE_BYTE: ClassVar[bytes] = b"\x03"

    chain_id: int
    nonce: int
    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    gas_limit: int
    to: Address
    value: int
    data: bytes
    access_list: tuple[AccessListEntry, ...]
    max_fee_per_blob_gas: int
    blob_versioned_hashes: tuple[Hash32, ...]
    y_parity: int = 0
    r: int = 0
    s: int = 0


@dataclass(frozen=True, slots=True)
class SetCodeTransaction:
    """Type 4 (EIP-7702)."""

    TYPE_BYTE: ClassVar[bytes] = b"\x04"

    chain_id: int
    nonce: int
    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    gas_limit: int
    to: Address
    value: int
    data: bytes
    access_list: tuple[AccessListEntry, ...]
    authorization_list: tuple[Authorization, ...]
    y_parity: int = 0
    r: int = 0
    s: int = 0


SignedTransaction: TypeAlias = (
    LegacyTransaction | AccessListTransaction | DynamicFeeTransaction | BlobTransaction | SetCodeTransaction
)
