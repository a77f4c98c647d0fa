"""`trinode --engine stateless` as a command, on the witnesses of a real op-geth that holds the chain of all forks: `tox -e peers`."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.node_process import ANY_PORTS, NodeProcess
from harness.peers.op_geth import PROGRAM, OpGethNode
from harness.peers.process import call, wait_until
from harness.peers.trinode_node import TrinodeNode
from tests.lying_proxy import Json, LyingProxy, Refusal, honest
from tests.recorded_network import TIMEOUT, RecordedNetwork, peer, recorded_network
from trinode.jsonrpc.header_object import header_object
from trinode.jsonrpc.replies import JsonObject, header_of
from trinode.protocol.header import header_hash
from trinode.rollup.json_fields import to_hex

pytestmark = pytest.mark.peers

WITNESS = "debug_executionWitness"
POLL = 0.1
BAD = 120
"""The block from which on a remote lies."""


@dataclass(frozen=True)
class FullNode:
    """op-geth with the whole recorded chain, and the L1 that it came from."""

    network: RecordedNetwork
    geth: OpGethNode


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullNode]:
    """The chain comes from our node, which drives op-geth through its Engine API."""
    program = peer(PROGRAM)
    with recorded_network(tmp_path_factory.mktemp("full")) as network:
        geth = OpGethNode(program, network.folder / "op-geth", network.genesis(), network.secret_file, archive=True)
        words = {"l2": geth.engine_url, "l2.jwt-secret": network.secret_file, **of_chain(network)}
        with geth:
            with TrinodeNode(network.folder / "trinode", words) as node:
                rpc = node.address("rpc")
                wait_until(lambda: safe_number(call(rpc, "optimism_syncStatus")) == network.last, TIMEOUT, node, geth)
                assert node.stop() == 0
            yield FullNode(network, geth)


@pytest.fixture
def proxy(full: FullNode) -> Iterator[LyingProxy]:
    with LyingProxy(full.geth.url).serving() as proxy:
        yield proxy


def of_chain(network: RecordedNetwork) -> dict[str, object]:
    server = network.server
    asked_often = dict.fromkeys(("l1.http-poll-interval", "l1.epoch-poll-interval"), "1s")
    files = {"rollup.config": network.rollup, "rollup.l1-chain-config": network.l1_chain}
    return {**files, "l1": server.url("l1"), "l1.beacon": server.url("beacon"), **asked_often}


def stateless(full: FullNode, proxy: LyingProxy, folder: Path, output: str | None = None) -> NodeProcess:
    """The command, without a genesis.json: it has no use for one. `output`: where to begin, and what vouches for it."""
    words = {"engine": "stateless", "l2.witness": proxy.url, "datadir": folder, **of_chain(full.network)}
    if output is not None:
        words["l2.trusted-output"] = output
    return NodeProcess([*[f"--{name}={value}" for name, value in words.items()], *ANY_PORTS])


def safe_number(status: Json) -> int:
    return int(status["safe_l2"]["number"])


def status_of(node: NodeProcess) -> Json:
    return node.call("optimism_syncStatus", server="rpc")


def wait_for(node: NodeProcess, holds: Callable[[Json], bool]) -> Json:
    """The node's status, once that holds."""
    end = time.monotonic() + TIMEOUT
    while not holds(status := status_of(node)):
        assert time.monotonic() < end, "\n".join(node.lines)
        time.sleep(POLL)
    return status


def wait_for_the_end(full: FullNode, node: NodeProcess) -> None:
    """The safe head is the recorded one."""
    last = full.network.last
    status = wait_for(node, lambda status: safe_number(status) >= last)
    assert status["safe_l2"]["hash"] == full.network.hash_of(last)


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_it_verifies_the_chain_is_stopped_and_goes_on(full: FullNode, proxy: LyingProxy, tmp_path: Path) -> None:
    with stateless(full, proxy, tmp_path / "data") as node:
        wait_for_the_end(full, node)
        print(f"stateless: {full.network.last} blocks, {proxy.asked[WITNESS]} witnesses, {node.usage().resident >> 20} MiB resident")
        assert proxy.asked[WITNESS] < 1.2 * full.network.last
        complaints = [line for line in node.lines if proxy.address in line]
        # op-geth leaves out what a deletion in a trie needs besides.
        assert [line for line in complaints if "which it proves if asked; nothing more is said of such" not in line] == []
        assert len(complaints) <= 1 and not [line for line in node.lines if "[error]" in line]
        assert node.stop()[0] == 0
    print(f"stateless: {size_of(tmp_path / 'data') >> 10} KiB in the datadir")
    assert size_of(tmp_path / "data") < 8 << 20
    proxy.asked.clear()
    with stateless(full, proxy, tmp_path / "data") as node:
        wait_for_the_end(full, node)
        assert proxy.asked[WITNESS] == 0
        assert node.stop(signal.SIGINT)[0] == 0


