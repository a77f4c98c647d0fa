"""A program that runs beside the test: started, stopped, killed and started again, with one log of all its lives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

START_TIMEOUT = 60.0
"""Seconds until a fresh process says where it listens."""
STOP_TIMEOUT = 60.0
_POLL = 0.1
_REQUEST_TIMEOUT = 60


def find_program(name: str) -> Path | None:
    """The program in the folder `TRINODE_PEERS`, or on PATH where that is not set."""
    folder = os.environ.get("TRINODE_PEERS")
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    return Path(found) if found else None


class ProcessEnded(Exception):
    """A process that should run has ended; the end of its log."""


class Process:
    """One program with its command line; a context manager, which kills it at the end. Standard output and errors go to `log_path`."""

    def __init__(self, words: Sequence[str], log_path: Path) -> None:
        self._words = ["nice", "-n", "5", *words]
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0

    def start(self) -> None:
        """Begins its next life."""
        assert not self.runs
        log_path = self.log_path
        self._began = log_path.stat().st_size if log_path.exists() else 0
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(self._words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=log_path.parent)

    @property
    def runs(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process, which keeps it over `nice`; None before its first life."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """All that it said in this life."""
        with self.log_path.open("rb") as log:
            log.seek(self._began)
            return log.read().decode(errors="replace")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Asks it to end by that signal, and waits; its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(STOP_TIMEOUT)

    def wait(self) -> int:
        """Waits until it ends of itself; its exit status."""
        assert self._process is not None
        return self._process.wait(STOP_TIMEOUT)

    def kill(self) -> None:
        """Ends it as a power failure would (SIGKILL)."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> None:
        """Returns once `condition` holds. Raises ProcessEnded, TimeoutError."""
        wait_until(condition, timeout, self)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.runs:
            self.kill()


def wait_until(condition: Callable[[], bool], timeout: float, *processes: Process) -> None:
    """Returns once `condition` holds while all `processes` run. Raises ProcessEnded, TimeoutError."""
    end = time.monotonic() + timeout
    while not condition():
        for process in processes:
            if not process.runs:
                raise ProcessEnded(f"{process.log_path.stem} ended:\n{process.log[-4000:]}")
        if time.monotonic() > end:
            raise TimeoutError("\n".join(f"{process.log_path.stem}:\n{process.log[-3000:]}" for process in processes))
        time.sleep(_POLL)


class RpcFailure(Exception):
    """The other side answered with an error."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"{method}: {error.get('message')} ({error.get('code')})")
        self.message = str(error.get("message"))


def call(url: str, method: str, *params: object) -> Any:
    """The result of a JSON-RPC method. Raises RpcFailure, and OSError if nobody answers."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=_REQUEST_TIMEOUT) as reply:
        answer = json.load(reply)
    if "error" in answer:
        raise RpcFailure(method, answer["error"])
    return answer["result"]
