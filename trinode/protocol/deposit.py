"""Deposit transactions, type 0x7e, and the L1 logs that user deposits come from (OP Stack specification: deposits)."""

from __future__ import annotations

from dataclasses import dataclass

from trinode.protocol.errors import DecodingError
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Log
from trinode.protocol.rlp_codec import (
    RlpDecodingError,
    decode_list,
    encode_bytes,
    encode_int,
    encode_list,
    to_bytes,
    to_fixed_bytes,
    to_int,
    to_optional_address,
)
from trinode.protocol.types import Address, Hash32

DEPOSIT_TRANSACTION_TYPE = 0x7E
_TYPE_BYTE = b"\x7e"

TRANSACTION_DEPOSITED_TOPIC: Hash32 = keccak256(b"TransactionDeposited(address,address,uint256,bytes)")

_USER_DEPOSIT_DOMAIN = bytes(32)
_L1_INFO_DOMAIN = (1).to_bytes(32, "big")
_UPGRADE_DOMAIN = (2).to_bytes(32, "big")

_VERSION_0 = bytes(32)
_OPAQUE_FIXED_SIZE = 32 + 32 + 8 + 1  # mint, value, gas limit, is-creation


class DepositDecodingError(DecodingError):
    """Not a deposit transaction, or not a log that makes one."""


@dataclass(frozen=True, slots=True)
class DepositTransaction:
    """A transaction that L1 forces onto L2; unsigned, `sender` is stated. `to` None creates a contract. `mint` and
    `value` in wei.
    """

    source_hash: Hash32
    sender: Address
    to: Address | None
    mint: int
    value: int
    gas_limit: int
    is_system_transaction: bool
    data: bytes


def user_deposit_source_hash(l1_block_hash: Hash32, log_index: int) -> Hash32:
    """Source hash of the deposit that the log makes; `log_index` counts through the L1 block."""
    return keccak256(_USER_DEPOSIT_DOMAIN + keccak256(l1_block_hash + log_index.to_bytes(32, "big")))


def l1_info_source_hash(l1_block_hash: Hash32, sequence_number: int) -> Hash32:
    """Source hash of an L2 block's first transaction; `sequence_number` counts the L2 blocks of the L1 origin."""
    return keccak256(_L1_INFO_DOMAIN + keccak256(l1_block_hash + sequence_number.to_bytes(32, "big")))


def upgrade_source_hash(intent: str) -> Hash32:
    """Source hash of a network upgrade's transaction, which `intent` names."""
    return keccak256(_UPGRADE_DOMAIN + keccak256(intent.encode()))


def encode_deposit(deposit: DepositTransaction) -> bytes:
    """`0x7e || rlp([source_hash, sender, to, mint, value, gas_limit, is_system_transaction, data])`."""
    return _TYPE_BYTE + encode_list((
        encode_bytes(deposit.source_hash),
        encode_bytes(deposit.sender),
        encode_bytes(deposit.to or b""),
        encode_int(deposit.mint),
        encode_int(deposit.value),
        encode_int(deposit.gas_limit),
        b"\x01" if deposit.is_system_transaction else b"\x80",
        encode_bytes(deposit.data),
    ))


def decode_deposit(raw: bytes) -> DepositTransaction:
    """The inverse of `encode_deposit`. Raises DepositDecodingError."""
    if raw[:1] != _TYPE_BYTE:
        raise DepositDecodingError("not a deposit transaction: the type byte is not 0x7e")
    try:
        fields = decode_list(raw[1:])
        if len(fields) != 8:
            raise DepositDecodingError(f"{len(fields)} fields in a deposit transaction")
        is_system_transaction = fields[6]
        if is_system_transaction not in (b"", b"\x01"):
            raise DepositDecodingError("is_system_transaction is no boolean")
        return DepositTransaction(
            source_hash=to_fixed_bytes(fields[0], 32),
            sender=to_fixed_bytes(fields[1], 20),
            to=to_optional_address(fields[2]),
            mint=to_int(fields[3], 32),
            value=to_int(fields[4], 32),
            gas_limit=to_int(fields[5], 8),
            is_system_transaction=is_system_transaction == b"\x01",
            data=to_bytes(fields[7]),
        )
    except RlpDecodingError as error:
        raise DepositDecodingError(str(error)) from error


def decode_deposit_log(log: Log, l1_block_hash: Hash32, log_index: int) -> DepositTransaction:
    """The deposit that a `TransactionDeposited` log of the deposit contract makes; `log_index` counts through the L1
    block.

    Raises DepositDecodingError. The caller has checked the log's address and that its transaction succeeded.
    """
    if len(log.topics) != 4:
        raise DepositDecodingError(f"{len(log.topics)} topics where a deposit log has 4")
    event, sender, to, version = log.topics
    if event != TRANSACTION_DEPOSITED_TOPIC:
        raise DepositDecodingError(f"topic {event.hex()} is not TransactionDeposited")
    if version != _VERSION_0:
        raise DepositDecodingError(f"unknown deposit version {version.hex()}")
    opaque = _opaque_data(log.data)
    if len(opaque) < _OPAQUE_FIXED_SIZE:
        raise DepositDecodingError(f"{len(opaque)} bytes of opaque data, fewer than {_OPAQUE_FIXED_SIZE}")
    return DepositTransaction(
        source_hash=user_deposit_source_hash(l1_block_hash, log_index),
        sender=sender[12:],
        to=to[12:] if opaque[72] == 0 else None,
        mint=int.from_bytes(opaque[:32], "big"),
        value=int.from_bytes(opaque[32:64], "big"),
        gas_limit=int.from_bytes(opaque[64:72], "big"),
        is_system_transaction=False,
        data=opaque[_OPAQUE_FIXED_SIZE:],
    )


def _opaque_data(data: bytes) -> bytes:
    """The only `bytes` argument of ABI-encoded event data, with its padding as short as it can be (the padding's
    content is free).
    """
    if len(data) < 64 or len(data) % 32:
        raise DepositDecodingError(f"{len(data)} bytes of log data")
    offset = int.from_bytes(data[:32], "big")
    length = int.from_bytes(data[32:64], "big")
    room = len(data) - 64
    if offset != 32:
        raise DepositDecodingError(f"opaque data at offset {offset}, not 32")
    if not room - 32 < length <= room:
        raise DepositDecodingError(f"opaque data of length {length} in {room} bytes")
    return data[64 : 64 + length]
