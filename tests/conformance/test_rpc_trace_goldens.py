"""`debug_trace*` over a store of a recorded chain, held against what op-geth replied for that chain, field by field."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.recorded_store import recorded_store
from tests.shared import shared
from trinode.jsonrpc.requests import answer
from trinode.rpc.debug.trace_methods import TraceMethods
from trinode.rpc.eth.calls import CompiledCode


def goldens() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, request and reply."""
    with gzip.open(shared("recordings/rpc-goldens.json.gz")) as file:
        recorded = json.load(file)["rpc"]
    for each in recorded:
        request = each["request"]
        if isinstance(request, dict) and request["method"].startswith("debug_trace"):
            yield each["name"], request, each["response"]


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TraceMethods]:
    with recorded_store(tmp_path_factory.mktemp("traces")) as (_, chain):
        yield TraceMethods(chain, CompiledCode())


async def test_every_recorded_trace_is_op_geths(methods: TraceMethods) -> None:
    compared: Counter[str] = Counter()
    different = []
    for name, request, reply in goldens():
        ours = msgspec.json.decode(await answer(msgspec.json.encode(request), methods.methods))
        compared[request["method"]] += 1
        if ours != reply:
            different.append(name)
    assert different == []
    assert compared == {"debug_traceTransaction": 446, "debug_traceBlockByNumber": 1}
