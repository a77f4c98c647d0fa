"""`trinode --datadir DIR` and nothing else: a rollup that takes transactions, posts them to its own L1, and derives them from there."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from trinode.devnet.accounts import ACCOUNTS, OPTIMISM_PORTAL
from trinode.protocol.transaction import encode_transaction, sign_transaction
from trinode.protocol.transaction_types import DynamicFeeTransaction
from trinode.protocol.types import Address

TIMEOUT = 120.0
PORTS = ("http", "ws", "rpc", "devnet.l1")
ETHER = 10**18
SOMEBODY: Address = b"\x22" * 20


class Devnet:
    """A running node. `urls`: where it serves, by what the log calls it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.urls: dict[str, str] = {}
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"(an L1 of its own|JSON-RPC|rollup node's RPC|metrics) at (http://[\d.:]+)", line):
                self.urls.setdefault(found[1], found[2])
            if "derivation begins" in line:
                return
        raise AssertionError("it ended before it began")

    def ask(self, method: str, *params: object, at: str = "JSON-RPC") -> Any:
        answer = httpx.post(self.urls[at], json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, timeout=TIMEOUT).json()
        assert "error" not in answer, answer
        return answer["result"]

    def send(self, raw: bytes, at: str = "JSON-RPC") -> dict[str, Any]:
        """The receipt of a transaction, as soon as it is in a block."""
        sent = self.ask("eth_sendRawTransaction", "0x" + raw.hex(), at=at)
        receipt: dict[str, Any] = until(lambda: self.ask("eth_getTransactionReceipt", sent, at=at))
        assert receipt["status"] == "0x1"
        return receipt


def until(ask: Callable[[], Any]) -> Any:
    """The first answer that is anything."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if found := ask():
            return found
        time.sleep(0.1)
    raise AssertionError("it never came")


@contextmanager
def devnet(folder: Path, *words: str) -> Iterator[Devnet]:
    """The node, killed at the end of the block."""
    arguments = [f"--datadir={folder}", *[f"--{name}.port=0" for name in PORTS], *words]
    with subprocess.Popen([sys.executable, "-m", "trinode.cli", *arguments], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Devnet(process)
        finally:
            process.kill()


def transfer(chain_id: int, nonce: int, to: Address, value: int, gas: int = 21_000, data: bytes = b"") -> bytes:
    tx = DynamicFeeTransaction(chain_id, nonce, 10**6, 10**11, gas, to, value, data)
    return encode_transaction(sign_transaction(tx, ACCOUNTS[1].key))


def safe_and_final(node: Devnet, number: int, label: str) -> bool:
    status = node.ask("optimism_syncStatus", at="rollup node's RPC")
    return bool(status[label] is not None and status[label]["number"] >= number)


def number_of(node: Devnet, label: str) -> int:
    """0: there is none yet."""
    answer = httpx.post(
        node.urls["JSON-RPC"], json={"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": [label, False]}, timeout=TIMEOUT
    ).json()
    return int(answer["result"]["number"], 16) if "result" in answer else 0


def test_a_transaction_becomes_final_and_stays_after_kill_9(tmp_path: Path) -> None:
    with devnet(tmp_path / "data") as node:
        receipt = node.send(transfer(901, 0, SOMEBODY, ETHER))
        number = int(receipt["blockNumber"], 16)
        until(lambda: safe_and_final(node, number, "safe_l2"))
        until(lambda: safe_and_final(node, number, "finalized_l2"))
        assert node.ask("eth_getBalance", "0x" + SOMEBODY.hex(), "finalized") == hex(ETHER)
        node.process.send_signal(signal.SIGKILL)
    with devnet(tmp_path / "data") as node:
        assert node.ask("eth_getTransactionReceipt", receipt["transactionHash"])["blockHash"] == receipt["blockHash"]
        head = int(node.ask("eth_blockNumber"), 16)
        assert head >= number
        until(lambda: int(node.ask("eth_blockNumber"), 16) > head)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(TIMEOUT) == 0


def test_ether_that_is_sent_to_the_portal_on_l1_comes_on_l2(tmp_path: Path) -> None:
    with devnet(tmp_path / "data", "--block-time=1s") as node:
        me = "0x" + ACCOUNTS[1].address.hex()
        before = int(node.ask("eth_getBalance", me, "latest"), 16)
        node.send(transfer(900, 0, OPTIMISM_PORTAL, ETHER, gas=200_000), at="an L1 of its own")
        until(lambda: int(node.ask("eth_getBalance", me, "latest"), 16) == before + ETHER)


def test_instant_blocks_wait_for_no_clock(tmp_path: Path) -> None:
    with devnet(tmp_path / "data", "--block-time=instant", "--metrics.enabled", "--metrics.port=0") as node:
        assert "eth" in node.ask("rpc_modules") and "trinode" in node.ask("web3_clientVersion")
        for nonce in range(5):
            node.send(transfer(901, nonce, SOMEBODY, 1))
        status = node.ask("optimism_syncStatus", at="rollup node's RPC")
        assert status["unsafe_l2"]["number"] >= 5
        metrics = httpx.get(node.urls["metrics"] + "/metrics", timeout=TIMEOUT).text
        assert 'op_node_default_refs_number{layer="l2",type="l2_unsafe"}' in metrics


def test_another_block_time_than_it_was_made_with_is_refused(tmp_path: Path) -> None:
    with devnet(tmp_path / "data"):
        pass
    words = [f"--datadir={tmp_path / 'data'}", "--block-time=1s"]
    done = subprocess.run([sys.executable, "-m", "trinode.cli", *words], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 2 and "has a block every 2 s, not 1 s" in done.stderr


def test_blocks_that_are_taken_back_by_hand_come_again_from_l1(tmp_path: Path) -> None:
    """debug_setHead goes below the safe head: what L1 has of it is derived again, as it was."""
    with devnet(tmp_path, "--block-time=1s", "--http.api=eth,debug") as node:
        node.send(transfer(901, 0, SOMEBODY, ETHER))
        until(lambda: number_of(node, "safe") > number_of(node, "finalized") > 0)
        safe, final = node.ask("eth_getBlockByNumber", "safe", False), number_of(node, "finalized")
        node.ask("debug_setHead", hex(final))
        again = until(lambda: number_of(node, "safe") >= int(safe["number"], 16) and node.ask("eth_getBlockByNumber", safe["number"], False))
        assert again["hash"] == safe["hash"]
        assert until(lambda: number_of(node, "latest") > int(safe["number"], 16))
