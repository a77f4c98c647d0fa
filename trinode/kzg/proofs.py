"""Proofs that come with blobs on their way to L1: one a blob (EIP-4844, "Helpers": `compute_blob_kzg_proof`), or from L1's Osaka
on one for each of its 128 cells (EIP-7594; consensus specifications, polynomial-commitments-sampling).

The proof of a blob is ours: the commitment to the quotient (p(X) - p(z)) / (X - z), whose values at the 4,096 roots of unity come
from the blob's without any change of basis. Cell proofs need the setup in monomial form and its tables, so ckzg makes them; it
is loaded at the first use (3 s), and holds the GIL for 0.1 s a blob.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from itertools import accumulate
from threading import Lock
from typing import Any

from trinode.kzg.commitments import COMMITMENT_SIZE, KzgError, commit_to_values
from trinode.protocol.blob import BLOB_SIZE

BLS_MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
CELLS_PER_BLOB = 128
_ELEMENTS = 4096
_PRIMITIVE_ROOT = 7
_CHALLENGE_DOMAIN = b"FSBLOBVERIFY_V1_"


@cache
def _roots_of_unity() -> tuple[int, ...]:
    """The points that a blob's elements are the polynomial's values at, in their order: by bit-reversed index."""
    root = pow(_PRIMITIVE_ROOT, (BLS_MODULUS - 1) // _ELEMENTS, BLS_MODULUS)
    powers = list(accumulate([root] * (_ELEMENTS - 1), lambda power, root: power * root % BLS_MODULUS, initial=1))
    bits = _ELEMENTS.bit_length() - 1
    return tuple(powers[int(f"{index:0{bits}b}"[::-1], 2)] for index in range(_ELEMENTS))


def blob_challenge(blob: bytes, commitment: bytes) -> int:
    """The point that the proof is about, by Fiat and Shamir (EIP-4844 `compute_challenge`)."""
    seed = _CHALLENGE_DOMAIN + _ELEMENTS.to_bytes(16, "big") + blob + commitment
    return int.from_bytes(hashlib.sha256(seed).digest(), "big") % BLS_MODULUS


def compute_blob_proof(blob: bytes, commitment: bytes) -> bytes:
    """The proof (48 bytes) for a blob of 131,072 bytes and its commitment. About 80 ms, most of it with the GIL released.

    Raises `KzgError` if the blob has another size or an element that is not below the BLS modulus. Whether the commitment is the
    blob's is not looked at.
    """
    if len(blob) != BLOB_SIZE:
        raise KzgError(f"a blob has {BLOB_SIZE} bytes, not {len(blob)}")
    if len(commitment) != COMMITMENT_SIZE:
        raise KzgError(f"a commitment has {COMMITMENT_SIZE} bytes, not {len(commitment)}")
    values = [int.from_bytes(blob[at : at + 32], "big") for at in range(0, BLOB_SIZE, 32)]
    if max(values) >= BLS_MODULUS:
        raise KzgError("a field element of the blob is not below the BLS modulus")
    return commit_to_values([value.to_bytes(32, "big") for value in quotient(values, blob_challenge(blob, commitment))])


def quotient(values: Sequence[int], point: int) -> list[int]:
    """(p(X) - p(point)) / (X - point) at the roots of unity, for the polynomial with these values there.

    Raises ValueError where `point` is itself one of the roots, which a challenge is with a chance of 1 in 2**243.
    """
    roots = _roots_of_unity()
    inverses = _inverses([(root - point) % BLS_MODULUS for root in roots])
    # Barycentric: p(z) = (z**n - 1) / n * sum of p_i * w_i / (z - w_i).
    total = sum(value * root % BLS_MODULUS * inverse for value, root, inverse in zip(values, roots, inverses, strict=True) if value)
    scale = (pow(point, _ELEMENTS, BLS_MODULUS) - 1) * pow(_ELEMENTS, -1, BLS_MODULUS)
    at_point = -total * scale % BLS_MODULUS
    return [(value - at_point) * inverse % BLS_MODULUS for value, inverse in zip(values, inverses, strict=True)]


def _inverses(numbers: Sequence[int]) -> list[int]:
    """The inverse of each, for the price of one: by the products of all before it. Raises ValueError if one is 0."""
    products = list(accumulate(numbers, lambda product, number: product * number % BLS_MODULUS, initial=1))
    left = pow(products[-1], -1, BLS_MODULUS)
    result = []
    for number, before in zip(reversed(numbers), reversed(products[:-1]), strict=True):
        result.append(left * before % BLS_MODULUS)
        left = left * number % BLS_MODULUS
    return result[::-1]


class _CellSetup:
    """ckzg and the ceremony's whole setup, which py-evm ships; loaded at the first use, once a process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loaded: Any = None

    def compute(self, blob: bytes) -> list[bytes]:
        import ckzg  # noqa: PLC0415 - with its setup it takes seconds, and before Osaka nobody needs it

        with self._lock:
            if self._loaded is None:
                with resources.as_file(resources.files("eth._utils").joinpath("kzg_trusted_setup.txt")) as path:
                    self._loaded = ckzg.load_trusted_setup(str(path), 0)
        try:
            _, proofs = ckzg.compute_cells_and_kzg_proofs(blob, self._loaded)
        except (RuntimeError, ValueError) as error:
            raise KzgError(f"ckzg makes no cell proofs of the blob: {error}") from error
        return list(proofs)


_CELL_SETUP = _CellSetup()


def compute_cell_proofs(blob: bytes) -> list[bytes]:
    """The proofs (48 bytes each) of the blob's 128 cells, in order. Raises `KzgError` as `compute_blob_proof` does."""
    if len(blob) != BLOB_SIZE:
        raise KzgError(f"a blob has {BLOB_SIZE} bytes, not {len(blob)}")
    return _CELL_SETUP.compute(blob)
