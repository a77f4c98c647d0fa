"""Who signed a transaction or an authorization.

Straight on the secp256k1 library: `protocol.transaction.recover_sender` gives the same answers by way of eth-keys' objects
in twice the time. The library lets go of the interpreter while it works, so that several threads can recover at once.

A transaction's sender is asked for when it comes to the pool, when it is executed, and each time that it is shown: those of the last
transactions are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from coincurve import PublicKey

from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import encode_bytes, encode_int, encode_list
from trinode.protocol.transaction import Authorization, SignatureError, Transaction, signing_hash
from trinode.protocol.types import Address, Hash32

SenderRecovery: TypeAlias = Callable[[Sequence[Transaction]], Iterable[Address | SignatureError]]
"""Gives the sender of each transaction, or why it has none, in order."""

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_AUTHORIZATION_MAGIC = b"\x05"
_KEPT = 16_384
"""Signers: about 8 MB."""


@lru_cache(_KEPT)
def recover_signer(signed: Hash32, y_parity: int, r: int, s: int) -> Address:
    """Who signed that hash. Raises SignatureError."""
    if y_parity not in (0, 1):
        raise SignatureError(f"{y_parity} is no parity of y")
    if s > _HALF_ORDER:
        raise SignatureError("s is in the upper half of the curve's order")
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + (b"\x01" if y_parity else b"\x00")
    try:
        key = PublicKey.from_signature_and_message(signature, signed, hasher=None)
    except ValueError as error:
        raise SignatureError(f"no public key fits the signature: {error}") from error
    return keccak256(key.format(compressed=False)[1:])[12:]


def recover_sender(transaction: Transaction) -> Address | SignatureError:
    """The sender (20 bytes); the error is given, not raised, so that it can come back from another thread in order."""
    if isinstance(transaction, DepositTransaction):
        return transaction.sender
    try:
        return recover_signer(signing_hash(transaction), transaction.y_parity, transaction.r, transaction.s)
    except SignatureError as error:
        return error


def recover_in_order(transactions: Sequence[Transaction]) -> Iterator[Address | SignatureError]:
    """One after the other, each when it is asked for."""
    return map(recover_sender, transactions)


def recover_authority(authorization: Authorization) -> Address:
    """The account that signed the authorization (EIP-7702). Raises SignatureError."""
    chain_id, address, nonce, y_parity, r, s = authorization
    message = encode_list((encode_int(chain_id), encode_bytes(address), encode_int(nonce)))
    return recover_signer(keccak256(_AUTHORIZATION_MAGIC + message), y_parity, r, s)
