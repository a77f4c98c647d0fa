"""Every precompile has a price and an output or PrecompileFailure for any bytes whatever, and survives pickling."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trinode.execution import precompiles
from trinode.execution.errors import PrecompileFailure
from trinode.execution.forks import execution_rules_of
from trinode.execution.rules import Precompile
from trinode.rollup.fork import Fork

ALL = {
    f"{int.from_bytes(address, 'big'):#x} of {fork.label}": precompile
    for fork in (Fork.BEDROCK, Fork.KARST)
    for address, precompile in execution_rules_of(fork).precompiles.items()
}
PAYABLE = 3_000_000
BN_G1 = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
BN_P = 21888242871839275222246405745257275088696311157297823662689037894645226208583
BLS_P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
BLS_G1 = precompiles.BLS12_MAP_FP_TO_G1.run(bytes(64))
BLS_G2 = precompiles.BLS12_MAP_FP2_TO_G2.run(bytes(128))

# What inputs are made of: words and points that mean something to some precompile, and any bytes.
PIECES = st.sampled_from(
    [
        bytes(31) + b"\1",
        bytes(31) + b"\x1b",
        bytes(31) + b"\x20",
        bytes(32),
        bytes(64),
        b"\xff" * 32,
        BN_P.to_bytes(32, "big"),
        BN_G1,
        BLS_P.to_bytes(64, "big"),
        (BLS_P - 1).to_bytes(64, "big"),
        BLS_G1,
        BLS_G2,
        bytes(128),
        bytes(256),
        b"\xc0" + bytes(47),
        b"\0\0\0\x0c" + bytes(208) + b"\1",
    ]
) | st.binary(max_size=70)
LENGTHS = (0, 1, 31, 32, 63, 64, 65, 96, 127, 128, 129, 159, 160, 161, 191, 192, 193, 212, 213, 214, 255, 256, 257, 288, 384, 512)
DATA = st.lists(PIECES, max_size=8).map(b"".join) | st.sampled_from(LENGTHS).map(bytes) | st.sampled_from(LENGTHS).map(b"\xff".__mul__)


def output_length_or_failure(precompile: Precompile, data: bytes) -> int | None:
    gas = precompile.gas(data)
    assert gas >= 0
    if gas > PAYABLE:
        return None
    try:
        output = precompile.run(data)
    except PrecompileFailure:
        return None
    assert type(output) is bytes
    return len(output)


@pytest.mark.parametrize("name", ALL)
@given(data=DATA)
@settings(max_examples=80)
def test_any_bytes(name: str, data: bytes) -> None:
    output_length_or_failure(ALL[name], data)


@pytest.mark.parametrize("name", ALL)
def test_every_length(name: str) -> None:
    for length in (*range(300), 384, 512, 513, 1024):
        for byte in (b"\0", b"\1", b"\xff"):
            output_length_or_failure(ALL[name], byte * length)


@pytest.mark.parametrize("name", ALL)
def test_pickles(name: str) -> None:
    precompile = ALL[name]
    copy = pickle.loads(pickle.dumps(precompile))
    data = bytes(213)
    assert copy.gas(data) == precompile.gas(data)
    assert output_length_or_failure(copy, data) == output_length_or_failure(precompile, data)


@pytest.mark.parametrize("lengths", [(2**256 - 1, 0, 0), (0, 2**256 - 1, 1), (0, 0, 2**256 - 1), (2**255, 2**255, 2**255), (1, 2**31, 1)])
def test_modexp_of_lengths_that_nobody_can_pay(lengths: tuple[int, int, int]) -> None:
    data = b"".join(length.to_bytes(32, "big") for length in lengths) + bytes(64)
    for precompile in (precompiles.MODEXP_BERLIN, precompiles.MODEXP_OSAKA):
        assert precompile.gas(data) > 2**31
        with pytest.raises(PrecompileFailure):
            precompile.run(data)


def test_modexp_of_a_long_exponent_and_no_modulus() -> None:
    """Without base and modulus the exponent is free at Berlin's price, however long, and the output is empty."""
    data = bytes(32) + (2**20).to_bytes(32, "big") + bytes(32)
    assert precompiles.MODEXP_BERLIN.gas(data) == 200
    assert precompiles.MODEXP_BERLIN.run(data) == b""
