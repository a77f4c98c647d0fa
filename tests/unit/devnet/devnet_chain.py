"""A devnet in a temporary folder with a clock that a test sets, and transactions to its L1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx

from trinode.devnet.accounts import ACCOUNTS, BATCH_INBOX, BATCHER, L1_CHAIN_ID
from trinode.devnet.contracts import selector
from trinode.devnet.devnet import Devnet, open_devnet
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, Retries
from trinode.kzg.commitments import blob_to_commitment, versioned_hash
from trinode.kzg.proofs import compute_blob_proof
from trinode.protocol.blob import encode_blob
from trinode.protocol.rlp_codec import encode_bytes, encode_list
from trinode.protocol.transaction import BlobTransaction, DynamicFeeTransaction, encode_transaction, sign_transaction
from trinode.protocol.types import Address

GENESIS_TIME = 1_800_000_000
GWEI = 10**9
ETHER = 10**18


class SetClock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.time = float(GENESIS_TIME)

    def __call__(self) -> float:
        return self.time


def opened(path: Path, clock: SetClock | None = None) -> Devnet:
    return open_devnet(path / "l1", 2, clock or SetClock())


def word(value: int | bytes) -> bytes:
    return value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, "big")


def encoded(signature: str, *words: int | bytes) -> bytes:
    """A call with arguments of one word each."""
    return selector(signature).to_bytes(4, "big") + b"".join(map(word, words))


def l1_transaction(
    to: Address, *, nonce: int = 0, value: int = 0, data: bytes = b"", gas: int = 500_000, account: int = 0, fee: int = 10 * GWEI
) -> bytes:
    tx = DynamicFeeTransaction(L1_CHAIN_ID, nonce, min(fee, GWEI), fee, gas, to, value, data)
    return encode_transaction(sign_transaction(tx, ACCOUNTS[account].key))


def some_blob(seed: int) -> bytes:
    return encode_blob(Random(seed).randbytes(2_000))


def blob_transaction(blobs: list[bytes], *, nonce: int = 0, fee: int = 10 * GWEI, blob_fee: int = GWEI) -> tuple[bytes, BlobTransaction]:
    """A transaction of the batcher to the inbox, as it travels: with its blobs and one proof for each."""
    commitments = [blob_to_commitment(blob) for blob in blobs]
    proofs = [compute_blob_proof(blob, commitment) for blob, commitment in zip(blobs, commitments, strict=True)]
    names = tuple(versioned_hash(commitment) for commitment in commitments)
    unsigned = BlobTransaction(L1_CHAIN_ID, nonce, GWEI, fee, 100_000, BATCH_INBOX, 0, b"", (), blob_fee, names)
    tx = sign_transaction(unsigned, BATCHER.key)
    assert isinstance(tx, BlobTransaction)
    return with_sidecar(tx, blobs, commitments, proofs), tx


def with_sidecar(tx: BlobTransaction, *lists: list[bytes]) -> bytes:
    return b"\x03" + encode_list([encode_transaction(tx)[1:], *[encode_list(map(encode_bytes, each)) for each in lists]])


@asynccontextmanager
async def endpoint(devnet: Devnet) -> AsyncIterator[Endpoint]:
    """The L1, over HTTP in this process."""
    transport = httpx.ASGITransport(devnet.l1_app)
    found = Endpoint("L1", "http://devnet", concurrency=4, timeout=10, retries=Retries(1), transport=transport)
    try:
        yield found
    finally:
        await found.close()


@asynccontextmanager
async def rpc(devnet: Devnet) -> AsyncIterator[JsonRpc]:
    async with endpoint(devnet) as found:
        yield JsonRpc(found)
