"""A service that fails as nobody expected stops the whole node in order, with one line that names it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from trinode.batcher.batcher import Batcher
from trinode.devnet.l1 import DevnetL1
from trinode.node import rollup_node
from trinode.node.config import read_config
from trinode.node.run import NodeStopped, run_node
from trinode.node.sequencer import Sequencer
from trinode.node.unsafe_blocks import UnsafeBlocks
from trinode.storage.database import Database
from trinode.storage.errors import StoreError


def crash_node(folder: Path) -> str:
    """Why a devnet stopped."""
    ports = {f"{name}.port": ["0"] for name in ("http", "ws", "rpc", "devnet.l1")}
    with pytest.raises(NodeStopped) as caught:
        run_node(read_config({"datadir": [str(folder)], **ports}, {}, None))
    return str(caught.value)


def failing(error: Exception) -> Callable[..., Any]:
    """A service that begins, and fails a moment later."""

    async def run(_self: object, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep(0.1)
        raise error

    return run


@pytest.mark.parametrize(
    ("owner", "name"),
    [(DevnetL1, "the devnet's L1"), (UnsafeBlocks, "unsafe blocks"), (Sequencer, "the sequencer"), (Batcher, "the batcher")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_service_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], owner: type, name: str
) -> None:
    threads = set(threading.enumerate())
    monkeypatch.setattr(owner, "run", failing(ZeroDivisionError("by zero")))
    assert crash_node(tmp_path) == f"{name} failed: ZeroDivisionError: by zero. This is a bug of trinode: please report it with the log"
    assert "ZeroDivisionError: by zero" in capfd.readouterr().err, "the traceback is in the log"
    assert not any(thread.name.startswith("trinode") for thread in set(threading.enumerate()) - threads)
    for database in ("chain", "derivation", "l1"):
        Database(tmp_path / database, create=False).close()


def test_a_service_that_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DevnetL1, "run", failing(StoreError("the disk is full. Make room")))
    assert crash_node(tmp_path) == "the disk is full. Make room"


def test_what_fails_outside_of_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_batcher(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(rollup_node, "make_batcher", make_batcher)
    assert crash_node(tmp_path) == "ZeroDivisionError: by zero. This is a bug of trinode: please report it with the log"
