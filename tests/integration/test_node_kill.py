"""kill -9 at any moment, under load: the node goes on from its disk alone, and nothing that it told anybody is otherwise afterwards."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from harness.devnet_load import TransferLoad
from harness.node_process import ANY_PORTS, Ended, NodeProcess, RpcFailed
from tests.fake_endpoints import FakeEndpoints, RecordedChains, running
from tests.recorded_node import forks_chains, verifier_words

RATE = 40
"""Transfers a second."""
DEVNET_KILLS, VERIFIER_KILLS = 5, 3
MANY_DEVNET_KILLS, MANY_VERIFIER_KILLS = 400, 100
START, LONGEST_LIFE = 2.0, 4.0
"""Seconds: about what a start takes, and for how long a node lives after it at most."""
KILLED_AT_START = 0.25
"""Of all kills."""
POLL = 0.05
COMPARED = 400
"""The newest blocks that were seen before a kill are asked for after it."""
TIMEOUT = 60.0
MOST_REQUESTS = 20
"""To an L1 that has nothing new."""
LABELS = ("latest", "safe", "finalized")
LASTING = ("latest", "finalized")
"""Labels that are at no lower block after a restart. The safe head is that of the last checkpoint until derivation has come back to it."""
UNKNOWN_BLOCK = -39001
"""The error for a label that was never given."""


class Told(NamedTuple):
    """What a node has told so far. Nothing of it may be otherwise later."""

    l2: dict[int, str]
    l1: dict[int, str]
    heads: dict[str, int]
    """Label to the highest number."""
    receipts: dict[str, str]
    """Transaction to block hash."""


class Witness:
    """Asks a node again and again, and remembers each answer. `load`: of a devnet, whose L1 is asked too."""

    def __init__(self, node: NodeProcess, told: Told, load: TransferLoad | None = None) -> None:
        self._node = node
        self._told = told
        self._load = load
        self._random = Random(len(told.l2))
        self._stopped = threading.Event()
        self.first_answer: float | None = None
        """Seconds after the start."""
        self.problems: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Once the node is gone. Fails the test if what it told contradicts what was told before."""
        self._stopped.set()
        self._thread.join()
        assert not self.problems, self.problems

    def _run(self) -> None:
        with suppress(RpcFailed, Ended):
            self._check_beginning()
            while not self._stopped.wait(POLL):
                self._look()

    def _check_beginning(self) -> None:
        url = self._node.address("http")
        heads = self._heads()
        self.first_answer = time.monotonic() - self._node.started
        if self._load is not None:
            self._load.url = url
        for label in LASTING:
            if (number := heads[label]) < self._told.heads.get(label, 0):
                self.problems.append(f"{label} is {number} after a restart, was {self._told.heads[label]}")
        self._compare_blocks("http", self._told.l2)
        self._compare_blocks("l1", self._told.l1)
        self._compare_receipts(dict(list(self._told.receipts.items())[-COMPARED:]))

    def _compare_blocks(self, server: str, told: dict[int, str]) -> None:
        numbers = sorted(told)[-COMPARED:]
        if numbers:
            blocks = self._node.call_many([("eth_getBlockByNumber", [hex(number), False]) for number in numbers], server=server)
            for number, block in zip(numbers, blocks, strict=True):
                if block is None or block["hash"] != told[number]:
                    self.problems.append(f"{server}: block {number} is {block and block['hash']}, was {told[number]}")

    def _compare_receipts(self, told: dict[str, str]) -> None:
        if told:
            receipts = self._node.call_many([("eth_getTransactionReceipt", [name]) for name in told])
            for (name, block_hash), receipt in zip(told.items(), receipts, strict=True):
                if receipt is None or receipt["blockHash"] != block_hash:
                    self.problems.append(f"transaction {name} is in {receipt and receipt['blockHash']}, was in {block_hash}")

    def _heads(self) -> dict[str, int]:
        heads = {}
        for label in LABELS:
            try:
                block = self._node.call("eth_getBlockByNumber", label, False)
            except RpcFailed as error:
                if error.code != UNKNOWN_BLOCK:
                    raise
                heads[label] = 0
            else:
                self._remember(self._told.l2, block)
                heads[label] = int(block["number"], 16)
        return heads

    def _remember(self, chain: dict[int, str], block: dict[str, str]) -> None:
        number = int(block["number"], 16)
        if chain.setdefault(number, block["hash"]) != block["hash"]:
            self.problems.append(f"block {number} is {block['hash']}, was {chain[number]}")

    def _look(self) -> None:
        for label, number in self._heads().items():
            self._told.heads[label] = max(number, self._told.heads.get(label, 0))
        if self._load is None:
            return
        self._remember(self._told.l1, self._node.call("eth_getBlockByNumber", "latest", False, server="l1"))
        accepted = list(self._load.accepted)[-RATE * 4 :]
        if accepted:
            name = "0x" + self._random.choice(accepted).hex()
            receipt = self._node.call("eth_getTransactionReceipt", name)
            if receipt is not None:
                self._told.receipts[name] = receipt["blockHash"]


