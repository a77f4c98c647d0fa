"""The server in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from harness.recording import RecordingHead

_TIMEOUT = 30


@dataclass(frozen=True, slots=True)
class ServedRecording:
    """A recording that is being served at `url`: its execution client and its beacon node."""

    url: str

    def show(self, blocks: int | None = None) -> int:
        """Shows so many more of its blocks (None: all); how many there were."""
        shown: int = self._call("recording_show", blocks)
        return shown

    def set_latency(self, seconds: float) -> None:
        """From now on each answer takes so long."""
        self._call("recording_latency", seconds)

    def _call(self, method: str, param: object) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": [param]}).encode()
        with urlopen(Request(self.url, body, {"Content-Type": "application/json"}), timeout=_TIMEOUT) as reply:
            return json.load(reply)["result"]


@contextmanager
def served(path: Path, *, latency: float = 0.0, blocks: int | None = None) -> Iterator[ServedRecording]:
    """Serves the recording until the end of the block. `latency`: seconds before each answer. `blocks`: how many are there at first."""
    words = [sys.executable, "-m", "harness.served", str(path), f"--latency={latency * 1000}"]
    words += [] if blocks is None else [f"--blocks={blocks}"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"{path} is not served: status {process.wait()}")
            yield ServedRecording(url)
        finally:
            process.kill()


def node_options(head: RecordingHead, served: ServedRecording, folder: Path) -> dict[str, object]:
    """Words of `trinode`'s command line, without dashes, that let it derive the recorded chain; its files are in `folder`."""
    rollup, l1 = folder / "rollup.json", folder / "l1.json"
    rollup.write_text(json.dumps(head.rollup_config.to_json()))
    l1.write_text(json.dumps(head.l1_chain_config.to_json()))
    asked_often = dict.fromkeys(("l1.http-poll-interval", "l1.epoch-poll-interval"), "1s")
    return {"rollup.config": rollup, "rollup.l1-chain-config": l1, "l1": served.url, "l1.beacon": served.url, **asked_often}