def test_kill_9_loses_little(full: FullNode, proxy: LyingProxy, tmp_path: Path) -> None:
    last = full.network.last
    for part in (last // 4, last // 2):
        with stateless(full, proxy, tmp_path / "data") as node:
            wait_for(node, lambda status, part=part: safe_number(status) >= part)  # type: ignore[misc]
            node.kill()
    with stateless(full, proxy, tmp_path / "data") as node:
        wait_for_the_end(full, node)
    # Those that were fetched ahead, and the blocks of an L1 block that was not used up.
    assert proxy.asked[WITNESS] < 1.4 * last


def test_it_begins_at_an_output_root(full: FullNode, proxy: LyingProxy, tmp_path: Path) -> None:
    recorded = full.network.chains.recorded_l2
    for number in (20, 200):  # before Isthmus the output root is proved with eth_getProof
        root = recorded[number].output_root
        assert root is not None
        proxy.asked.clear()
        with stateless(full, proxy, tmp_path / str(number), output=f"{number}:{to_hex(root)}") as node:
            wait_for_the_end(full, node)
            assert proxy.asked[WITNESS] < 1.2 * (full.network.last - number)
    with stateless(full, proxy, tmp_path / "wrong", output=f"21:{to_hex(recorded[20].output_root or b'')}") as node:
        assert node.wait() == 2
        assert f"L2 http://{proxy.address}: eth_getBlockByNumber and eth_getProof: L2 block 21 " in node.lines[-1]
        assert "its output root is 0x" in node.lines[-1]


def test_a_witness_that_lies_stops_it_where_it_is(full: FullNode, proxy: LyingProxy, tmp_path: Path) -> None:
    """What a witness lacks may be proved in other ways: not here."""
    unproved = {full.network.hash_of(number) for number in range(BAD - 1, full.network.last)}

    def lie(method: str, params: list[Json], result: Json) -> Json:
        if method == WITNESS and int(params[0], 16) >= BAD:
            return result | {"state": [node[:-2] + ("00" if node[-2:] != "00" else "01") for node in result["state"]]}
        if method == "debug_dbGet" or (method in ("eth_getProof", "eth_getCode") and params[-1]["blockHash"] in unproved):
            raise Refusal("not for you")
        return result

    proxy.lie = lie
    with stateless(full, proxy, tmp_path / "data") as node:
        node.wait_for(rf"L2 http://{proxy.address}: {WITNESS}: state: L2 block {BAD}: lacks .*, hash 0x", TIMEOUT)
        status = status_of(node)
        assert (safe_number(status), status["unsafe_l2"]["number"]) <= (BAD - 1, BAD - 1)
        assert status["unsafe_l2"]["hash"] == full.network.hash_of(BAD - 1)
        proxy.lie = honest
        wait_for_the_end(full, node)


def test_a_block_that_differs_is_named_and_not_believed(full: FullNode, proxy: LyingProxy, tmp_path: Path) -> None:
    """The remote says that the block has another state root, in a header that hangs together."""

    def lie(method: str, params: list[Json], result: Json) -> Json:
        if method == "eth_getBlockByNumber" and int(params[0], 16) == BAD:
            altered = header_of(JsonObject(result | {"stateRoot": to_hex(b"\x66" * 32)}, ""))
            return result | header_object(altered) | {"hash": to_hex(header_hash(altered))}
        return result

    proxy.lie = lie
    with stateless(full, proxy, tmp_path / "data") as node:
        found = node.wait_for(rf"CRITICAL: L2 http://{proxy.address}: eth_getBlockByNumber: state_?[rR]oot: L2 block {BAD}: its block is 0x", TIMEOUT)
        assert full.network.hash_of(BAD) in found.string
        wait_for_the_end(full, node)


def test_a_header_that_is_not_what_its_hash_says_is_no_answer(full: FullNode, proxy: LyingProxy, tmp_path: Path) -> None:
    def lie(method: str, params: list[Json], result: Json) -> Json:
        if method == "eth_getBlockByNumber" and int(params[0], 16) == BAD:
            return result | {"gasUsed": "0x7"}
        return result

    proxy.lie = lie
    with stateless(full, proxy, tmp_path / "data") as node:
        node.wait_for(rf"L2 http://{proxy.address}: eth_getBlockByNumber: hash: L2 block {BAD}: the header hashes to 0x", TIMEOUT)
        assert status_of(node)["unsafe_l2"]["hash"] == full.network.hash_of(BAD - 1)
        proxy.lie = honest
        wait_for_the_end(full, node)
