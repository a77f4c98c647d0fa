"""Limits of input, and the places where a precompile's rules are easy to get wrong."""

from __future__ import annotations

import hashlib

import pytest

from trinode.execution import precompiles
from trinode.execution.errors import PrecompileFailure
from trinode.execution.forks import execution_rules_of
from trinode.execution.precompiles import bn254
from trinode.rollup.fork import Fork


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def modexp_input(base: int, exponent: int, modulus: int, data: bytes = b"") -> bytes:
    return word(base) + word(exponent) + word(modulus) + data


BN_G1 = word(1) + word(2)
BLS_G1 = precompiles.BLS12_MAP_FP_TO_G1.run(bytes(64))
BLS_G2 = precompiles.BLS12_MAP_FP2_TO_G2.run(bytes(128))


@pytest.mark.parametrize(
    ("fork", "number", "limit"),
    [
        (Fork.GRANITE, 0x08, 112_687),
        (Fork.JOVIAN, 0x08, 81_984),
        (Fork.KARST, 0x08, 57_600),
        (Fork.ISTHMUS, 0x0C, 513_760),
        (Fork.ISTHMUS, 0x0E, 488_448),
        (Fork.ISTHMUS, 0x0F, 235_008),
    ],
)
def test_input_at_and_above_a_forks_limit(fork: Fork, number: int, limit: int) -> None:
    precompile = execution_rules_of(fork).precompiles[precompiles.address(number)]
    term = {0x08: 192, 0x0C: 160, 0x0E: 288, 0x0F: 384}[number]
    # Terms of infinity take no time. The limit of Granite is no whole number of pairs.
    assert any(precompile.run(bytes(limit // term * term))) == (number in (0x08, 0x0F))
    with pytest.raises(PrecompileFailure):
        precompile.run(bytes((limit // term + 1) * term))


def test_without_limit_any_number_of_pairs() -> None:
    assert precompiles.bn254_pairing().run(bytes(192 * 1000)) == word(1)
    assert precompiles.bn254_pairing().gas(bytes(192 * 1000)) == 34_045_000


@pytest.mark.parametrize(("number", "gas"), [(2, 60 + 12), (3, 600 + 120), (4, 15 + 3), (6, 150), (7, 6000), (8, 45_000), (10, 50_000)])
def test_prices_of_one_word(number: int, gas: int) -> None:
    assert execution_rules_of(Fork.ECOTONE).precompiles[precompiles.address(number)].gas(bytes(32)) == gas


def test_price_of_p256verify_rises_in_karst() -> None:
    address = precompiles.address(0x0100)
    assert [execution_rules_of(fork).precompiles[address].gas(b"") for fork in (Fork.FJORD, Fork.KARST)] == [3450, 6900]
    assert address not in execution_rules_of(Fork.ECOTONE).precompiles


@pytest.mark.parametrize(
    ("lengths", "berlin", "osaka"),
    [
        # EIP-2565 and EIP-7883 by hand; the exponent's first byte is 0xff, then come zeros.
        ((0, 0, 0), 200, 500),
        ((32, 32, 32), 16 * 255 // 3, 16 * 255),
        ((33, 32, 1), 25 * 255 // 3, 2 * 25 * 255),
        ((1, 33, 8), 263 // 3, 16 * (16 + 255)),
        ((1024, 1024, 1024), 16384 * (8 * 992 + 255) // 3, 2 * 16384 * (16 * 992 + 255)),
        ((1024, 0, 1), 16384 // 3, 2 * 16384),
    ],
)
def test_gas_of_modexp(lengths: tuple[int, int, int], berlin: int, osaka: int) -> None:
    data = modexp_input(*lengths, bytes(lengths[0]) + b"\xff")
    assert precompiles.MODEXP_BERLIN.gas(data) == max(200, berlin)
    assert precompiles.MODEXP_OSAKA.gas(data) == max(500, osaka)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_modexp_of_osaka_takes_1024_bytes(place: int) -> None:
    def lengths(long: int) -> tuple[int, int, int]:
        base, exponent, modulus = (long if at == place else 1 for at in range(3))
        return base, exponent, modulus

    assert len(precompiles.MODEXP_OSAKA.run(modexp_input(*lengths(1024), b"\2" * 1026))) == lengths(1024)[2]
    data = modexp_input(*lengths(1025), b"\2" * 1027)
    assert len(precompiles.MODEXP_BERLIN.run(data)) == lengths(1025)[2]
    with pytest.raises(PrecompileFailure):
        precompiles.MODEXP_OSAKA.run(data)


def test_bound_of_osaka_holds_where_the_modulus_is_empty() -> None:
    assert precompiles.MODEXP_OSAKA.run(modexp_input(0, 1024, 0)) == b""
    with pytest.raises(PrecompileFailure):
        precompiles.MODEXP_OSAKA.run(modexp_input(0, 1025, 0))


def test_modexp_of_nothing() -> None:
    run = precompiles.MODEXP_BERLIN.run
    assert run(b"") == b""
    assert run(modexp_input(0, 0, 2, b"\0\7")) == b"\0\1"  # 0 ** 0
    assert run(modexp_input(0, 0, 1, b"\1")) == b"\0"
    assert run(modexp_input(1, 1, 3, b"\5\5")) == bytes(3)  # modulus 0
    assert run(modexp_input(1, 2, 1, b"\3\1")) == b"\0"  # modulus cut off


def test_bn254_refuses_coordinates_above_the_modulus() -> None:
    p = bn254.FIELD_MODULUS
    assert precompiles.BN254_ADD.run(BN_G1) == BN_G1
    assert precompiles.BN254_MUL.run(word(1) + word(p - 2) + word(1)) == word(1) + word(p - 2)
    for x, y in ((p + 1, 2), (1, p + 2), (p, 0), (0, p), (p, p), (1, 3), (0, 1)):
        for run in (precompiles.BN254_ADD.run, precompiles.BN254_MUL.run):
            with pytest.raises(PrecompileFailure):
                run(word(x) + word(y))
        with pytest.raises(PrecompileFailure):
            precompiles.bn254_pairing().run(word(x) + word(y) + bytes(128))
    for place in range(4):
        with pytest.raises(PrecompileFailure):
            precompiles.bn254_pairing().run(bytes(64 + 32 * place) + word(p) + bytes(96 - 32 * place))


def test_bls12_refuses_what_is_no_field_element() -> None:
    p = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
    x = int.from_bytes(BLS_G1[:64], "big")
    for bad in ((x + p).to_bytes(64, "big"), (x + 2**384).to_bytes(64, "big"), (x + 2**511).to_bytes(64, "big"), (x + 2**383).to_bytes(64, "big")):
        with pytest.raises(PrecompileFailure):
            precompiles.BLS12_G1_ADD.run(bad + BLS_G1[64:] + bytes(128))
        with pytest.raises(PrecompileFailure):
            precompiles.BLS12_MAP_FP_TO_G1.run(bad)
        with pytest.raises(PrecompileFailure):
            precompiles.BLS12_MAP_FP2_TO_G2.run(bytes(64) + bad)
    for infinity in (p.to_bytes(64, "big") + bytes(64), bytes(64) + p.to_bytes(64, "big")):
        with pytest.raises(PrecompileFailure):
            precompiles.BLS12_G1_ADD.run(infinity + bytes(128))


def test_bls12_sums_of_infinity() -> None:
    assert precompiles.BLS12_G1_ADD.run(bytes(128) + BLS_G1) == BLS_G1
    assert precompiles.BLS12_G2_ADD.run(bytes(256) + BLS_G2) == BLS_G2
    assert precompiles.bls12_g1_msm().run(bytes(128) + word(7) + BLS_G1 + word(1)) == BLS_G1
    assert precompiles.bls12_g2_msm().run(BLS_G2 + word(0)) == bytes(256)
    assert precompiles.bls12_pairing().run(bytes(128) + BLS_G2) == word(1)
    assert precompiles.bls12_pairing().run(BLS_G1 + BLS_G2) == word(0)


def test_point_evaluation_takes_one_form_of_infinity() -> None:
    """The zero polynomial: infinity is commitment and proof, and y is 0 everywhere."""
    infinity = b"\xc0" + bytes(47)

    def data(commitment: bytes, proof: bytes) -> bytes:
        return b"\x01" + hashlib.sha256(commitment).digest()[1:] + word(5) + word(0) + commitment + proof

    assert len(precompiles.POINT_EVALUATION.run(data(infinity, infinity))) == 64
    for other in (b"\xe0" + bytes(47), b"\xc0" + bytes(46) + b"\1", b"\x40" + bytes(47), bytes(48)):
        for bad in (data(other, infinity), data(infinity, other)):
            with pytest.raises(PrecompileFailure):
                precompiles.POINT_EVALUATION.run(bad)


def test_bad_signatures_are_no_failures() -> None:
    assert precompiles.ECRECOVER.run(b"") == b""
    assert precompiles.p256verify(gas=3450).run(b"") == b""
    assert precompiles.p256verify(gas=3450).run(bytes(160)) == b""
    assert precompiles.p256verify(gas=3450).run(b"\xff" * 160) == b""


@pytest.mark.parametrize("data", [b"", bytes(212), bytes(214), bytes(212) + b"\2"])
def test_blake2f_refuses(data: bytes) -> None:
    assert precompiles.BLAKE2F.gas(data) == 0
    with pytest.raises(PrecompileFailure):
        precompiles.BLAKE2F.run(data)
