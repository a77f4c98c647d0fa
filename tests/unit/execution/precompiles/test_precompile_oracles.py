"""Precompiles against implementations that share no code with theirs: Python's pow, eth-keys' own secp256k1, py-ecc's curves,
py-evm's BLAKE2b, pyrevm's addition."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from eth_keys.backends.native.main import NativeECCBackend
from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrevm import EVM

from trinode.execution import precompiles
from trinode.execution.errors import PrecompileFailure
from trinode.execution.precompiles import bn254, point_evaluation
from trinode.execution.rules import Precompile

bn: Any = pytest.importorskip("py_ecc.optimized_bn128")
bls: Any = pytest.importorskip("py_ecc.optimized_bls12_381")
hash_to_curve: Any = pytest.importorskip("py_ecc.bls.hash_to_curve")
blake2: Any = pytest.importorskip("eth._utils.blake2.compression")

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
WORD = st.integers(0, 2**256 - 1)
FEW = settings(max_examples=8)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def run(precompile: Precompile, data: bytes) -> bytes | None:
    """None where it fails."""
    try:
        return precompile.run(data)
    except PrecompileFailure:
        return None


NUMBERS = st.binary(max_size=70) | st.sampled_from([b"", b"\0", b"\1", b"\2", b"\0" * 33, b"\0" * 40 + b"\1", b"\xff" * 64])


@given(base=NUMBERS, exponent=NUMBERS, modulus=NUMBERS, cut=st.integers(0, 80))
@settings(max_examples=100)
def test_modexp_is_pow(base: bytes, exponent: bytes, modulus: bytes, cut: int) -> None:
    data = b"".join([word(len(number)) for number in (base, exponent, modulus)]) + base + exponent + modulus
    # What is cut off the end counts as zeros.
    kept = data[: max(96, len(data) - cut)]
    b, e, m = (kept[96:].ljust(len(data) - 96, b"\0")[at:end] for at, end in spans(len(base), len(exponent), len(modulus)))
    value = int.from_bytes(m, "big")
    expected = pow(int.from_bytes(b, "big"), int.from_bytes(e, "big"), value) if value else 0
    assert precompiles.MODEXP_BERLIN.run(kept) == precompiles.MODEXP_OSAKA.run(kept) == expected.to_bytes(len(modulus), "big")


def spans(*lengths: int) -> list[tuple[int, int]]:
    ends = [sum(lengths[: count + 1]) for count in range(len(lengths))]
    return [(end - length, end) for end, length in zip(ends, lengths, strict=True)]


@given(key=st.integers(1, SECP256K1_ORDER - 1), message=st.binary(min_size=32, max_size=32), flip=st.booleans())
@FEW
def test_signer_is_recovered(key: int, message: bytes, flip: bool) -> None:
    private = PrivateKey(word(key), backend=NativeECCBackend())
    v, r, s = private.sign_msg_hash(message).vrs
    if flip:  # The same signature with a high s, which Ethereum's transactions may not have.
        v, s = 1 - v, SECP256K1_ORDER - s
    data = message + word(27 + v) + word(r) + word(s)
    assert precompiles.ECRECOVER.run(data) == bytes(12) + private.public_key.to_canonical_address()
    assert precompiles.ECRECOVER.run(data + b"more") == precompiles.ECRECOVER.run(data)


EDGES = st.sampled_from([0, 1, 2, SECP256K1_ORDER - 1, SECP256K1_ORDER, SECP256K1_ORDER + 1, 2**256 - 1])


@given(message=WORD, v=st.sampled_from([26, 27, 28, 29, 27 + 2**8, 28 + 2**248]), r=EDGES | WORD, s=EDGES | WORD)
@settings(max_examples=40)
def test_recovery_from_anything(message: int, v: int, r: int, s: int) -> None:
    try:
        signature = Signature(vrs=(v - 27, r, s), backend=NativeECCBackend())
        key = signature.recover_public_key_from_msg_hash(word(message))
        expected = bytes(12) + key.to_canonical_address() if 0 < r < SECP256K1_ORDER and 0 < s < SECP256K1_ORDER else b""
    except (BadSignature, ValidationError):
        expected = b""
    if v in (27, 28):
        assert precompiles.ECRECOVER.run(word(message) + word(v) + word(r) + word(s)) == expected
    else:
        assert precompiles.ECRECOVER.run(word(message) + word(v) + word(r) + word(s)) == b""


@given(rounds=st.integers(0, 20), words=st.lists(st.integers(0, 2**64 - 1), min_size=26, max_size=26), final=st.booleans())
def test_blake2f(rounds: int, words: list[int], final: bool) -> None:
    data = rounds.to_bytes(4, "big") + b"".join(it.to_bytes(8, "little") for it in words) + bytes([final])
    assert precompiles.BLAKE2F.gas(data) == rounds
    expected = blake2.blake2b_compress(rounds, tuple(words[:8]), tuple(words[8:24]), tuple(words[24:]), final)
    assert precompiles.BLAKE2F.run(data) == expected


@given(data=st.binary(max_size=200))
def test_hashes(data: bytes) -> None:
    assert precompiles.SHA256.run(data) == hashlib.sha256(data).digest()
    assert precompiles.IDENTITY.run(data) == data
    assert precompiles.SHA256.gas(data) == 60 + 12 * -(-len(data) // 32)
    assert precompiles.RIPEMD160.gas(data) == 600 + 120 * -(-len(data) // 32)


def test_ripemd160() -> None:
    # The algorithm's own test values.
    assert precompiles.RIPEMD160.run(b"").hex() == "00" * 12 + "9c1185a5c5e9fc54612808977ee8f548b2258d31"
    assert precompiles.RIPEMD160.run(b"abc").hex() == "00" * 12 + "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"


def bn_bytes(point: Any) -> bytes:
    return bytes(64) if bn.is_inf(point) else b"".join(word(int(coordinate)) for coordinate in bn.normalize(point))


def revm_add(data: bytes) -> bytes | None:
    try:
        return EVM().message_call("0x" + "11" * 20, "0x" + "00" * 19 + "06", calldata=data, gas=10**6)
    except RuntimeError:
        return None


SCALARS = st.integers(0, 10) | st.sampled_from([bn.curve_order, bn.curve_order - 1, bn.curve_order + 1, 2**256 - 1]) | WORD


@given(a=SCALARS, b=SCALARS)
@settings(max_examples=20)
def test_bn254_arithmetic(a: int, b: int) -> None:
    first, second = (bn.multiply(bn.G1, scalar) for scalar in (a, b))
    data = bn_bytes(first) + bn_bytes(second)
    assert precompiles.BN254_ADD.run(data) == bn_bytes(bn.add(first, second)) == revm_add(data)
    assert precompiles.BN254_MUL.run(bn_bytes(first) + word(b)) == bn_bytes(bn.multiply(first, b))


COORDINATES = st.sampled_from([0, 1, 2, 3, bn254.FIELD_MODULUS - 2, bn254.FIELD_MODULUS, bn254.FIELD_MODULUS + 1, 2**256 - 1])


@given(coordinates=st.lists(COORDINATES, min_size=4, max_size=4), length=st.integers(0, 130))
@settings(max_examples=200)
def test_bn254_addition_of_anything(coordinates: list[int], length: int) -> None:
    data = b"".join(map(word, coordinates))[:length]
    assert run(precompiles.BN254_ADD, data) == revm_add(data)


def test_bn254_pairing_of_points_out_of_the_group() -> None:
    """A point of the twist that is not in the subgroup fails, though it is on the curve."""
    x = 1
    while (y := square_root_fp2(bn.FQ2([x, 1]) ** 3 + bn.b2)) is None:
        x += 1
    point = (bn.FQ2([x, 1]), y, bn.FQ2.one())
    assert bn.is_on_curve(point, bn.b2)
    assert not bn.is_inf(bn.multiply(point, bn.curve_order))
    with pytest.raises(PrecompileFailure):
        precompiles.bn254_pairing().run(bytes(64) + word(1) + word(x) + word(int(y.coeffs[1])) + word(int(y.coeffs[0])))


def square_root_fp2(value: Any) -> Any:
    """A root of a + bi in Fp2 of bn254, or None."""
    p = bn.field_modulus
    a, b = (int(it) for it in value.coeffs)
    norm = pow(a * a + b * b, (p + 1) // 4, p)
    for half in ((a + norm) * pow(2, -1, p) % p, (a - norm) * pow(2, -1, p) % p):
        real = pow(half, (p + 1) // 4, p)
        if real:
            root = bn.FQ2([real, b * pow(2 * real, -1, p) % p])
            if root * root == value:
                return root
    return None


def fp(value: Any) -> bytes:
    return int(value).to_bytes(64, "big")


def bls_bytes(point: Any) -> bytes:
    x, y = bls.normalize(point)
    coordinates = [x, y] if isinstance(x, bls.FQ) else [*x.coeffs, *y.coeffs]
    return bytes(64 * len(coordinates)) if bls.is_inf(point) else b"".join(map(fp, coordinates))


@given(a=st.integers(0, 2**256 - 1), b=st.integers(0, 5), scalar=st.sampled_from([0, 1, bls.curve_order, 2**256 - 1]) | WORD)
@FEW
def test_bls12_arithmetic(a: int, b: int, scalar: int) -> None:
    for generator, add, msm in (
        (bls.G1, precompiles.BLS12_G1_ADD, precompiles.bls12_g1_msm()),
        (bls.G2, precompiles.BLS12_G2_ADD, precompiles.bls12_g2_msm()),
    ):
        first, second = (bls.multiply(generator, it) for it in (a, b))
        total = bls.add(first, second)
        assert add.run(bls_bytes(first) + bls_bytes(second)) == bls_bytes(total)
        product = bls.multiply(first, scalar)
        assert msm.run(bls_bytes(first) + word(scalar)) == bls_bytes(product)
        assert msm.run(bls_bytes(first) + word(scalar) + bls_bytes(second) + word(1)) == bls_bytes(bls.add(product, second))


@given(c0=st.integers(0, bls.field_modulus - 1), c1=st.integers(0, bls.field_modulus - 1))
@settings(max_examples=4)
def test_bls12_maps_and_points_out_of_the_group(c0: int, c1: int) -> None:
    outside = hash_to_curve.map_to_curve_G1(bls.FQ(c0))
    assert precompiles.BLS12_MAP_FP_TO_G1.run(fp(c0)) == bls_bytes(hash_to_curve.clear_cofactor_G1(outside))
    # Addition takes points of the curve that are not of the group; the rest does not.
    assert precompiles.BLS12_G1_ADD.run(bls_bytes(outside) * 2) == bls_bytes(bls.double(outside))
    assert run(precompiles.bls12_g1_msm(), bls_bytes(outside) + word(1)) is None
    assert run(precompiles.bls12_pairing(), bls_bytes(outside) + bytes(256)) is None
    outside2 = hash_to_curve.map_to_curve_G2(bls.FQ2([c0, c1]))
    assert precompiles.BLS12_MAP_FP2_TO_G2.run(fp(c0) + fp(c1)) == bls_bytes(hash_to_curve.clear_cofactor_G2(outside2))
    assert precompiles.BLS12_G2_ADD.run(bls_bytes(outside2) * 2) == bls_bytes(bls.double(outside2))
    assert run(precompiles.bls12_g2_msm(), bls_bytes(outside2) + word(1)) is None
    assert run(precompiles.bls12_pairing(), bytes(128) + bls_bytes(outside2)) is None


def test_setup_of_the_ceremony() -> None:
    """[tau]G2 is the one of the setup file that other packages ship, and what its G1 points were made with."""
    eth: Any = pytest.importorskip("eth")
    words = (Path(eth.__file__).parent / "_utils" / "kzg_trusted_setup.txt").read_text().split()
    lagrange, g2 = int(words[0]), int(words[1])
    assert words[2 + lagrange + 1] == point_evaluation.TAU_G2.hex()
    tau_g1 = bytes.fromhex(words[2 + lagrange + g2 + 1])
    one_g1 = bytes.fromhex(words[2 + lagrange + g2])
    # The polynomial X is tau * G1 when committed; at z it is z, and its proof is G1.
    for z in (0, 1, point_evaluation.BLS_MODULUS - 1):
        data = b"\x01" + hashlib.sha256(tau_g1).digest()[1:] + word(z) + word(z) + tau_g1 + one_g1
        assert precompiles.POINT_EVALUATION.run(data) == word(4096) + word(point_evaluation.BLS_MODULUS)
        assert run(precompiles.POINT_EVALUATION, data[:64] + word(z ^ 1) + data[96:]) is None
