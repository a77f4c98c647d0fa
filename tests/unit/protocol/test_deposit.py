"""Deposit transactions, their source hashes, and the logs that make them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trinode.protocol import rlp_codec
from trinode.protocol.deposit import (
    TRANSACTION_DEPOSITED_TOPIC,
    DepositDecodingError,
    DepositTransaction,
    decode_deposit,
    decode_deposit_log,
    encode_deposit,
    l1_info_source_hash,
    upgrade_source_hash,
    user_deposit_source_hash,
)
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Log
from trinode.protocol.rlp_codec import Item

L1_HASH = b"\xaa" * 32
SENDER = b"\x11" * 20
TO = b"\x22" * 20
DEPOSIT = DepositTransaction(user_deposit_source_hash(L1_HASH, 3), SENDER, TO, 10**18, 5, 100_000, False, b"calldata")


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def opaque(deposit: DepositTransaction) -> bytes:
    creation = b"\x01" if deposit.to is None else b"\x00"
    return word(deposit.mint) + word(deposit.value) + deposit.gas_limit.to_bytes(8, "big") + creation + deposit.data


def event_data(content: bytes, padding: bytes | None = None) -> bytes:
    return word(32) + word(len(content)) + content + (bytes(-len(content) % 32) if padding is None else padding)


def topics(deposit: DepositTransaction) -> tuple[bytes, ...]:
    return TRANSACTION_DEPOSITED_TOPIC, bytes(12) + deposit.sender, bytes(12) + (deposit.to or bytes(20)), bytes(32)


LOG = Log(b"\x99" * 20, topics(DEPOSIT), event_data(opaque(DEPOSIT)))


def test_source_hashes_follow_the_specification() -> None:
    assert user_deposit_source_hash(L1_HASH, 7) == keccak256(word(0) + keccak256(L1_HASH + word(7)))
    assert l1_info_source_hash(L1_HASH, 7) == keccak256(word(1) + keccak256(L1_HASH + word(7)))
    intent = "Ecotone: L1 Block Deployment"
    assert upgrade_source_hash(intent) == keccak256(word(2) + keccak256(intent.encode()))
    assert upgrade_source_hash(intent).hex() == "877a6077205782ea15a6dc8699fa5ebcec5e0f4389f09cb8eda09488231346f8"


def test_topic() -> None:
    assert TRANSACTION_DEPOSITED_TOPIC.hex() == "b3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32"


@pytest.mark.parametrize(
    "deposit",
    [
        DEPOSIT,
        replace(DEPOSIT, to=None, mint=0, data=b""),
        replace(DEPOSIT, is_system_transaction=True, value=2**256 - 1),
    ],
)
def test_round_trip(deposit: DepositTransaction) -> None:
    raw = encode_deposit(deposit)
    assert raw[0] == 0x7E
    assert decode_deposit(raw) == deposit


@pytest.mark.parametrize(
    "raw", [b"", b"\x7e", b"\x7e\xc0", b"\x02\xc0", b"\x7e\x80", encode_deposit(DEPOSIT) + b"\x00"]
)
def test_not_a_deposit(raw: bytes) -> None:
    with pytest.raises(DepositDecodingError):
        decode_deposit(raw)


@pytest.mark.parametrize(
    ("index", "value", "why"),
    [
        (0, bytes(31), "32 bytes"),
        (1, b"", "20 bytes"),
        (2, bytes(19), "20 bytes"),
        (2, [], "20 bytes"),
        (3, b"\x00", "leading zeros"),
        (4, b"\x01" * 33, "at most 32"),
        (5, b"\x01" * 9, "at most 8"),
        (6, b"\x00", "no boolean"),
        (6, b"\x02", "no boolean"),
        (6, [], "no boolean"),
        (7, [], "a string is expected"),
    ],
)
def test_wrong_fields(index: int, value: Item, why: str) -> None:
    fields = rlp_codec.decode_list(encode_deposit(DEPOSIT)[1:])
    fields[index] = value
    with pytest.raises(DepositDecodingError, match=why):
        decode_deposit(b"\x7e" + rlp_codec.encode(fields))


@pytest.mark.parametrize("size", [0, 1, 22, 23, 24, 55, 56])
def test_log(size: int) -> None:
    deposit = replace(DEPOSIT, data=b"\x5a" * size)
    log = Log(LOG.address, topics(deposit), event_data(opaque(deposit)))
    assert decode_deposit_log(log, L1_HASH, 3) == deposit


def test_log_of_a_contract_creation() -> None:
    deposit = replace(DEPOSIT, to=None)
    assert decode_deposit_log(Log(LOG.address, topics(deposit), event_data(opaque(deposit))), L1_HASH, 3) == deposit


def test_any_nonzero_byte_is_a_creation_as_in_op_node() -> None:
    content = bytearray(opaque(DEPOSIT))
    content[72] = 2
    assert decode_deposit_log(LOG._replace(data=event_data(bytes(content))), L1_HASH, 3).to is None


def test_upper_bytes_of_addresses_and_padding_are_free_as_in_op_node() -> None:
    event, _, _, version = LOG.topics
    dirty = event, b"\xff" * 12 + SENDER, b"\xff" * 12 + TO, version
    content = opaque(DEPOSIT)
    data = event_data(content, padding=b"\xff" * (-len(content) % 32))
    assert decode_deposit_log(Log(LOG.address, dirty, data), L1_HASH, 3) == DEPOSIT


CONTENT = opaque(DEPOSIT)


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (LOG._replace(topics=LOG.topics[:3]), "3 topics"),
        (LOG._replace(topics=()), "0 topics"),
        (LOG._replace(topics=(b"\x01" * 32, *LOG.topics[1:])), "not TransactionDeposited"),
        (LOG._replace(topics=(*LOG.topics[:3], word(1))), "unknown deposit version"),
        (LOG._replace(data=b""), "0 bytes of log data"),
        (LOG._replace(data=word(32)), "32 bytes of log data"),
        (LOG._replace(data=LOG.data + b"\x00"), "bytes of log data"),
        (LOG._replace(data=word(64) + LOG.data[32:]), "at offset 64"),
        (LOG._replace(data=word(2**64 + 32) + LOG.data[32:]), "at offset"),
        (LOG._replace(data=LOG.data[:32] + word(2**256 - 1) + LOG.data[64:]), "of length"),
        (LOG._replace(data=LOG.data[:32] + word(len(LOG.data) - 63) + LOG.data[64:]), "of length"),
        (LOG._replace(data=LOG.data + bytes(32)), "of length"),
        (LOG._replace(data=event_data(CONTENT[:72])), "72 bytes of opaque data"),
        (LOG._replace(data=event_data(b"")), "0 bytes of opaque data"),
    ],
)
def test_malformed_logs(log: Log, why: str) -> None:
    with pytest.raises(DepositDecodingError, match=why):
        decode_deposit_log(log, L1_HASH, 3)
