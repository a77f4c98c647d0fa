"""op-geth as a peer: a process with a chain of its own on loopback, spoken to through the Engine API (specification: exec-engine,
"Engine API").

The program `geth` is in the folder `TRINODE_PEERS` or on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from harness.peers.ports import free_ports
from trinode.engine.api.jwt import make_token

PROGRAM = "geth"
START_TIMEOUT = 60
"""Seconds until a fresh process answers."""
REQUEST_TIMEOUT = 120
SECRET = bytes(31) + b"\x01"
_TOKEN_LIFETIME = 30  # seconds; the other side allows 60


def find_geth() -> Path | None:
    """The program, if it is there."""
    folder = os.environ.get("TRINODE_PEERS")
    found = shutil.which(PROGRAM, path=folder) if folder else shutil.which(PROGRAM)
    return Path(found) if found else None


class RpcError(Exception):
    """The other side answered with an error."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"{method}: {error.get('message')} ({error.get('code')}) {error.get('data') or ''}".rstrip())
        self.code = error.get("code")


class OpGeth:
    """A process of op-geth on a chain of its own, in a temporary folder; a context manager. Stops and is gone at its end."""

    def __init__(self, program: Path, genesis: dict[str, Any]) -> None:
        self._folder = TemporaryDirectory(prefix="engine-differential-")
        folder = Path(self._folder.name)
        (folder / "genesis.json").write_text(json.dumps(genesis))
        (folder / "jwt.txt").write_text(SECRET.hex())
        self._log_path = folder / "geth.log"
        self._auth_port, self._http_port = free_ports(2)
        scheme = ["--datadir", str(folder / "data"), "--state.scheme", "hash"]
        with self._log_path.open("ab") as log:
            subprocess.run([str(program), "init", *scheme, str(folder / "genesis.json")], check=True, stdout=log, stderr=log)
            self._process = subprocess.Popen(
                ["nice", "-n", "5", str(program), *scheme, *self._options(folder, genesis["config"]["chainId"])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._connections: dict[int, HTTPConnection] = {}
        self._token, self._token_time = "", 0.0
        self._wait()

    def _options(self, folder: Path, chain_id: int) -> list[str]:
        engine = ["--authrpc.addr", "127.0.0.1", "--authrpc.port", str(self._auth_port), "--authrpc.jwtsecret", str(folder / "jwt.txt")]
        http = ["--http", "--http.addr", "127.0.0.1", "--http.port", str(self._http_port), "--http.api", "eth,debug"]
        network = ["--nodiscover", "--maxpeers", "0", "--port", "0", "--nat", "none", "--networkid", str(chain_id), "--ipcdisable"]
        storage = ["--gcmode", "archive", "--syncmode", "full", "--cache", "128", "--snapshot=false", "--history.logs.disable"]
        return [*engine, *http, *network, *storage, "--rollup.disabletxpoolgossip", "--rollup.superchain-upgrades=false", "--verbosity", "2"]

    def _wait(self) -> None:
        end = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.call("eth_chainId")
                return
            except (OSError, HTTPException):
                if self._process.poll() is not None or time.monotonic() > end:
                    log = self.log()
                    self.close()
                    raise RuntimeError(f"op-geth does not start:\n{log}") from None
                time.sleep(0.1)

    @property
    def engine_url(self) -> str:
        """Its authenticated port; the secret is SECRET."""
        return f"http://127.0.0.1:{self._auth_port}"

    @property
    def pid(self) -> int:
        """The process, to measure it."""
        return self._process.pid

    def log(self) -> str:
        """The end of what it logged."""
        return self._log_path.read_text(errors="replace")[-4000:]

    def call(self, method: str, *params: object) -> Any:
        """The result of a method of the Engine API, or of `eth_`. Raises RpcError, and OSError or HTTPException if it is gone."""
        return _result(method, self._post(self._auth_port, _request(method, params)))

    def call_many(self, method: str, params: Sequence[Sequence[object]]) -> list[Any]:
        """The results of one method for many parameters, in one batch. Raises as `call` does."""
        answers = self._post(self._auth_port, [_request(method, each, index) for index, each in enumerate(params)])
        return [_result(method, answer) for answer in sorted(answers, key=lambda answer: int(answer["id"]))]

    def debug(self, method: str, *params: object) -> Any:
        """The result of a `debug_` method, which the engine's port does not have. Raises as `call` does."""
        return _result(method, self._post(self._http_port, _request(method, params)))

    def _post(self, port: int, body: object) -> Any:
        connection = self._connections.get(port) or HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._bearer()}"}
        try:
            connection.request("POST", "/", json.dumps(body), headers)
            answer = json.loads(connection.getresponse().read())
        except (OSError, HTTPException):
            self._connections.pop(port, None)
            connection.close()
            raise
        self._connections[port] = connection
        return answer

    def _bearer(self) -> str:
        now = time.time()
        if now - self._token_time > _TOKEN_LIFETIME:
            self._token, self._token_time = make_token(SECRET, now), now
        return self._token

    def close(self) -> None:
        """Stops the process and removes its folder."""
        for connection in self._connections.values():
            connection.close()
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> OpGeth:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _request(method: str, params: Sequence[object], number: int = 0) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _result(method: str, answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise RpcError(method, answer["error"])
    return answer["result"]
