"""eth_simulateV1 requests with op-geth's answers, and the chain that they are about."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.execution.cases import ChainCase
from tests.recorded_store import recorded_store
from trinode.jsonrpc.requests import answer
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace
from trinode.storage.store import Store

GAS_CAP = 50_000_000
SAFE, FINALIZED = 0xFF, 0xFC
_FILE = Path(__file__).resolve().parents[1] / "fixtures" / "op-geth" / "simulations.jsonl.gz"

NOT_AS_OP_GETH = {
    # op-geth pays senders back an operator fee that it has not taken, where calls have a price: here nobody pays one, as with eth_call.
    **dict.fromkeys(("valid fee", "bf0 True", "high False", "low False", "max False"), True),
    **dict.fromkeys((f"{kind} {tag}" for kind in ("tag", "tagv") for tag in ("0xd0", "safe", "finalized", "pending")), True),
    # Two precompiles are moved to one address: op-geth takes either, here it is an error (the specification's).
    "mtwo": False,
}
"""Requests that are answered otherwise, and whether it is for the operator fee alone."""


@dataclass(frozen=True)
class Simulation:
    """A request and op-geth's reply."""

    name: str
    request: dict[str, Any]
    response: dict[str, Any]


def simulations() -> Iterator[Simulation]:
    """All that are recorded."""
    with gzip.open(_FILE) as file:
        for line in file:
            yield Simulation(**json.loads(line))


@contextmanager
def simulating(folder: Path) -> Iterator[tuple[ChainCase, EthNamespace]]:
    """The methods over the recorded chain; skips the test where the recording is absent."""
    with recorded_store(folder) as (recorded, chain):
        for label, number in (("safe", SAFE), ("finalized", FINALIZED)):
            block_hash = chain.store.blocks.canonical_hash(number)
            assert block_hash is not None
            assert isinstance(chain.store, Store)
            chain.store.set_label(label, block_hash)
        limits = EthLimits(gas_cap=GAS_CAP, call_seconds=60)
        yield recorded, EthNamespace(recorded.config, chain.store, progress=lambda: None, limits=limits)


async def ask(eth: EthNamespace, request: dict[str, Any]) -> Any:
    """The reply as a client reads it."""
    return msgspec.json.decode(await answer(msgspec.json.encode(request), eth.methods))


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, and how."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(name, "(missing)"), theirs.get(name, "(missing)"), f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif ours != theirs:
        yield f"{path}: {str(ours)[:200]}, op-geth: {str(theirs)[:200]}"
