"""`trinode-harness record` against a real node: anvil as L1, and another as an L2 that has only its genesis block."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from harness.record_command import record
from harness.recording import RecordedL1Block, open_recording
from trinode.protocol.transaction import decode_transaction

PROGRAM = "anvil"
ACCOUNT = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
PORTAL, SYSTEM_CONFIG, INBOX = ("0x" + f"{digit}" * 40 for digit in (1, 2, 3))
# Logs its calldata without topics: CALLDATACOPY(0, 0, CALLDATASIZE), LOG0(0, CALLDATASIZE), STOP.
LOGGING_CODE = "0x366000600037366000a000"

pytestmark = pytest.mark.peers


@contextmanager
def anvil(folder: Path, chain_id: int) -> Iterator[str]:
    """A node that mines when told; its URL."""
    program = shutil.which(PROGRAM, path=os.environ.get("TRINODE_PEERS")) or shutil.which(PROGRAM)
    if program is None:
        pytest.skip(f"{PROGRAM} is neither in the folder TRINODE_PEERS nor on PATH")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The time makes the genesis blocks differ.
    options = ["--port", str(port), "--chain-id", str(chain_id), "--timestamp", str(1_700_000_000 + chain_id), "--hardfork", "prague", "--no-mining"]
    with (folder / f"{chain_id}.log").open("w") as log, subprocess.Popen([program, *options], stdout=log, stderr=log) as process:
        try:
            yield wait_for(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


def wait_for(url: str) -> str:
    end = time.monotonic() + 20
    while True:
        try:
            ask(url, "eth_chainId")
        except httpx.TransportError:
            assert time.monotonic() < end, "anvil does not answer"
            time.sleep(0.1)
        else:
            return url


def ask(url: str, method: str, *params: Any) -> Any:
    reply = httpx.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).json()
    assert "error" not in reply, reply
    return reply["result"]


def rollup_config(l1: dict[str, Any], l2: dict[str, Any]) -> dict[str, Any]:
    def block(of: dict[str, Any]) -> dict[str, Any]:
        return {"hash": of["hash"], "number": int(of["number"], 16)}

    return {
        "genesis": {
            "l1": block(l1),
            "l2": block(l2),
            "l2_time": int(l2["timestamp"], 16),
            "system_config": {"batcherAddr": ACCOUNT, "overhead": "0x" + "00" * 32, "scalar": "0x" + "00" * 31 + "01", "gasLimit": 30_000_000},
        },
        "block_time": 2,
        "max_sequencer_drift": 600,
        "seq_window_size": 3600,
        "channel_timeout": 300,
        "l1_chain_id": 31337,
        "l2_chain_id": 31338,
        "regolith_time": 0,
        "batch_inbox_address": INBOX,
        "deposit_contract_address": PORTAL,
        "l1_system_config_address": SYSTEM_CONFIG,
    }


def mine_all_kinds(url: str) -> None:
    """Blocks 1 to 4: three transactions to the inbox, to the portal (which logs), three creations; nothing."""
    ask(url, "anvil_setCode", PORTAL, LOGGING_CODE)
    kinds: list[dict[str, Any]] = [
        {"gasPrice": "0x77359400"},
        {"gasPrice": "0x77359400", "accessList": [{"address": INBOX, "storageKeys": ["0x" + "00" * 32]}]},
        {"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"},
    ]
    for fields in ({"to": INBOX, "input": "0x1234"}, {"to": PORTAL, "input": "0x1234"}, {"input": "0x00"}):
        for kind in kinds:
            ask(url, "eth_sendTransaction", {"from": ACCOUNT, "gas": "0x186a0", **fields, **kind})
        ask(url, "evm_mine")
    ask(url, "evm_mine")


def test_blocks_of_anvil(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl.gz"
    files = ["--rollup-config", str(tmp_path / "rollup.json"), "--l1-chain-config", str(tmp_path / "l1.json")]
    with anvil(tmp_path, 31337) as l1, anvil(tmp_path, 31338) as l2:
        mine_all_kinds(l1)
        geneses = [ask(url, "eth_getBlockByNumber", "0x0", False) for url in (l1, l2)]
        (tmp_path / "rollup.json").write_text(json.dumps(rollup_config(*geneses)))
        schedule = [{"name": "prague", "time": 0, "target": 6, "max": 9, "update_fraction": 5007716}]
        (tmp_path / "l1.json").write_text(json.dumps({"chain_id": 31337, "blob_schedule": schedule}))
        arguments = [str(output), "--l1", l1, "--l2", l2, "--l1-to", "4", "--l2-to", "0", *files]
        result = CliRunner().invoke(record, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    with open_recording(output) as reader:
        blocks = [item.block for item in reader if isinstance(item, RecordedL1Block)]
    assert [(block.header.number, len(block.transactions)) for block in blocks] == [(0, 0), (1, 3), (2, 3), (3, 3), (4, 0)]
    kinds = sorted(type(decode_transaction(raw)).__name__ for raw in blocks[1].transactions)
    assert kinds == ["AccessListTransaction", "DynamicFeeTransaction", "LegacyTransaction"]
    # Receipts only where the portal logged.
    assert [None if block.receipts is None else len(block.receipts) for block in blocks] == [None, None, 3, None, None]
