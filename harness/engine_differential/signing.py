"""Signed authorizations to run an account's code as one's own (EIP-7702)."""

from __future__ import annotations

from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.datatypes import PrivateKey

from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import encode_bytes, encode_int, encode_list
from trinode.protocol.transaction import Authorization
from trinode.protocol.types import Address

_MAGIC = b"\x05"


def sign_authorization(chain_id: int, address: Address, nonce: int, key: bytes) -> Authorization:
    """The authorization of the account with the private key `key` (32 bytes)."""
    message = keccak256(_MAGIC + encode_list((encode_int(chain_id), encode_bytes(address), encode_int(nonce))))
    signature = PrivateKey(key, backend=CoinCurveECCBackend()).sign_msg_hash(message)
    return Authorization(chain_id, address, nonce, signature.v, signature.r, signature.s)
