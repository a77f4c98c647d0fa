"""op-geth, the reference execution client, with a chain in a folder that outlives its process (specification: exec-engine)."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.peers.ports import free_ports
from harness.peers.process import START_TIMEOUT, Process, call

PROGRAM = "geth"
_PROBLEM = re.compile(r"^(?:WARN|ERROR|CRIT)\b")


class OpGethNode(Process):
    """op-geth as its users start it, but alone. Its ports stay the same in all its lives."""

    def __init__(self, program: Path, folder: Path, genesis: Mapping[str, Any], secret_file: Path, *, archive: bool = False) -> None:
        """`archive`: it keeps the state of each block."""
        folder.mkdir()
        (folder / "genesis.json").write_text(json.dumps(genesis))
        data = ["--datadir", str(folder / "data"), "--state.scheme", "hash" if archive else "path"]
        with (folder / "init.log").open("wb") as log:
            subprocess.run([str(program), "init", *data, str(folder / "genesis.json")], check=True, stdout=log, stderr=log)
        self._auth_port, self._http_port = free_ports(2)
        chain_id = str(genesis["config"]["chainId"])
        engine = ["--authrpc.addr", "127.0.0.1", "--authrpc.port", str(self._auth_port), "--authrpc.jwtsecret", str(secret_file)]
        http = ["--http", "--http.addr", "127.0.0.1", "--http.port", str(self._http_port), "--http.api", "eth,debug,net"]
        network = ["--nodiscover", "--maxpeers", "0", "--port", "0", "--nat", "none", "--networkid", chain_id, "--ipcdisable"]
        storage = ["--gcmode", "archive" if archive else "full", "--syncmode", "full", "--cache", "128"]
        rollup = ["--rollup.disabletxpoolgossip", "--rollup.superchain-upgrades=false"]
        super().__init__([str(program), *data, *engine, *http, *network, *storage, *rollup], folder / "op-geth.log")

    @property
    def engine_url(self) -> str:
        """Its authenticated port."""
        return f"http://127.0.0.1:{self._auth_port}"

    @property
    def url(self) -> str:
        """Its port for users."""
        return f"http://127.0.0.1:{self._http_port}"

    def start(self) -> None:
        """Begins its next life; returns when it answers."""
        super().start()
        self.wait_for(self._answers, START_TIMEOUT)

    def _answers(self) -> bool:
        try:
            return bool(self.call("eth_chainId"))
        except OSError:
            return False

    def call(self, method: str, *params: object) -> Any:
        """The result of one of its methods."""
        return call(self.url, method, *params)

    @property
    def problems(self) -> list[str]:
        """What it warned of in this life."""
        return [line for line in self.log.splitlines() if _PROBLEM.match(line)]

