"""kill -9 at any moment: the store resumes at a block that is no older than the last one it reported, with its whole state."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from tests.unit.storage.fake_chain import Model, assert_state, identity_of, make_block, make_genesis, random_changes
from trinode.execution.genesis import GenesisBlock
from trinode.execution.state import StateChanges
from trinode.protocol.keccak import keccak256
from trinode.storage.readers import StoredNodes
from trinode.storage.store import Store

ROOT = Path(__file__).parents[2]
KILLS = 12
HISTORY = 20
REWIND = 3
REWIND_EVERY = 9
FILLER_BYTES = 1 << 16  # so that some kills come in the middle of LevelDB's writes


def changes_of(number: int, model: Model) -> StateChanges:
    """What block `number` changes, if the state before it is `model`: the same in every process."""
    return random_changes(Random(number), model)


def genesis_block() -> GenesisBlock:
    return make_genesis(changes_of(0, Model()))


def models_until(number: int) -> list[Model]:
    """The states of blocks 0 to `number`."""
    models = [Model().after(changes_of(0, Model()))]
    for height in range(1, number + 1):
        models.append(models[-1].after(changes_of(height, models[-1])))
    return models


def work(path: Path) -> None:
    """Appends blocks for good, and now and then takes some back and appends them again; says so line by line."""
    store = Store.open(path, identity_of(genesis_block()))
    models = models_until(store.head.number)
    for step in range(1, sys.maxsize):
        head = store.head
        if not step % REWIND_EVERY and head.number - store.oldest_state > REWIND:
            ancestor = store.blocks.canonical_hash(head.number - REWIND)
            assert ancestor is not None
            print(f"takes back to {head.number - REWIND}", flush=True)
            store.rewind(ancestor)
            del models[store.head.number + 1 :]
        else:
            number = head.number + 1
            block = make_block(store.parent_for(head.hash), changes_of(number, models[-1]), 0)
            store.append(replace(block, transactions=(Random(number).randbytes(FILLER_BYTES),)))
            models.append(models[-1].after(block.changes))
        print(f"has {store.head.number}", flush=True)


def run_and_kill(path: Path, lines: int, seconds: float) -> set[int]:
    """Lets a process work until it has said that many lines, and a little longer, and kills it. What the head can be then."""
    command = [sys.executable, "-m", "tests.integration.test_store_kill", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    time.sleep(seconds)
    process.kill()
    said += process.stdout.readlines()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    number = int(said[-1].rsplit(" ", 1)[1])
    return {number, number + 1} if said[-1].startswith("has") else {number, number + REWIND}


def check(path: Path) -> int:
    """Opens the store and compares every state that it retains. Its head."""
    with Store.open(path, identity_of(genesis_block())) as store:
        head = store.head
        models = models_until(head.number)
        assert max(0, head.number - HISTORY) <= store.oldest_state <= max(0, head.number + REWIND - HISTORY)
        for number in range(store.oldest_state, head.number + 1):
            block_hash = store.blocks.canonical_hash(number)
            assert block_hash is not None
            assert_state(store.state_at(block_hash), models[number])
        tries, nodes = models[-1].rebuilt()
        assert store.tries_at(head.hash).root == tries.root == store.head_header.state_root
        for (owner, path_to_node), rlp in nodes.items():
            assert rlp is not None
            assert StoredNodes(store._database).node(owner, path_to_node, keccak256(rlp)) == rlp
        return head.number


def test_kill_9_at_any_moment(tmp_path: Path) -> None:
    random = Random(0)
    genesis = genesis_block()
    Store.create(tmp_path, identity_of(genesis), genesis, history=HISTORY).close()
    for _ in range(KILLS):
        possible = run_and_kill(tmp_path, random.randrange(1, 60), random.uniform(0, 0.03))
        assert check(tmp_path) in possible


if __name__ == "__main__":
    work(Path(sys.argv[1]))