def live_and_die(node: NodeProcess, witness: Witness, random: Random) -> None:
    """Kills the node after a random time."""
    with suppress(TimeoutError):
        if random.random() < KILLED_AT_START:
            node.wait_for("no line has this", random.uniform(0, START))
        else:
            node.address("http")
            node.wait_for("no line has this", random.uniform(0, LONGEST_LIFE))
    node.kill()
    witness.end()


def say(what: str, seconds: list[float | None]) -> None:
    """For people: `seconds` to the first answer after each start, None where the kill came before it."""
    known = [each for each in seconds if each is not None]
    times = f"{sum(known) / len(known):.2f} s, at most {max(known):.2f} s" if known else "-"
    print(f"{what}; {len(known)} of {len(seconds)} starts came to a first answer, after {times}", flush=True)


def kill_devnet(folder: Path, kills: int, seed: int) -> None:
    """Lets a devnet live for a random time again and again, and at last until all that was told is safe."""
    random, told = Random(seed), Told({}, {}, {}, {})
    seconds = []
    words = [f"--datadir={folder}", "--block-time=1s", *ANY_PORTS]
    with TransferLoad(RATE) as load:
        for _ in range(kills):
            with NodeProcess(words) as node:
                witness = Witness(node, told, load)
                live_and_die(node, witness, random)
            seconds.append(witness.first_answer)
        last = told.heads.get("latest", 0)
        with NodeProcess(words) as node:
            witness = Witness(node, told, load)
            wait_until_safe(node, last + 1)
            assert node.stop()[0] == 0
            witness.end()
    say(f"{kills} kills, {last} L2 blocks, {load.sent} transfers, {len(told.receipts)} receipts", seconds)


def kill_verifier(folder: Path, chains: RecordedChains, kills: int, seed: int) -> None:
    """Lets a verifier live for a random time again and again, and begin anew whenever it is synced; at last until it is."""
    random, last, runs = Random(seed), max(chains.l2), 1
    seconds = []
    told = Told({}, {}, {}, {})
    with running(chains) as server:
        words = verifier_words(chains, server, folder, datadir=folder / "1")
        for _ in range(kills):
            if told.heads.get("safe") == last:
                runs += 1
                told = Told({}, {}, {}, {})
                words = verifier_words(chains, server, folder, datadir=folder / str(runs))
            with NodeProcess(words) as node:
                witness = Witness(node, told)
                live_and_die(node, witness, random)
            seconds.append(witness.first_answer)
        with NodeProcess(words) as node:
            wait_until_safe(node, last)
            check_chain(node, chains)
            node.kill()
        check_requests_of_synced(words, server, last)
    say(f"{kills} kills of {runs} verifiers", seconds)


def check_chain(node: NodeProcess, chains: RecordedChains) -> None:
    """Every block of the recording."""
    blocks = node.call_many([("eth_getBlockByNumber", [hex(number), False]) for number in chains.l2])
    assert [block["hash"] for block in blocks] == ["0x" + block.ref.hash.hex() for block, _ in chains.l2.values()]


def check_requests_of_synced(words: list[str], server: FakeEndpoints, last: int) -> None:
    """A node that was killed after it was synced asks L1 for next to nothing."""
    server.calls.clear()
    with NodeProcess(words) as node:
        wait_until_safe(node, last)
        node.wait_for("derivation begins", TIMEOUT)
        assert node.stop()[0] == 0
    assert sum(server.calls.values()) <= MOST_REQUESTS, server.calls


def wait_until_safe(node: NodeProcess, number: int) -> None:
    """Until L1 has brought back that L2 block."""
    end = time.monotonic() + TIMEOUT
    while int(node.call("optimism_syncStatus", server="rpc")["safe_l2"]["number"]) < number:
        assert time.monotonic() < end, "\n".join(node.lines)
        time.sleep(POLL)


def test_a_devnet_under_load(tmp_path: Path) -> None:
    kill_devnet(tmp_path, DEVNET_KILLS, seed=5)


@pytest.mark.long
def test_a_devnet_under_load_many_times(tmp_path: Path) -> None:
    kill_devnet(tmp_path, MANY_DEVNET_KILLS, seed=20)


@pytest.fixture(scope="module")
def chains() -> RecordedChains:
    return forks_chains()


def test_a_verifier(chains: RecordedChains, tmp_path: Path) -> None:
    kill_verifier(tmp_path, chains, VERIFIER_KILLS, seed=5)


@pytest.mark.long
def test_a_verifier_many_times(chains: RecordedChains, tmp_path: Path) -> None:
    kill_verifier(tmp_path, chains, MANY_VERIFIER_KILLS, seed=2)
