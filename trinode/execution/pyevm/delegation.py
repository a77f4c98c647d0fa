"""Accounts that run the code of others: authorizations of a transaction, and where a delegation points (EIP-7702)."""

from __future__ import annotations

from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_keys.main import KeyAPI
from eth_utils.exceptions import ValidationError

from trinode.execution.pyevm.account_db import JournaledAccounts
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import encode_bytes, encode_int, encode_list
from trinode.protocol.transaction import Authorization
from trinode.protocol.types import UINT64, Address

_PREFIX = bytes.fromhex("ef0100")
_MAGIC = b"\x05"
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_NOBODY: Address = bytes(20)
_REFUND = 25_000 - 12_500

_BACKEND = CoinCurveECCBackend()
_KEYS = KeyAPI(_BACKEND)


def delegate_of(code: bytes) -> Address | None:
    """The account whose code runs instead of `code`; None where `code` is code."""
    return code[len(_PREFIX) :] if len(code) == len(_PREFIX) + 20 and code.startswith(_PREFIX) else None


def apply_authorization(authorization: Authorization, chain_id: int, accounts: JournaledAccounts) -> int:
    """Lets the account that signed delegate to another. The gas to refund: some, where that account was there before.

    An authorization that does not hold is skipped, which costs what it costs.
    """
    if authorization.chain_id not in (0, chain_id) or authorization.nonce >= UINT64:
        return 0
    authority = _recover(authorization)
    if authority is None:
        return 0
    accounts.mark_address_warm(authority)
    code = accounts.get_code(authority)
    if code and delegate_of(code) is None:
        return 0
    if accounts.get_nonce(authority) != authorization.nonce:
        return 0
    refund = _REFUND if accounts.account_exists(authority) else 0
    accounts.set_code(authority, b"" if authorization.address == _NOBODY else _PREFIX + authorization.address)
    accounts.increment_nonce(authority)
    return refund


def _recover(authorization: Authorization) -> Address | None:
    """The account that signed; None if none can have."""
    if authorization.y_parity > 1 or authorization.s > _HALF_ORDER:
        return None
    signed = encode_list((
        encode_int(authorization.chain_id),
        encode_bytes(authorization.address),
        encode_int(authorization.nonce),
    ))
    try:
        signature = Signature(vrs=(authorization.y_parity, authorization.r, authorization.s), backend=_BACKEND)
        key = _KEYS.ecdsa_recover(keccak256(_MAGIC + signed), signature)
    except (BadSignature, ValidationError):
        return None
    return keccak256(key.to_bytes())[12:]
