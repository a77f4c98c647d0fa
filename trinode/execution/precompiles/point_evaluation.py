"""The point evaluation precompile (EIP-4844): a KZG proof that the polynomial of a commitment is y at z.

    versioned_hash (32), z (32), y (32), commitment (48), proof (48)

The proof is right where e(C - [y]G1, G2) = e(proof, [tau]G2 - [z]G2). With z moved to the left side,
e(C - [y]G1 + [z]proof, -G2) * e(proof, [tau]G2) = 1, the multiplications are on G1, where they take a third of the time.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from trinode.execution.errors import PrecompileFailure

TAU_G2 = bytes.fromhex(
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72"
    "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)
"""[tau]G2 of Ethereum's KZG ceremony, compressed: the second G2 point of `trusted_setup.txt` as c-kzg-4844, eth-account and
py-evm ship it (the file that `trinode/kzg/data/SOURCE.md` names)."""
FIELD_ELEMENTS_PER_BLOB = 4096
BLS_MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
_PROVEN = FIELD_ELEMENTS_PER_BLOB.to_bytes(32, "big") + BLS_MODULUS.to_bytes(32, "big")
_INFINITY = b"\xc0" + bytes(47)
_HAS_INFINITY_FLAG = 0x40


def point_evaluation(data: bytes) -> bytes:
    """FIELD_ELEMENTS_PER_BLOB and BLS_MODULUS, 32 bytes each, where the proof is right; else raises PrecompileFailure."""
    if len(data) != 192:
        raise PrecompileFailure(f"point evaluation takes 192 bytes, not {len(data)}")
    commitment = data[96:144]
    if data[:32] != b"\x01" + sha256(commitment).digest()[1:]:
        raise PrecompileFailure("the versioned hash is not the commitment's")
    try:
        # Scalars of BLS_MODULUS and above are refused here, and points not in the subgroup.
        z, y = Scalar.from_be_bytes(data[32:64]), Scalar.from_be_bytes(data[64:96])
        proof = _point(data[144:])
        left = _point(commitment) - G1Point() * y + proof * z
    except ValueError as error:
        raise PrecompileFailure(str(error)) from error
    if not GT.pairing_check([left, proof], list(_g2_points())):
        raise PrecompileFailure("the proof is wrong")
    return _PROVEN


def _point(data: bytes) -> G1Point:
    if data[0] & _HAS_INFINITY_FLAG and data != _INFINITY:
        # Arkworks ignores what stands beside the flag.
        raise PrecompileFailure("infinity has one form only")
    return G1Point.from_compressed_bytes(data)


@cache
def _g2_points() -> tuple[G2Point, G2Point]:
    """-G2 and [tau]G2."""
    return -G2Point(), G2Point.from_compressed_bytes(TAU_G2)
