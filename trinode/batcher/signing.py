"""Makes batcher transactions: blobs and their proofs in a worker thread, signatures by the batcher's key."""

from __future__ import annotations

from typing import NamedTuple

import trio

from trinode.batcher.channels import Submission
from trinode.batcher.fees import TRANSFER_GAS, calldata_gas
from trinode.batcher.sidecar import encode_with_sidecar, make_sidecar
from trinode.protocol.blob import encode_blob
from trinode.protocol.transaction import (
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    encode_transaction,
    recover_sender,
    sign_transaction,
    transaction_hash,
)
from trinode.protocol.types import Address, Hash32


class SignedSubmission(NamedTuple):
    """A transaction as nodes take it from outside, and its hash."""

    network: bytes
    hash: Hash32


def address_of_key(private_key: bytes) -> Address:
    """The account of a key of 32 bytes."""
    return recover_sender(sign_transaction(LegacyTransaction(0, 0, 0, None, 0, b""), private_key))


class Signer:
    """The account with `private_key` (32 bytes) on an L1 chain; data goes to `inbox`."""

    def __init__(self, private_key: bytes, l1_chain_id: int, inbox: Address, limiter: trio.CapacityLimiter) -> None:
        self._private_key = private_key
        self._chain_id = l1_chain_id
        self._inbox = inbox
        self._limiter = limiter
        self.address = address_of_key(private_key)

    async def sign(self, submission: Submission, sidecar_version: int) -> SignedSubmission:
        """The transaction with the submission's nonce and fees; without payloads an empty one to the account itself.

        Makes its sidecar where it has none of this version.
        """
        assert submission.nonce is not None and submission.fees is not None
        if submission.in_blobs:
            return await self._sign_blobs(submission, sidecar_version)
        fees, (data,) = submission.fees, submission.payloads or (b"",)
        to = self._inbox if submission.payloads else self.address
        unsigned = DynamicFeeTransaction(self._chain_id, submission.nonce, fees.tip, fees.max_fee, calldata_gas(data), to, 0, data)
        raw = encode_transaction(sign_transaction(unsigned, self._private_key))
        return SignedSubmission(raw, transaction_hash(raw))

    async def _sign_blobs(self, submission: Submission, version: int) -> SignedSubmission:
        assert submission.nonce is not None and submission.fees is not None
        if submission.sidecar is None or submission.sidecar.version != version:
            blobs = [encode_blob(payload) for payload in submission.payloads or (b"",)]
            submission.sidecar = await trio.to_thread.run_sync(make_sidecar, blobs, version, limiter=self._limiter)
        sidecar, fees = submission.sidecar, submission.fees
        call = (TRANSFER_GAS, self._inbox if submission.payloads else self.address, 0, b"", ())
        hashes = sidecar.versioned_hashes
        unsigned = BlobTransaction(self._chain_id, submission.nonce, fees.tip, fees.max_fee, *call, fees.max_blob_fee, hashes)
        signed = sign_transaction(unsigned, self._private_key)
        assert isinstance(signed, BlobTransaction)
        return SignedSubmission(encode_with_sidecar(signed, sidecar), transaction_hash(encode_transaction(signed)))
