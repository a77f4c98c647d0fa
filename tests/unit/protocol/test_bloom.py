"""Blooms of logs."""

from __future__ import annotations

from trinode.protocol.bloom import BLOOM_SIZE, bloom_may_contain, logs_bloom
from trinode.protocol.receipt import Log

ADDRESS = bytes.fromhex("0000000000000000000000000000000000001011")
TOPICS = (b"\x11" * 32, b"\x22" * 32)


def test_no_logs() -> None:
    assert logs_bloom([]) == bytes(BLOOM_SIZE)
    assert not bloom_may_contain(bytes(BLOOM_SIZE), ADDRESS)


def test_three_bits_of_the_hash_of_each_item() -> None:
    # keccak256 of twenty zero bytes starts 5380 c7b7 ae81: bits 0x380, 0x7b7 and 0x681.
    bloom = int.from_bytes(logs_bloom([Log(bytes(20), (), b"")]), "big")
    assert bloom == 1 << 0x380 | 1 << 0x7B7 | 1 << 0x681


def test_addresses_and_topics_go_in_and_data_does_not() -> None:
    bloom = logs_bloom([Log(ADDRESS, TOPICS, b"\x33" * 32)])
    assert all(bloom_may_contain(bloom, item) for item in (ADDRESS, *TOPICS))
    assert not bloom_may_contain(bloom, b"\x33" * 32)


def test_blooms_add_up() -> None:
    logs = [Log(bytes([index]) * 20, (bytes([index]) * 32,), b"") for index in range(5)]
    single = [int.from_bytes(logs_bloom([log]), "big") for log in logs]
    assert int.from_bytes(logs_bloom(logs), "big") == single[0] | single[1] | single[2] | single[3] | single[4]
