"""Transactions as they come to the devnet's L1: blob transactions with their blobs (EIP-4844 and EIP-7594, "Networking").

Blobs are checked against what was signed by computing their commitments. A proof of a whole blob is computed again too, since there is
only one right one. Cell proofs are counted, not verified: that takes tables of which the setup costs seconds, and here nobody samples
cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from trinode.devnet.accounts import L1_CHAIN_ID
from trinode.devnet.l1_rules import MAX_BLOBS_PER_TRANSACTION, MAX_TRANSACTION_GAS, max_fees
from trinode.execution.intrinsic import floor_gas, intrinsic_gas
from trinode.execution.rules import EvmFork
from trinode.kzg.commitments import VERSIONED_HASH_VERSION_KZG, KzgError, blob_to_commitment, versioned_hash
from trinode.kzg.proofs import CELLS_PER_BLOB, compute_blob_proof
from trinode.protocol.blob import BLOB_SIZE
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.rlp_codec import RlpDecodingError, decode_list, encode, to_bytes, to_list
from trinode.protocol.transaction import (
    BlobTransaction,
    SetCodeTransaction,
    SignatureError,
    SignedTransaction,
    TransactionDecodingError,
    decode_transaction,
    recover_sender,
    transaction_hash,
)
from trinode.protocol.types import Address, Hash32

_BLOB_TYPE = 3
_FIELDS_WITHOUT_BLOBS = 14
_WITH_BLOB_PROOFS, _WITH_CELL_PROOFS = 4, 5
_POINT = 48


class TransactionNotTaken(Exception):
    """The transaction is refused, in geth's words where it has any."""


@dataclass(frozen=True, slots=True)
class WaitingTransaction:
    """A transaction on its way into a block. `raw` as it stands there, `wire` as it came; `blobs` of 131,072 bytes."""

    wire: bytes
    raw: bytes
    hash: Hash32
    transaction: SignedTransaction
    sender: Address
    blobs: tuple[bytes, ...] = ()


def read_transaction(wire: bytes, *, is_checked: bool = False) -> WaitingTransaction:
    """The transaction, which could be in some block: what depends on a state is not looked at. Takes 0.15 s a blob.

    `is_checked`: it was read here before. Raises TransactionNotTaken.
    """
    try:
        raw, sidecar = _without_sidecar(wire)
        transaction = decode_transaction(raw)
        if isinstance(transaction, DepositTransaction):
            raise TransactionNotTaken("transaction type not supported")
        sender = recover_sender(transaction)
    except SignatureError as error:
        raise TransactionNotTaken(f"invalid sender: {error}") from error
    except (TransactionDecodingError, RlpDecodingError) as error:
        raise TransactionNotTaken(f"rlp: {error}") from error
    waiting = WaitingTransaction(wire, raw, transaction_hash(raw), transaction, sender, sidecar.blobs)
    if not is_checked:
        _check(transaction)
        _check_sidecar(transaction, sidecar)
    return waiting


@dataclass(frozen=True, slots=True)
class _Sidecar:
    blobs: tuple[bytes, ...] = ()
    commitments: tuple[bytes, ...] = ()
    proofs: tuple[bytes, ...] = ()
    has_cell_proofs: bool = False


def _without_sidecar(wire: bytes) -> tuple[bytes, _Sidecar]:
    """The transaction alone, and what came with it. Raises RlpDecodingError."""
    if wire[:1] != bytes([_BLOB_TYPE]):
        return wire, _Sidecar()
    fields = decode_list(wire[1:])
    if len(fields) == _FIELDS_WITHOUT_BLOBS:
        return wire, _Sidecar()
    if len(fields) not in (_WITH_BLOB_PROOFS, _WITH_CELL_PROOFS):
        raise RlpDecodingError(f"{len(fields)} parts in a blob transaction with its blobs, not 4 or 5")
    has_cell_proofs = len(fields) == _WITH_CELL_PROOFS
    if has_cell_proofs and to_bytes(fields[1]) != b"\x01":
        raise RlpDecodingError("unknown version of a blob sidecar")
    blobs, commitments, proofs = [tuple([to_bytes(item) for item in to_list(field)]) for field in fields[-3:]]
    return wire[:1] + encode(to_list(fields[0])), _Sidecar(blobs, commitments, proofs, has_cell_proofs)


