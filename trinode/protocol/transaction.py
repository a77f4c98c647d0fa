"""Transactions of L1 and L2 in their canonical (EIP-2718) encoding: types 0 to 4 and deposits.

Legacy (yellow paper; replay protection: EIP-155), access list (EIP-2930), dynamic fee (EIP-1559), blob (EIP-4844, as it
stands in a block: without the blobs), set code (EIP-7702). Signatures are looked at only by `recover_sender`, as in
geth: a block may be decoded that could not be executed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_keys.main import KeyAPI
from eth_utils.exceptions import ValidationError

from trinode.protocol.deposit import (
    DEPOSIT_TRANSACTION_TYPE,
    DepositDecodingError,
    DepositTransaction,
    decode_deposit,
    encode_deposit,
)
from trinode.protocol.errors import DecodingError
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import (
    Item,
    RlpDecodingError,
    decode_list,
    encode_bytes,
    encode_int,
    encode_list,
    to_bytes,
    to_fixed_bytes,
    to_int,
    to_list,
    to_optional_address,
)
from trinode.protocol.transaction_types import (
    AccessListEntry,
    AccessListTransaction,
    Authorization,
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignedTransaction,
    legacy_v,
)
from trinode.protocol.types import Address, Hash32

__all__ = [
    "AccessListEntry",
    "AccessListTransaction",
    "Authorization",
    "BlobTransaction",
    "DynamicFeeTransaction",
    "LegacyTransaction",
    "SetCodeTransaction",
    "SignatureError",
    "SignedTransaction",
    "Transaction",
    "TransactionDecodingError",
    "decode_transaction",
    "encode_transaction",
    "legacy_v",
    "recover_sender",
    "sign_transaction",
    "signing_hash",
    "transaction_hash",
]

Transaction: TypeAlias = SignedTransaction | DepositTransaction

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_EMPTY_STRING = b"\x80"

# The backend is named, not looked for: a pure Python one would be 100 times slower without a word.
_BACKEND = CoinCurveECCBackend()
_KEYS = KeyAPI(_BACKEND)


class TransactionDecodingError(DecodingError):
    """Not a transaction in canonical encoding, or of an unknown type."""


class SignatureError(TransactionDecodingError):
    """The signature of a transaction is none: no account can have made it."""


def transaction_hash(raw: bytes) -> Hash32:
    """Hash of a transaction in canonical encoding."""
    return keccak256(raw)


def decode_transaction(raw: bytes) -> Transaction:
    """The transaction in `raw`. Raises TransactionDecodingError."""
    if not raw:
        raise TransactionDecodingError("an empty transaction")
    kind = raw[0]
    try:
        if kind >= 0xC0:
            return _decode_legacy(decode_list(raw))
        if kind == 2:
            return _decode_dynamic_fee(decode_list(raw[1:]))
        if kind == 1:
            return _decode_access_list_transaction(decode_list(raw[1:]))
        if kind == 3:
            return _decode_blob(decode_list(raw[1:]))
        if kind == 4:
            return _decode_set_code(decode_list(raw[1:]))
        if kind == DEPOSIT_TRANSACTION_TYPE:
            return decode_deposit(raw)
    except (RlpDecodingError, DepositDecodingError) as error:
        raise TransactionDecodingError(str(error)) from error
    raise TransactionDecodingError(f"unknown transaction type {kind}")


def _expect_fields(fields: list[Item], count: int, name: str) -> None:
    if len(fields) != count:
        raise TransactionDecodingError(f"{len(fields)} fields in a {name} transaction, not {count}")


def _decode_legacy(fields: list[Item]) -> LegacyTransaction:
    _expect_fields(fields, 9, "legacy")
    return LegacyTransaction(
        nonce=to_int(fields[0], 8),
        gas_price=to_int(fields[1], 32),
        gas_limit=to_int(fields[2], 8),
        to=to_optional_address(fields[3]),
        value=to_int(fields[4], 32),
        data=to_bytes(fields[5]),
        v=to_int(fields[6], 32),
        r=to_int(fields[7], 32),
        s=to_int(fields[8], 32),
    )


def _decode_access_list_transaction(fields: list[Item]) -> AccessListTransaction:
    _expect_fields(fields, 11, "access list")
    return AccessListTransaction(
        chain_id=to_int(fields[0], 32),
        nonce=to_int(fields[1], 8),
        gas_price=to_int(fields[2], 32),
        gas_limit=to_int(fields[3], 8),
        to=to_optional_address(fields[4]),
        value=to_int(fields[5], 32),
        data=to_bytes(fields[6]),
        access_list=_decode_access_list(fields[7]),
        y_parity=to_int(fields[8], 32),
        r=to_int(fields[9], 32),
        s=to_int(fields[10], 32),
    )


def _decode_dynamic_fee(fields: list[Item]) -> DynamicFeeTransaction:
    _expect_fields(fields, 12, "dynamic fee")
    return DynamicFeeTransaction(
        chain_id=to_int(fields[0], 32),
        nonce=to_int(fields[1], 8),
        max_priority_fee_per_gas=to_int(fields[2], 32),
        max_fee_per_gas=to_int(fields[3], 32),
        gas_limit=to_int(fields[4], 8),
        to=to_optional_address(fields[5]),
        value=to_int(fields[6], 32),
        data=to_bytes(fields[7]),
        access_list=_decode_access_list(fields[8]),
        y_parity=to_int(fields[9], 32),
        r=to_int(fields[10], 32),
        s=to_int(fields[11], 32),
    )


def _decode_blob(fields: list[Item]) -> BlobTransaction:
    _expect_fields(fields, 14, "blob")
    return BlobTransaction(
        chain_id=to_int(fields[0], 32),
        nonce=to_int(fields[1], 8),
        max_priority_fee_per_gas=to_int(fields[2], 32),
        max_fee_per_gas=to_int(fields[3], 32),
        gas_limit=to_int(fields[4], 8),
        to=to_fixed_bytes(fields[5], 20),
        value=to_int(fields[6], 32),
        data=to_bytes(fields[7]),
        access_list=_decode_access_list(fields[8]),
        max_fee_per_blob_gas=to_int(fields[9], 32),
        blob_versioned_hashes=tuple([to_fixed_bytes(blob_hash, 32) for blob_hash in to_list(fields[10])]),
        y_parity=to_int(fields[11], 32),
        r=to_int(fields[12], 32),
        s=to_int(fields[13], 32),
    )


def _decode_set_code(fields: list[Item]) -> SetCodeTransaction:
    _expect_fields(fields, 13, "set code")
    return SetCodeTransaction(
        chain_id=to_int(fields[0], 32),
        nonce=to_int(fields[1], 8),
        max_priority_fee_per_gas=to_int(fields[2], 32),
        max_fee_per_gas=to_int(fields[3], 32),
        gas_limit=to_int(fields[4], 8),
        to=to_fixed_bytes(fields[5], 20),
        value=to_int(fields[6], 32),
        data=to_bytes(fields[7]),
        access_list=_decode_access_list(fields[8]),
        authorization_list=tuple([_decode_authorization(item) for item in to_list(fields[9])]),
        y_parity=to_int(fields[10], 32),
        r=to_int(fields[11], 32),
        s=to_int(fields[12], 32),
    )


def _decode_access_list(item: Item) -> tuple[AccessListEntry, ...]:
    entries = []
    for entry in to_list(item):
        members = to_list(entry)
        if len(members) != 2:
            raise TransactionDecodingError(f"{len(members)} members in an access list entry, not 2")
        storage_keys = tuple([to_fixed_bytes(key, 32) for key in to_list(members[1])])
        entries.append(AccessListEntry(to_fixed_bytes(members[0], 20), storage_keys))
    return tuple(entries)


def _decode_authorization(item: Item) -> Authorization:
    members = to_list(item)
    if len(members) != 6:
        raise TransactionDecodingError(f"{len(members)} members in an authorization, not 6")
    return Authorization(
        chain_id=to_int(members[0], 32),
        address=to_fixed_bytes(members[1], 20),
        nonce=to_int(members[2], 8),
        y_parity=to_int(members[3], 1),
        r=to_int(members[4], 32),
        s=to_int(members[5], 32),
    )


def encode_transaction(tx: Transaction) -> bytes:
    """The inverse of `decode_transaction`."""
    if isinstance(tx, DepositTransaction):
        return encode_deposit(tx)
    fields = _unsigned_fields(tx)
    if isinstance(tx, LegacyTransaction):
        return encode_list([*fields, encode_int(tx.v), encode_int(tx.r), encode_int(tx.s)])
    return tx.TYPE_BYTE + encode_list([*fields, encode_int(tx.y_parity), encode_int(tx.r), encode_int(tx.s)])


def _unsigned_fields(tx: SignedTransaction) -> list[bytes]:
    """The RLP of each field before the signature."""
    call = [encode_int(tx.gas_limit), encode_bytes(tx.to or b""), encode_int(tx.value), encode_bytes(tx.data)]
    if isinstance(tx, LegacyTransaction):
        return [encode_int(tx.nonce), encode_int(tx.gas_price), *call]
    access_list = encode_list([
        encode_list((encode_bytes(entry.address), encode_list([encode_bytes(key) for key in entry.storage_keys])))
        for entry in tx.access_list
    ])
    head = [encode_int(tx.chain_id), encode_int(tx.nonce)]
    if isinstance(tx, AccessListTransaction):
        return [*head, encode_int(tx.gas_price), *call, access_list]
    fields = [*head, encode_int(tx.max_priority_fee_per_gas), encode_int(tx.max_fee_per_gas), *call, access_list]
    if isinstance(tx, BlobTransaction):
        blob_hashes = encode_list([encode_bytes(blob_hash) for blob_hash in tx.blob_versioned_hashes])
        fields += [encode_int(tx.max_fee_per_blob_gas), blob_hashes]
    elif isinstance(tx, SetCodeTransaction):
        fields.append(encode_list([_encode_authorization(authorization) for authorization in tx.authorization_list]))
    return fields


def _encode_authorization(authorization: Authorization) -> bytes:
    chain_id, address, nonce, y_parity, r, s = authorization
    integers = encode_int(nonce), encode_int(y_parity), encode_int(r), encode_int(s)
    return encode_list((encode_int(chain_id), encode_bytes(address), *integers))


def signing_hash(tx: SignedTransaction) -> Hash32:
    """What the sender signed."""
    fields = _unsigned_fields(tx)
    if not isinstance(tx, LegacyTransaction):
        return keccak256(tx.TYPE_BYTE + encode_list(fields))
    if tx.chain_id is not None:
        fields += [encode_int(tx.chain_id), _EMPTY_STRING, _EMPTY_STRING]
    return keccak256(encode_list(fields))


def recover_sender(tx: Transaction) -> Address:
    """The account (20 bytes) that made the transaction; takes about 0.1 ms.

    Raises SignatureError where no account can have: s in the upper half of the order (EIP-2) included. Whether a chain
    id is the right one is for the caller to check.
    """
    if isinstance(tx, DepositTransaction):
        return tx.sender
    y_parity = tx.y_parity
    if y_parity not in (0, 1):
        raise SignatureError(f"{y_parity} is no parity of y")
    if tx.s > _HALF_ORDER:
        raise SignatureError("s is in the upper half of the curve's order")
    try:
        signature = Signature(vrs=(y_parity, tx.r, tx.s), backend=_BACKEND)
        public_key = _KEYS.ecdsa_recover(signing_hash(tx), signature)
    except (BadSignature, ValidationError) as error:
        raise SignatureError(f"no public key fits the signature: {error}") from error
    return keccak256(public_key.to_bytes())[12:]


def sign_transaction(tx: SignedTransaction, private_key: bytes) -> SignedTransaction:
    """The transaction with the signature of `private_key` (32 bytes).

    A legacy transaction is signed for the chain that its `v` states before (`legacy_v`), or for all chains.
    """
    signature = _KEYS.ecdsa_sign(signing_hash(tx), PrivateKey(private_key, backend=_BACKEND))
    y_parity, r, s = signature.vrs
    if isinstance(tx, LegacyTransaction):
        return replace(tx, v=legacy_v(tx.chain_id, y_parity), r=r, s=s)
    return replace(tx, y_parity=y_parity, r=r, s=s)
