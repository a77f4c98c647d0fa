"""Finds the client libraries in the folder TRINODE_PEERS (`python -m harness.clients.install`), and runs scripts and commands of theirs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.clients import SCRIPTS

TIMEOUT = 400.0
"""Seconds for a whole script."""


class ClientMissing(Exception):
    """A client's library or program is not on this machine; which, in one line."""


class ScriptFailed(Exception):
    """A script ended badly; the step and what it said."""


def _installed(*parts: str) -> Path:
    """A path in TRINODE_PEERS. Raises ClientMissing."""
    folder = os.environ.get("TRINODE_PEERS")
    path = Path(folder or "", *parts)
    if folder is None or not path.exists():
        raise ClientMissing(f"{'/'.join(parts)} is not in TRINODE_PEERS (python -m harness.clients.install FOLDER)")
    return path.absolute()


def find_javascript(package: str) -> str:
    """The program `node`, where that package of npm's is there too. Raises ClientMissing."""
    node = shutil.which("node")
    if node is None:
        raise ClientMissing("node is not on PATH")
    _installed("node_modules", package)
    return node


def javascript(script: str, package: str, places: Mapping[str, str], folder: Path) -> list[str]:
    """Runs a script of viem's or ethers' (`package`) in `folder`; the steps that passed. Raises ClientMissing, ScriptFailed."""
    node = find_javascript(package)
    # node looks for packages where the script truly is, so the scripts go where the packages can be beside them
    scripts = folder / "clients"
    if not scripts.exists():
        shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        (scripts / "node_modules").symlink_to(_installed("node_modules"))
    return _run([node, str(scripts / script), json.dumps(places)])


def find_web3() -> Path:
    """The Python that has web3.py. Raises ClientMissing."""
    return _installed("web3", "bin", "python")


def web3(script: str, places: Mapping[str, str], way: str) -> list[str]:
    """Runs a script of web3.py over http, ws or ipc; the steps that passed. Raises ClientMissing, ScriptFailed."""
    return _run([str(find_web3()), str(SCRIPTS / script), json.dumps(places), way])


def _run(command: Sequence[str]) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise ScriptFailed(f"it did not end in {TIMEOUT:.0f} s: {error.stdout!r}") from error
    told: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        failed = [f"{each['failed']}: {each['error']}" for each in told if "failed" in each]
        raise ScriptFailed("\n".join(failed) or done.stderr[-4000:])
    return [each["passed"] for each in told]


def find_cast() -> Path:
    """Foundry's `cast`. Raises ClientMissing."""
    folder = os.environ.get("TRINODE_PEERS", "")
    for found in sorted(Path(folder, "node_modules", "@foundry-rs").glob("cast-*/bin/cast")) if folder else []:
        return found
    program = shutil.which("cast", path=folder or None)
    if program is None:
        raise ClientMissing("cast is neither in TRINODE_PEERS (python -m harness.clients.install FOLDER) nor on PATH")
    return Path(program)


def cast(words: Sequence[str], url: str, *, key: bytes | None = None, fails: bool = False) -> str:
    """What `cast` prints, on its standard error where it `fails` as it should. The first word is the whole command, such as `tx-pool status`.

    Raises ClientMissing, ScriptFailed.
    """
    signing = [] if key is None else ["--private-key", "0x" + key.hex()]
    command = [str(find_cast()), *words[0].split(), "--rpc-url", url, *signing, *words[1:]]
    # no request to anybody else: neither for names of functions nor for verified sources
    environment = os.environ | {"FOUNDRY_OFFLINE": "true", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, env=environment)
    if (done.returncode != 0) != fails:
        raise ScriptFailed(f"cast {' '.join(words)}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    return (done.stderr if fails else done.stdout).strip()
