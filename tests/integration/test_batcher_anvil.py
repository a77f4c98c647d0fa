"""Batcher transactions against Anvil: it takes them, blobs and proofs included, and says what we expect it to say."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trinode.batcher.channels import Submission
from trinode.batcher.fees import Fees
from trinode.batcher.l1_sender import L1Unavailable, Refusal, TransactionRefused
from trinode.batcher.rpc_sender import RpcL1Sender
from trinode.batcher.sidecar import BLOB_PROOFS, CELL_PROOFS
from trinode.batcher.signing import Signer
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, Retries

pytestmark = pytest.mark.peers

KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # Anvil's first account, known to all
INBOX = bytes.fromhex("ff00000000000000000000000000000000000901")
CHAIN_ID = 900
FEES = Fees(10**9, 10**10, 10**10)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def anvil(*arguments: str) -> AsyncIterator[RpcL1Sender]:
    """Anvil, and a sender with a dead endpoint before it."""
    program = shutil.which("anvil", path=os.environ.get("TRINODE_PEERS")) or shutil.which("anvil")
    if program is None:
        pytest.skip("anvil is not in TRINODE_PEERS or on PATH")
    port = free_port()
    command = [program, "--port", str(port), "--chain-id", str(CHAIN_ID), "--no-mining", *arguments]
    endpoints = [
        Endpoint("L1", f"http://127.0.0.1:{number}", concurrency=2, timeout=60, retries=Retries(1)) for number in (free_port(), port)
    ]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(lambda task_status: trio.run_process(command, stdout=subprocess.DEVNULL, task_status=task_status))
        sender = RpcL1Sender([JsonRpc(endpoint) for endpoint in endpoints])
        with trio.fail_after(20):
            while True:
                try:
                    await sender.chain_id()
                    break
                except L1Unavailable:
                    await trio.sleep(0.1)
        yield sender
        nursery.cancel_scope.cancel()
    assert process.returncode is not None
    for endpoint in endpoints:
        await endpoint.close()


async def mine(sender: RpcL1Sender) -> None:
    await sender._call("evm_mine", [], lambda _: None)


def signer() -> Signer:
    return Signer(KEY, CHAIN_ID, INBOX, trio.CapacityLimiter(1))


async def test_calldata_and_blobs_are_included() -> None:
    async with anvil("--hardfork", "prague") as sender:
        account = signer()
        assert await sender.chain_id() == CHAIN_ID
        assert await sender.tip() >= 0
        hashes = []
        for nonce, in_blobs in enumerate((False, True)):
            payloads = (b"\x00first", b"\x00second") if in_blobs else (b"\x00data" * 100,)
            signed = await account.sign(Submission(payloads, in_blobs, nonce=nonce, fees=FEES), BLOB_PROOFS)
            await sender.send(signed.network)
            hashes.append(signed.hash)
            assert await sender.inclusion(signed.hash) is None
            assert await sender.nonce(account.address, pending=False) == nonce
            assert await sender.nonce(account.address, pending=True) == nonce + 1
            await mine(sender)
        head = await sender.head()
        assert [await sender.inclusion(name) for name in hashes][-1] == head.id
        assert head.number == 2 and head.base_fee > 0 and head.excess_blob_gas is not None


async def refusal(sender: RpcL1Sender, account: Signer, submission: Submission, version: int = BLOB_PROOFS) -> Refusal | None:
    try:
        await sender.send((await account.sign(submission, version)).network)
    except TransactionRefused as error:
        return error.refusal
    return None


async def test_its_refusals_are_understood() -> None:
    async with anvil("--hardfork", "prague") as sender:
        account = signer()

        def data(nonce: int, fees: Fees = FEES) -> Submission:
            return Submission((b"\x00data",), False, nonce=nonce, fees=fees)

        assert await refusal(sender, account, data(0)) is None
        assert await refusal(sender, account, data(0)) is Refusal.ALREADY_KNOWN
        assert await refusal(sender, account, data(0, FEES._replace(tip=FEES.tip + 1))) is Refusal.REPLACEMENT_UNDERPRICED
        await mine(sender)
        assert await refusal(sender, account, data(0)) is Refusal.NONCE_TOO_LOW
        assert await refusal(sender, account, data(1, Fees(0, 1, 0))) is Refusal.UNDERPRICED
        assert await refusal(sender, account, data(1, Fees(1, 10**30, 0))) is Refusal.INSUFFICIENT_FUNDS


@pytest.mark.parametrize(("hardfork", "version"), [("prague", BLOB_PROOFS), ("osaka", CELL_PROOFS)])
async def test_the_forks_sidecar_is_taken(hardfork: str, version: int) -> None:
    async with anvil("--hardfork", hardfork) as sender:
        submission = Submission((b"\x00blob",), True, nonce=0, fees=FEES)
        assert await refusal(sender, signer(), submission, version) is None
