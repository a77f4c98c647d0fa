"""JSON-RPC over HTTP beside op-geth, on the same chain in the same run: requests in a second and latencies, at rest and during execution."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from bench.rpc_chain import BLOCKS, BUSY_TRANSFERS, MANY, BenchChain
from bench.workloads import SHARED, TOKEN, holder_address
from harness.engine_differential.op_geth import OpGeth, find_geth
from harness.engine_differential.op_geth_chain import OpGethChain
from trinode.protocol.keccak import keccak256

_CONNECTIONS = 16
_SECONDS = 4.0
_TRANSFER_EVENT = "0x" + keccak256(b"Transfer(address,address,uint256)").hex()


def _padded(address: bytes) -> str:
    return "0x" + address.rjust(32, b"\0").hex()


_BALANCE_OF = {"to": "0x" + TOKEN.hex(), "data": "0x70a08231" + _padded(holder_address(1))[2:]}
_LOGS = {
    "fromBlock": "0x1",
    "toBlock": hex(BLOCKS),
    "address": "0x" + TOKEN.hex(),
    "topics": [_TRANSFER_EVENT, None, _padded(holder_address(77))],
}
_ASKED: dict[str, tuple[str, list[Any]]] = {
    "eth_blockNumber": ("eth_blockNumber", []),
    f"latest block, {MANY} transfers": ("eth_getBlockByNumber", ["latest", True]),
    f"its receipts, {MANY}": ("eth_getBlockReceipts", ["latest"]),
    "eth_call balanceOf": ("eth_call", [_BALANCE_OF, "latest"]),
    f"eth_getLogs, {BLOCKS} blocks": ("eth_getLogs", [_LOGS]),
}
_WHILE_BUSY = ("eth_blockNumber", f"latest block, {MANY} transfers", "eth_call balanceOf")


class _WithLogIndex(OpGeth):
    """As its users start it, at no lower priority."""

    def _options(self, folder: Path, chain_id: int) -> list[str]:
        return [each for each in super()._options(folder, chain_id) if each != "--history.logs.disable"]

    @property
    def port(self) -> int:
        """Of its HTTP for users."""
        return self._http_port


def main() -> None:
    """Print the figures."""
    if not (SHARED / "spikes" / "erc20.json").is_file():
        print("rpc: skipped, the token is absent")
        return
    print(f"rpc: {_CONNECTIONS} connections, {_SECONDS:g} s each; per core: of the server's CPU time")
    with TemporaryDirectory(prefix="trinode-bench-") as folder, _our_node(Path(folder) / "store") as (node, port, head):
        ours = {name: _measure("trinode", name, port, node.pid) for name in _ASKED}
        _busy(node, port)
    program = find_geth()
    if program is None:
        print("  op-geth beside it: skipped, there is no geth in TRINODE_PEERS or on PATH")
        return
    bench = BenchChain()
    geth = _WithLogIndex(program, bench.genesis_json)
    with geth:
        chain = OpGethChain(geth, bench.config)
        for attributes in bench.all():
            chain.adopt(chain.build(attributes))
        assert chain.head.hex() == head, "both have the same chain"
        theirs = {name: _measure("op-geth", name, geth.port, geth.pid) for name in _ASKED}
    for name in _ASKED:
        print(f"  {name:26} trinode/op-geth: {ours[name][0] / theirs[name][0]:.2f} in wall time, {ours[name][1] / theirs[name][1]:.2f} per core")


@contextmanager
def _our_node(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    words = [sys.executable, "-m", "bench.rpc_node", str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        port, head = _line(node.stdout).split()
        try:
            yield node, int(port), head
        finally:
            _pipe(node.stdin).close()


def _busy(node: subprocess.Popen[str], port: int) -> None:
    for name in _WHILE_BUSY:
        _tell(node)
        _measure("trinode, executing", name, port, node.pid)
        _tell(node)
        blocks, gas, seconds = _line(node.stdout).split()
        shown = f"{blocks} blocks of {int(gas) / 1e6 / max(1, int(blocks)):.0f} Mgas ({BUSY_TRANSFERS} transfers)"
        print(f"    meanwhile {shown}, {int(gas) / 1e6 / float(seconds):.0f} Mgas/s")


def _measure(who: str, name: str, port: int, pid: int) -> tuple[float, float]:
    """Answers in a second of wall time, and in a second of the server's CPU time."""
    method, params = _ASKED[name]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    before = _cpu_seconds(pid)
    words = [sys.executable, "-m", "bench.load", str(port), str(_SECONDS), str(_CONNECTIONS)]
    found = json.loads(subprocess.run(words, input=body, capture_output=True, text=True, check=True).stdout)
    cpu = _cpu_seconds(pid) - before
    rate, per_core = found["answers"] / found["seconds"], found["answers"] / cpu
    latency = f"p50 {found['p50'] * 1e3:6.1f}, p99 {found['p99'] * 1e3:6.1f} ms"
    used = f"{cpu / found['seconds']:.2f} cores, {found['own_cores']:.2f} for measuring"
    print(f"  {who:18} {name:26} {rate:8,.0f}/s, {per_core:8,.0f} per core; {latency}; {used}")
    return rate, per_core


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process (Linux: proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _tell(node: subprocess.Popen[str]) -> None:
    stdin = _pipe(node.stdin)
    stdin.write("\n")
    stdin.flush()


def _line(pipe: IO[str] | None) -> str:
    line = _pipe(pipe).readline()
    if not line:
        raise RuntimeError("the node is gone")
    return line


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
