"""The sender over JSON-RPC: which endpoint is asked, what answers mean; and the network form of blob transactions."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.unit.batcher.batcher_network import KEY, read_network_form
from tests.unit.kzg.test_kzg_proofs import ckzg, setup
from trinode.batcher.channels import Submission
from trinode.batcher.fees import Fees
from trinode.batcher.l1_sender import L1Unavailable, Refusal, TransactionRefused
from trinode.batcher.rpc_sender import RpcL1Sender, classify_refusal
from trinode.batcher.sidecar import BLOB_PROOFS, CELL_PROOFS, make_sidecar
from trinode.batcher.signing import Signer, address_of_key
from trinode.jsonrpc.calls import MethodMissingError, RpcRefusedError
from trinode.jsonrpc.endpoint import Read, UnavailableError, WrongAnswerError
from trinode.jsonrpc.replies import RpcJsonError
from trinode.protocol.blob import decode_blob, encode_blob
from trinode.protocol.transaction import recover_sender
from trinode.protocol.types import BlockId


class Scripted:
    """In place of `JsonRpc`: gives what it is told for each method, or raises it."""

    def __init__(self, **results: Any) -> None:
        self.results = results
        self.asked: list[str] = []

    async def call(self, method: str, params: list[Any], read: Read[Any], *, patient: bool = True) -> Any:
        self.asked.append(method)
        result = self.results[method]
        if isinstance(result, Exception):
            raise result
        try:
            return read(result)
        except RpcJsonError as error:
            raise WrongAnswerError("L1", method, error.field, error.message) from error


def sender(*endpoints: Scripted) -> RpcL1Sender:
    return RpcL1Sender(endpoints)  # type: ignore[arg-type]


def silence() -> UnavailableError:
    return UnavailableError("L1 http://a", "eth_chainId", "no connection", None)


async def test_the_next_endpoint_is_asked_and_kept() -> None:
    first, second = Scripted(eth_chainId=silence()), Scripted(eth_chainId="0x7")
    both = sender(first, second)
    assert [await both.chain_id(), await both.chain_id()] == [7, 7]
    assert (len(first.asked), len(second.asked)) == (1, 2)
    with pytest.raises(L1Unavailable, match=r"http://a: eth_chainId: no connection; L1: .*hex number"):
        await sender(first, Scripted(eth_chainId="seven")).chain_id()
    with pytest.raises(ValueError, match="no L1 endpoint"):
        sender()


async def test_a_refusal_is_an_answer() -> None:
    no = RpcRefusedError("L1", "eth_sendRawTransaction", -32000, "nonce too low: next nonce 5, tx nonce 3")
    first, second = Scripted(eth_sendRawTransaction=no), Scripted(eth_sendRawTransaction="0x00")
    with pytest.raises(TransactionRefused, match="nonce too low") as refused:
        await sender(first, second).send(b"\x02")
    assert refused.value.refusal is Refusal.NONCE_TOO_LOW
    assert not second.asked
    await sender(Scripted(eth_sendRawTransaction=silence()), second).send(b"\x02")
    assert second.asked


async def test_what_is_not_there() -> None:
    missing = MethodMissingError("L1", "eth_maxPriorityFeePerGas", "", "error -32601: the method does not exist")
    some = sender(Scripted(eth_maxPriorityFeePerGas=missing, eth_getTransactionReceipt=None))
    assert await some.tip() == 10**9
    assert await some.inclusion(bytes(32)) is None
    pending = sender(Scripted(eth_getTransactionReceipt={"blockHash": None}))
    assert await pending.inclusion(bytes(32)) is None
    included = sender(Scripted(eth_getTransactionReceipt={"blockHash": "0x" + "11" * 32, "blockNumber": "0x10"}))
    assert await included.inclusion(bytes(32)) == BlockId(16, b"\x11" * 32)


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        ("error -32000: already known", Refusal.ALREADY_KNOWN),
        ("transaction already imported", Refusal.ALREADY_KNOWN),
        ("replacement transaction underpriced: new tx gas fee cap 1 <= 2 queued", Refusal.REPLACEMENT_UNDERPRICED),
        ("transaction underpriced: gas tip cap 0, minimum needed 1", Refusal.UNDERPRICED),
        ("max fee per gas less than block base fee: address 0x00", Refusal.UNDERPRICED),
        ("insufficient funds for gas * price + value: balance 0", Refusal.INSUFFICIENT_FUNDS),
        ("address already reserved", Refusal.ALREADY_RESERVED),
        ("unexpected sidecar version, want: 1, got: 0", Refusal.SIDECAR_VERSION),
        ("failed to decode signed transaction", Refusal.SIDECAR_VERSION),
        ("nonce too high: tx nonce 5, gapped nonce 3", Refusal.NONCE_TOO_HIGH),
        ("txpool is full", Refusal.BUSY),
        ("something else", Refusal.OTHER),
    ],
)
def test_words_of_refusals(message: str, refusal: Refusal) -> None:
    assert classify_refusal(message) is refusal


@pytest.mark.parametrize("version", [BLOB_PROOFS, CELL_PROOFS])
async def test_the_network_form_of_blobs(no_threads: None, autojump_clock: MockClock, version: int) -> None:
    signer = Signer(KEY, 900, b"\xff" * 20, trio.CapacityLimiter(1))
    submission = Submission((b"\x00one", b"\x00two"), True, nonce=3, fees=Fees(1, 2, 3))
    signed = await signer.sign(submission, version)
    read = read_network_form(signed.network)
    assert (read.hash, read.sidecar_version) == (signed.hash, version)
    assert recover_sender(read.tx) == signer.address == address_of_key(KEY)
    assert [decode_blob(blob) for blob in read.blobs.values()] == [b"\x00one", b"\x00two"]
    assert read.offers == (1, 2, 3)
    assert (await signer.sign(submission, version)).network == signed.network


@pytest.mark.parametrize("version", [BLOB_PROOFS, CELL_PROOFS])
def test_sidecars_are_valid(version: int) -> None:
    blobs = [encode_blob(b"one"), encode_blob(b"two" * 9000)]
    sidecar = make_sidecar(blobs, version)
    if version == BLOB_PROOFS:
        joined = (b"".join(blobs), b"".join(sidecar.commitments), b"".join(sidecar.proofs))
        assert ckzg.verify_blob_kzg_proof_batch(*joined, setup())
        return
    cells = [cell for blob in blobs for cell in ckzg.compute_cells(blob, setup())]
    commitments = [commitment for commitment in sidecar.commitments for _ in range(128)]
    assert ckzg.verify_cell_kzg_proof_batch(commitments, list(range(128)) * 2, cells, list(sidecar.proofs), setup())
