"""The precompiled contracts, each a `Precompile` of a price and a function; which fork has which, and where, stands in
`trinode.execution.forks`.

A precompile never sees gas: it is priced on its input, charged, and only then run. Lengths that a chain limits
(`max_input_size`, in bytes) are failures above the limit, not at it.
"""

from __future__ import annotations

from functools import partial

from trinode.execution.precompiles import bls12, bn254, hashing, modexp, point_evaluation, signature
from trinode.execution.precompiles.price import flat, per_word
from trinode.execution.rules import Precompile
from trinode.protocol.types import Address

ECRECOVER = Precompile(partial(flat, 3000), signature.ecrecover)
"""secp256k1 recovery (Yellow Paper, appendix E)."""
SHA256 = Precompile(partial(per_word, 60, 12), hashing.sha256)
RIPEMD160 = Precompile(partial(per_word, 600, 120), hashing.ripemd160)
IDENTITY = Precompile(partial(per_word, 15, 3), hashing.identity)
MODEXP_BERLIN = Precompile(modexp.gas_berlin, modexp.modexp_berlin)
"""EIP-198 at EIP-2565's price."""
MODEXP_OSAKA = Precompile(modexp.gas_osaka, modexp.modexp_osaka)
"""EIP-198 within EIP-7823's bound, at EIP-7883's price."""
BN254_ADD = Precompile(partial(flat, 150), bn254.add)
BN254_MUL = Precompile(partial(flat, 6000), bn254.multiply)
BLAKE2F = Precompile(hashing.blake2f_gas, hashing.blake2f)
POINT_EVALUATION = Precompile(partial(flat, 50_000), point_evaluation.point_evaluation)
BLS12_G1_ADD = Precompile(partial(flat, 375), bls12.g1_add)
BLS12_G2_ADD = Precompile(partial(flat, 600), bls12.g2_add)
BLS12_MAP_FP_TO_G1 = Precompile(partial(flat, 5500), bls12.map_fp_to_g1)
BLS12_MAP_FP2_TO_G2 = Precompile(partial(flat, 23_800), bls12.map_fp2_to_g2)


def address(n: int) -> Address:
    """The address (20 bytes) of precompile number `n`."""
    return n.to_bytes(20, "big")


def bn254_pairing(max_input_size: int | None = None) -> Precompile:
    """EIP-197 at EIP-1108's price."""
    return Precompile(bn254.pairing_gas, partial(bn254.pairing, max_input_size))


def bls12_g1_msm(max_input_size: int | None = None) -> Precompile:
    return Precompile(bls12.g1_msm_gas, partial(bls12.g1_msm, max_input_size))


def bls12_g2_msm(max_input_size: int | None = None) -> Precompile:
    return Precompile(bls12.g2_msm_gas, partial(bls12.g2_msm, max_input_size))


def bls12_pairing(max_input_size: int | None = None) -> Precompile:
    return Precompile(bls12.pairing_gas, partial(bls12.pairing, max_input_size))


def p256verify(gas: int) -> Precompile:
    """RIP-7212 (3450 gas), EIP-7951 (6900 gas): the same function."""
    return Precompile(partial(flat, gas), signature.p256verify)


__all__ = [
    "BLAKE2F",
    "BLS12_G1_ADD",
    "BLS12_G2_ADD",
    "BLS12_MAP_FP2_TO_G2",
    "BLS12_MAP_FP_TO_G1",
    "BN254_ADD",
    "BN254_MUL",
    "ECRECOVER",
    "IDENTITY",
    "MODEXP_BERLIN",
    "MODEXP_OSAKA",
    "POINT_EVALUATION",
    "RIPEMD160",
    "SHA256",
    "address",
    "bls12_g1_msm",
    "bls12_g2_msm",
    "bls12_pairing",
    "bn254_pairing",
    "p256verify",
]