def _check(tx: SignedTransaction) -> None:
    if tx.chain_id != L1_CHAIN_ID:
        # Without replay protection too: this chain is younger than EIP-155.
        _refuse(f"invalid chain id for signer: have {tx.chain_id} want {L1_CHAIN_ID}")
    if isinstance(tx, SetCodeTransaction):
        _refuse("the devnet's L1 runs no code: it takes no set-code transactions")
    if tx.to is None:
        _refuse("the devnet's L1 runs no code: it takes no contract creations")
    if tx.gas_limit > MAX_TRANSACTION_GAS:
        _refuse(f"transaction gas limit too high (cap: {MAX_TRANSACTION_GAS}, tx: {tx.gas_limit})")
    needed = max(intrinsic_gas(tx, EvmFork.OSAKA), floor_gas(tx, EvmFork.OSAKA))
    if tx.gas_limit < needed:
        _refuse(f"intrinsic gas too low: gas {tx.gas_limit}, minimum needed {needed}")
    most, tip = max_fees(tx)
    if tip > most:
        _refuse("max priority fee per gas higher than max fee per gas")


def _check_sidecar(tx: SignedTransaction, sidecar: _Sidecar) -> None:
    if not isinstance(tx, BlobTransaction):
        return
    hashes = tx.blob_versioned_hashes
    if not 0 < len(hashes) <= MAX_BLOBS_PER_TRANSACTION:
        _refuse(f"{len(hashes)} blobs in a transaction, 1 to {MAX_BLOBS_PER_TRANSACTION} are taken")
    if not sidecar.blobs:
        _refuse("missing sidecar in blob transaction")
    proofs = len(hashes) * (CELLS_PER_BLOB if sidecar.has_cell_proofs else 1)
    counts = len(sidecar.blobs), len(sidecar.commitments), len(sidecar.proofs)
    if counts != (len(hashes), len(hashes), proofs):
        _refuse(f"{counts[0]} blobs, {counts[1]} commitments and {counts[2]} proofs in the sidecar of {len(hashes)} blobs")
    if any(len(blob) != BLOB_SIZE for blob in sidecar.blobs) or any(len(proof) != _POINT for proof in sidecar.proofs):
        _refuse("a blob or a proof in the sidecar has another size")
    for index, (name, blob, commitment) in enumerate(zip(hashes, sidecar.blobs, sidecar.commitments, strict=True)):
        proof = None if sidecar.has_cell_proofs else sidecar.proofs[index]
        _check_blob(index, name, blob, commitment, proof)


def _check_blob(index: int, name: Hash32, blob: bytes, commitment: bytes, proof: bytes | None) -> None:
    try:
        if name[:1] != VERSIONED_HASH_VERSION_KZG or blob_to_commitment(blob) != commitment or versioned_hash(commitment) != name:
            _refuse(f"invalid blob {index} in sidecar: it is not what its versioned hash 0x{name.hex()} names")
        if proof is not None and compute_blob_proof(blob, commitment) != proof:
            _refuse(f"invalid blob proof {index} in sidecar")
    except KzgError as error:
        _refuse(f"invalid blob {index} in sidecar: {error}")


def _refuse(message: str) -> NoReturn:
    raise TransactionNotTaken(message)


def check_replacement(old: SignedTransaction, new: SignedTransaction) -> None:
    """A transaction in the place of another must pay a tenth more, one with blobs twice as much. Raises TransactionNotTaken."""
    if isinstance(old, BlobTransaction) != isinstance(new, BlobTransaction):
        _refuse("address already reserved")
    least: Callable[[int], int] = (lambda fee: 2 * fee) if isinstance(old, BlobTransaction) else (lambda fee: fee + fee // 10)
    fees = list(zip(_all_fees(old), _all_fees(new), strict=True))
    if any(theirs < least(ours) for ours, theirs in fees) or all(ours == theirs for ours, theirs in fees):
        _refuse("replacement transaction underpriced")


def _all_fees(tx: SignedTransaction) -> tuple[int, ...]:
    return (*max_fees(tx), tx.max_fee_per_blob_gas) if isinstance(tx, BlobTransaction) else max_fees(tx)
