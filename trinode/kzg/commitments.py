"""KZG commitments of blobs and the versioned hashes that L1 transactions name them by (EIP-4844, "Helpers").

A commitment is a multi-scalar multiplication of the blob's 4,096 field elements with the points of the public ceremony's
setup in Lagrange form. We do that sum with py-arkworks-bls12381 rather than with ckzg: it needs only these points (0.2 s to
load; ckzg's `load_trusted_setup` also builds the tables for cell proofs, 3 s) and it releases the GIL (ckzg does not), so a
few threads verify blobs beside derivation. One commitment costs 50-70 ms of one core either way.

Proofs are not checked here: a blob whose commitment hashes to the versioned hash that L1 signed is the blob.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from threading import Lock

from py_arkworks_bls12381 import G1Point, Scalar

from trinode.protocol.blob import BLOB_SIZE
from trinode.protocol.types import Hash32

VERSIONED_HASH_VERSION_KZG = b"\x01"
COMMITMENT_SIZE = 48
_SETUP_FILE = "kzg_lagrange_g1.bin"
_SETUP_SHA256 = "000be46bb434946e041c7bc9757175591eb07bcdaff641ea6eca2552618dc39d"
_ZERO_ELEMENT = bytes(32)


class KzgError(ValueError):
    """Blob data that has no commitment, or not the one it should have; says which blob and why."""


class BlobMismatchError(KzgError):
    """A blob's versioned hash is not the expected one; `index` is its place in the list that was checked."""

    def __init__(self, index: int, expected: Hash32, actual: Hash32) -> None:
        super().__init__(f"blob {index} has versioned hash 0x{actual.hex()}, expected 0x{expected.hex()}")
        self.index = index
        self.expected = expected
        self.actual = actual


class _Setup:
    """The 4,096 Lagrange points, in the order of a blob's field elements; loaded at the first use, once a process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._points: list[G1Point] | None = None

    def points(self) -> list[G1Point]:
        with self._lock:
            if self._points is None:
                self._points = _load_points()
            return self._points


def _load_points() -> list[G1Point]:
    data = resources.files("trinode.kzg").joinpath("data", _SETUP_FILE).read_bytes()
    # The digest stands in for 4,096 subgroup checks (0.4 s): these are known points or the package is damaged.
    if hashlib.sha256(data).hexdigest() != _SETUP_SHA256:
        raise KzgError(f"package data {_SETUP_FILE} is damaged: reinstall trinode")
    size = COMMITMENT_SIZE
    return [G1Point.from_compressed_bytes_unchecked(data[at : at + size]) for at in range(0, len(data), size)]


_SETUP = _Setup()


def load_setup() -> None:
    """Load the setup now (0.2 s of CPU, off the event loop) instead of at the first commitment. Thread-safe."""
    _SETUP.points()


def blob_to_commitment(blob: bytes) -> bytes:
    """The KZG commitment (48 bytes, compressed G1) of a blob of 131,072 bytes (EIP-4844 `blob_to_kzg_commitment`).

    Raises `KzgError` if the blob has another size or an element that is not below the BLS modulus. About 60 ms, GIL released.
    """
    if len(blob) != BLOB_SIZE:
        raise KzgError(f"a blob has {BLOB_SIZE} bytes, not {len(blob)}")
    return commit_to_values([blob[at : at + 32] for at in range(0, BLOB_SIZE, 32)])


def commit_to_values(elements: Sequence[bytes]) -> bytes:
    """The commitment to the polynomial with these 4,096 values (32 bytes each) at the roots of unity, in a blob's order.

    Raises `KzgError` if one is not below the BLS modulus.
    """
    used = [index for index, element in enumerate(elements) if element != _ZERO_ELEMENT]
    if not used:
        return G1Point.identity().to_compressed_bytes()
    try:
        scalars = [Scalar.from_be_bytes(elements[index]) for index in used]
    except ValueError as error:
        raise KzgError("a field element of the blob is not below the BLS modulus") from error
    points = _SETUP.points()
    # Zero elements add nothing; most blobs end in many of them.
    return G1Point.multiexp_unchecked([points[index] for index in used], scalars).to_compressed_bytes()


def versioned_hash(commitment: bytes) -> Hash32:
    """The 32-byte name of a commitment in transactions: 0x01, then its SHA-256 without the first byte."""
    if len(commitment) != COMMITMENT_SIZE:
        raise KzgError(f"a commitment has {COMMITMENT_SIZE} bytes, not {len(commitment)}")
    return VERSIONED_HASH_VERSION_KZG + hashlib.sha256(commitment).digest()[1:]


def blob_versioned_hash(blob: bytes) -> Hash32:
    """`versioned_hash(blob_to_commitment(blob))`; raises `KzgError` where the blob has no commitment."""
    return versioned_hash(blob_to_commitment(blob))


def check_blobs(hashes: Sequence[Hash32], blobs: Sequence[bytes]) -> None:
    """Check each blob against the versioned hash at its place, one after the other (see `BlobHasher` for several cores).

    Raises `BlobMismatchError` naming the first that differs, `KzgError` for a wrong count or a blob without a commitment.
    """
    if len(hashes) != len(blobs):
        raise KzgError(f"{len(blobs)} blobs for {len(hashes)} versioned hashes")
    for index, (expected, blob) in enumerate(zip(hashes, blobs, strict=True)):
        actual = blob_versioned_hash(blob)
        if actual != expected:
            raise BlobMismatchError(index, expected, actual)
