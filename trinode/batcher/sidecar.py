"""Blob transactions as they travel between nodes: with blobs, commitments and proofs (EIP-4844, "Networking"; EIP-7594,
"Networking").

Version 0 has one proof a blob; version 1, since L1's Osaka, one for each of the 128 cells of a blob.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trinode.kzg.commitments import blob_to_commitment, versioned_hash
from trinode.kzg.proofs import compute_blob_proof, compute_cell_proofs
from trinode.protocol.rlp_codec import encode_bytes, encode_list
from trinode.protocol.transaction import BlobTransaction, encode_transaction
from trinode.protocol.types import Hash32

BLOB_PROOFS, CELL_PROOFS = 0, 1
"""The versions of a sidecar."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Blobs (131,072 bytes each) with their commitments and proofs."""

    version: int
    blobs: tuple[bytes, ...]
    commitments: tuple[bytes, ...]
    proofs: tuple[bytes, ...]

    @property
    def versioned_hashes(self) -> tuple[Hash32, ...]:
        """The blobs' names, in order."""
        return tuple(map(versioned_hash, self.commitments))


def make_sidecar(blobs: Sequence[bytes], version: int) -> Sidecar:
    """Commitments and proofs of these blobs, 0.15 to 0.2 s of CPU each. Raises KzgError."""
    commitments = tuple(map(blob_to_commitment, blobs))
    if version == CELL_PROOFS:
        proofs = tuple(proof for blob in blobs for proof in compute_cell_proofs(blob))
    else:
        proofs = tuple(map(compute_blob_proof, blobs, commitments))
    return Sidecar(version, tuple(blobs), commitments, proofs)


def encode_with_sidecar(tx: BlobTransaction, sidecar: Sidecar) -> bytes:
    """The network encoding of a signed blob transaction; its hash is that of the transaction alone."""
    body = encode_transaction(tx)[1:]
    version = [bytes([sidecar.version])] if sidecar.version == CELL_PROOFS else []
    lists = [encode_list(map(encode_bytes, items)) for items in (sidecar.blobs, sidecar.commitments, sidecar.proofs)]
    return tx.TYPE_BYTE + encode_list([body, *version, *lists])
