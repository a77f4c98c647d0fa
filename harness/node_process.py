"""`trinode` as a process of its own: started, read, asked, measured, killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import httpx

PORTS = ("http", "ws", "rpc", "devnet.l1")
ANY_PORTS = (*(f"--{name}.port=0" for name in PORTS), "--p2p.disable=true")
"""Servers listen where there is room; the log says where. Nobody is sought, in any network."""
_ADDRESS = {
    "http": re.compile(r"JSON-RPC at (http://[^ ]+)"),
    "ws": re.compile(r"JSON-RPC at (ws://[^ ]+)"),
    "rpc": re.compile(r"rollup node's RPC at (http://[^ ]+)"),
    "l1": re.compile(r"L1 of its own at (http://[^ ,]+)"),
    "metrics": re.compile(r"metrics at (http://[^ ]+)/metrics"),
}
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_TIMEOUT = 30.0


class RpcFailed(Exception):
    """The node answered with an error, or not at all. `code`: of JSON-RPC; None: no answer."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Ended(Exception):
    """The node ended before it said what was waited for; its log."""


class Usage(NamedTuple):
    """What a process takes: resident bytes (of its own, and shared ones too), seconds of CPU, open files."""

    resident: int
    cpu: float
    files: int


class NodeProcess:
    """The node with these words on its command line, until the end of the `with` block at the latest.

    `lines` is its log up to now. `wrapper`: words before the command, such as those that limit what it may use.
    """

    def __init__(self, words: Sequence[str], *, wrapper: Sequence[str] = (), cwd: Path | None = None) -> None:
        command = [*wrapper, sys.executable, "-m", "trinode.cli", *words]
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=cwd)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._http = httpx.Client(timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    # ---- what it says ----

    def wait_for(self, pattern: str | re.Pattern[str], timeout: float = _TIMEOUT, *, start: int = 0) -> re.Match[str]:
        """Returns when a line of the log, from the `start`th on, matches. Raises Ended, TimeoutError."""
        end, seen = time.monotonic() + timeout, start
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = max(seen, len(self.lines))
                if self._ended:
                    raise Ended("\n".join(self.lines))
                if not self._news.wait(end - time.monotonic()):
                    raise TimeoutError(f"{pattern} is not in its log:\n" + "\n".join(self.lines))

    def address(self, name: str) -> str:
        """Where a server listens: http, ws, rpc, l1 (the devnet's) or metrics."""
        return self.wait_for(_ADDRESS[name])[1]

    def call(self, method: str, *params: Any, server: str = "http") -> Any:
        """The result of a call. Raises RpcFailed."""
        return self.call_many([(method, list(params))], server=server)[0]

    def call_many(self, calls: Sequence[tuple[str, list[Any]]], *, server: str = "http") -> list[Any]:
        """The results of calls in one request. Raises RpcFailed."""
        body = [{"jsonrpc": "2.0", "id": index, "method": method, "params": params} for index, (method, params) in enumerate(calls)]
        try:
            replies = self._http.post(self.address(server), json=body).json()
        except (httpx.HTTPError, ValueError, Ended) as error:
            raise RpcFailed(f"{calls[0][0]}: {type(error).__name__}: {error}") from error
        except RuntimeError as error:  # what httpx raises when `kill` closes the client under a thread that still asks
            if not self._http.is_closed:
                raise
            raise RpcFailed(f"{calls[0][0]}: the node was killed") from error
        by_id = {reply["id"]: reply for reply in replies}
        results = []
        for index, (method, _) in enumerate(calls):
            if (problem := by_id[index].get("error")) is not None:
                raise RpcFailed(f"{method}: {problem['message']}", problem["code"])
            results.append(by_id[index]["result"])
        return results

    def get(self, path: str, server: str = "http") -> httpx.Response:
        """A page such as /readyz. Raises RpcFailed."""
        try:
            return self._http.get(self.address(server) + path)
        except (httpx.HTTPError, Ended) as error:
            raise RpcFailed(f"{path}: {type(error).__name__}: {error}") from error

    # ---- what it takes ----

    def usage(self) -> Usage:
        """Of the process as it is now. Raises Ended."""
        place = Path("/proc", str(self.process.pid))
        try:
            status, stat = (place / "status").read_text(), (place / "stat").read_text()
            files = len(os.listdir(place / "fd"))
        except OSError as error:
            raise Ended("\n".join(self.lines)) from error
        resident = re.search(r"VmRSS:\s+(\d+) kB", status)
        if resident is None:
            raise Ended("\n".join(self.lines))
        user, system = stat.rsplit(")", 1)[1].split()[11:13]
        return Usage(int(resident[1]) << 10, (int(user) + int(system)) / _CLOCK_TICKS, files)

    # ---- its end ----

    def wait(self, timeout: float = _TIMEOUT) -> int:
        """Its exit status. Raises subprocess.TimeoutExpired."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = _TIMEOUT) -> tuple[int, float]:
        """Ends it by a signal: its exit status, and the seconds that it took. Raises subprocess.TimeoutExpired."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(timeout)
        seconds = time.monotonic() - began
        self._reader.join(timeout)
        return status, seconds

    def kill(self) -> None:
        """kill -9, if it still runs."""
        self.process.kill()
        self.process.wait()
        self._reader.join(_TIMEOUT)
        assert self.process.stderr is not None
        self.process.stderr.close()
        self._http.close()
