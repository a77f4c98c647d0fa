"""Why a precompile refused its input, in the words that clients of the network know (held against op-geth's traces).

The libraries behind some precompiles do not tell all reasons apart: of a point of bn254 it is only known that it is none, of a scalar or
point of a KZG proof that its encoding is wrong. The most frequent reason stands for all of them then.
"""

from __future__ import annotations

from trinode.protocol.types import Address

_LENGTH = "invalid input length"
_KZG = "error verifying kzg proof: "
_BN254 = range(0x06, 0x09)
_BLS12 = range(0x0B, 0x12)
_POINT_EVALUATION = range(0x0A, 0x0B)
_ALL = range(0x01, 0x12)

_WORDS: tuple[tuple[range, str, str], ...] = (
    (_ALL, " are expected", _LENGTH),
    (_ALL, " one or more times ", _LENGTH),
    (_ALL, " bytes, not ", _LENGTH),
    (range(0x08, 0x09), "whole pairs", "bad elliptic curve pairing size"),
    (range(0x08, 0x09), "the limit is", "bad elliptic curve pairing input size"),
    (_BN254, "a coordinate is not below", "invalid fp.Element encoding"),
    (_BN254, "not on ", "point is not on curve"),
    (range(0x09, 0x0A), "final flag", "invalid final flag"),
    (_POINT_EVALUATION, "versioned hash", "mismatched versioned hash"),
    (_POINT_EVALUATION, "proof is wrong", _KZG + "can't verify opening proof"),
    (_POINT_EVALUATION, "infinity has one form", _KZG + "invalid point encoding"),
    (_POINT_EVALUATION, "", _KZG + "scalar is not canonical when interpreted as a big integer in big-endian"),
    (range(0x0C, 0x0D), "the limit is", "g1 msm input size exceeds maximum"),
    (range(0x0E, 0x0F), "the limit is", "g2 msm input size exceeds maximum"),
    (range(0x0F, 0x10), "the limit is", "pairing input size exceeds maximum"),
    (_BLS12, "a field element", "invalid field element top bytes"),
    (_BLS12, "correct G1 subgroup", "g1 point is not on correct subgroup"),
    (_BLS12, "correct G2 subgroup", "g2 point is not on correct subgroup"),
    (_BLS12, "point is not on the G", "invalid point: not on curve"),
    (_BLS12, "", "invalid fp.Element encoding"),
)


def precompile_failure(address: Address, text: str) -> str:
    """The words for `text`, why the precompile at `address` refused its input; `text` itself where there are none."""
    number = int.from_bytes(address, "big")
    return next((words for numbers, part, words in _WORDS if number in numbers and part in text), text)
