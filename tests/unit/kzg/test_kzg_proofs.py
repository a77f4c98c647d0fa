"""Proofs for blobs, against ckzg, the consensus clients' own library."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import pytest

from tests.unit.kzg.test_kzg import BLS_MODULUS, random_blob, upstream_setup
from trinode.kzg.commitments import KzgError, blob_to_commitment
from trinode.kzg.proofs import blob_challenge, compute_blob_proof, compute_cell_proofs, quotient
from trinode.protocol.blob import BLOB_SIZE, encode_blob

ckzg = pytest.importorskip("ckzg")


@cache
def setup() -> Any:
    return ckzg.load_trusted_setup(str(upstream_setup()), 0)


BLOBS = {
    "random": random_blob(1),
    "a few elements": random_blob(2, 5),
    "batcher data": encode_blob(Random(3).randbytes(100_000)),
    "zero": bytes(BLOB_SIZE),
    "constant": (5).to_bytes(32, "big") * 4096,
    "largest": (BLS_MODULUS - 1).to_bytes(32, "big") * 4096,
}


@pytest.mark.parametrize("name", BLOBS)
def test_a_blob_proof_is_ckzgs(name: str) -> None:
    blob = BLOBS[name]
    commitment = blob_to_commitment(blob)
    proof = compute_blob_proof(blob, commitment)
    assert proof == ckzg.compute_blob_kzg_proof(blob, commitment, setup())
    assert ckzg.verify_blob_kzg_proof(blob, commitment, proof, setup())


def test_cell_proofs_are_right() -> None:
    blob = BLOBS["batcher data"]
    proofs = compute_cell_proofs(blob)
    cells = ckzg.compute_cells(blob, setup())
    commitments = [blob_to_commitment(blob)] * 128
    assert len(proofs) == 128
    assert ckzg.verify_cell_kzg_proof_batch(commitments, list(range(128)), cells, proofs, setup())


def test_what_is_no_blob_has_no_proof() -> None:
    too_large = BLS_MODULUS.to_bytes(32, "big").rjust(BLOB_SIZE, b"\0")
    infinity = b"\xc0" + bytes(47)
    for blob in (b"", bytes(BLOB_SIZE - 1)):
        with pytest.raises(KzgError, match="131072"):
            compute_blob_proof(blob, infinity)
        with pytest.raises(KzgError, match="131072"):
            compute_cell_proofs(blob)
    with pytest.raises(KzgError, match="48 bytes"):
        compute_blob_proof(bytes(BLOB_SIZE), b"")
    with pytest.raises(KzgError, match="modulus"):
        compute_blob_proof(too_large, infinity)
    with pytest.raises(KzgError, match="ckzg"):
        compute_cell_proofs(too_large)


def test_a_root_of_unity_is_refused_as_point() -> None:
    with pytest.raises(ValueError, match="not invertible"):
        quotient([1] * 4096, 1)
    assert blob_challenge(BLOBS["zero"], b"\xc0" + bytes(47)) > 4096
