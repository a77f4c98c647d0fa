"""L1 cost, operator fee, blob base fee, and FastLZ against its reference as the specification points to it."""

from __future__ import annotations

import math
import random

import pytest

from trinode.protocol.l1_cost import (
    blob_base_fee,
    data_gas,
    estimated_size_scaled,
    flz_compressed_size,
    l1_cost_bedrock,
    l1_cost_ecotone,
    l1_cost_fjord,
    l1_gas_used_fjord,
    operator_fee_isthmus,
    operator_fee_jovian,
)


def test_data_gas() -> None:
    assert data_gas(b"\x00\x01\x00\xff") == 2 * 4 + 2 * 16
    assert data_gas(b"", regolith=False) == 68 * 16


def test_formulas_round_down_once() -> None:
    assert l1_cost_bedrock(1000, l1_base_fee=3, overhead=1, scalar=333_333) == 1001 * 3 * 333_333 // 10**6
    prices = {"l1_base_fee": 7, "base_fee_scalar": 11, "blob_base_fee": 13, "blob_base_fee_scalar": 17}
    assert l1_cost_ecotone(999_999, **prices) == 999_999 * (16 * 7 * 11 + 13 * 17) // (16 * 10**6)
    assert l1_cost_fjord(10**6, **prices) == (836_500 * 10**6 - 42_585_600) * (16 * 7 * 11 + 13 * 17) // 10**12


def test_small_transactions_count_as_100_bytes() -> None:
    assert estimated_size_scaled(0) == estimated_size_scaled(170) == 100_000_000
    assert estimated_size_scaled(171) == 171 * 836_500 - 42_585_600
    assert l1_gas_used_fjord(0) == 1600


def test_operator_fee() -> None:
    assert operator_fee_isthmus(1_999_999, scalar=1, constant=5) == 1 + 5
    assert operator_fee_jovian(3, scalar=2, constant=5) == 600 + 5


@pytest.mark.parametrize(
    ("excess", "fraction", "fee"),
    [
        (0, 3338477, 1),
        (2314057, 3338477, 1),
        (2314058, 3338477, 2),
        (10 * 2**20, 3338477, 23),
    ],
)
def test_blob_base_fee(excess: int, fraction: int, fee: int) -> None:
    assert blob_base_fee(excess, fraction) == fee


@pytest.mark.parametrize("excess", [10**8, 148_099_578, 2 * 10**8])
@pytest.mark.parametrize("fraction", [3338477, 5007716, 11684671])
def test_blob_base_fee_is_exponential(excess: int, fraction: int) -> None:
    assert blob_base_fee(excess, fraction) == pytest.approx(math.exp(excess / fraction), rel=1e-3)


def reference_size(data: bytes) -> int:
    """fastlz1_compress with its output counted by writing it, byte by byte."""
    output = bytearray()
    table = [0] * 8192

    def three(at: int) -> int:
        return int.from_bytes(data[at : at + 3], "little")

    def slot(at: int) -> int:
        return (three(at) * 2654435769 % 2**32) >> 19

    def write_literals(run: bytes) -> None:
        for start in range(0, len(run), 32):
            part = run[start : start + 32]
            output.extend([len(part) - 1, *part])

    def write_match(length: int, distance: int) -> None:
        distance -= 1
        while length > 262:
            output.extend([224 + (distance >> 8), 262 - 7 - 2, distance & 255])
            length -= 262
        if length < 7:
            output.extend([length * 32 + (distance >> 8), distance & 255])
        else:
            output.extend([224 + (distance >> 8), length - 7, distance & 255])

    anchor, position, limit = 0, 2, len(data) - 13
    while position < limit:
        before, table[slot(position)] = table[slot(position)], position
        if position - before > 8191 or three(before) != three(position):
            position += 1
            continue
        if position + 1 >= limit:
            break
        write_literals(data[anchor:position])
        length = 0
        while position + 3 + length < limit + 9:
            length += 1
            if data[before + 2 + length] != data[position + 2 + length]:
                break
        write_match(length, position - before)
        position += length
        table[slot(position)] = position
        table[slot(position + 1)] = position + 1
        position += 2
        anchor = position
    write_literals(data[anchor:])
    return len(output)


def test_fastlz_agrees_with_the_reference() -> None:
    chance = random.Random(7)
    for size in [*range(20), 40, 100, 262, 300, 500, 2000]:
        for alphabet in (1, 2, 4, 256):
            for _ in range(4):
                data = bytes(chance.randrange(alphabet) for _ in range(size))
                assert flz_compressed_size(data) == reference_size(data), data.hex()


@pytest.mark.parametrize("gap", [8100, 8191, 8192, 8193, 9000])
def test_fastlz_looks_back_8191_bytes(gap: int) -> None:
    chance = random.Random(gap)
    block = chance.randbytes(64)
    data = chance.randbytes(5) + block + chance.randbytes(gap - 64) + block + chance.randbytes(40)
    assert flz_compressed_size(data) == reference_size(data)
