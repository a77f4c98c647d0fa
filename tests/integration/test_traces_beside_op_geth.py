"""Traces beside a real op-geth on the recorded chain of all forks: `tox -e peers`.

What is not op-geth's on purpose:
- tracers in JavaScript (opcount, unigram, bigram, trigram) fail there at a deposit that could not begin ("Invalid integer: <nil>");
- of Karst's precompiles modexp and P256VERIFY are those of the fork before in that version of op-geth;
- since Isthmus it gives back, after debug_traceCall with a gas price, an operator fee that nobody paid: the sender's balance differs;
- an opcode that runs out of gas costs all its parts there, and here those up to the first that cannot be paid (its `gasCost` only).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from harness.engine_differential.op_geth import SECRET, OpGeth, RpcError, find_geth
from harness.execution.cases import ChainCase
from harness.execution.files import read_unzipped
from tests.recorded_store import recorded_store
from tests.shared import shared
from tests.trace_requests import SCRIPTS, TRACERS, Requests
from trinode.engine.api.client import ExternalEngine
from trinode.engine.api.endpoint import EngineEndpoint
from trinode.engine.status import ForkchoiceState
from trinode.jsonrpc.requests import answer
from trinode.rpc.debug.trace_methods import TraceMethods
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.eth.calls import CompiledCode
from trinode.rpc.eth.chain import Chain

pytestmark = pytest.mark.peers

BLOCKS_BETWEEN = 17
CALLS, PROGRAMS = 250, 250
NONE = bytes(32)


@dataclass
class Pair:
    """op-geth and our methods, on the same chain."""

    geth: OpGeth
    chain: Chain
    methods: TraceMethods
    compared: Counter[str] = field(default_factory=Counter)
    different: list[str] = field(default_factory=list)

    async def compare(self, method: str, *params: Any) -> None:
        """Asks both, and notes where the answers differ."""
        request = {"jsonrpc": "2.0", "id": 0, "method": f"debug_{method}", "params": params}
        reply = msgspec.json.decode(await answer(msgspec.json.encode(request), self.methods.methods))
        ours = reply["result"] if "error" not in reply else (reply["error"]["code"], reply["error"]["message"])
        try:
            theirs = self._ask_geth(f"debug_{method}", *params)
        except RpcError as error:
            theirs = error.code, str(error).removeprefix(f"debug_{method}: ").removesuffix(f" ({error.code})")
        self.compared[method] += 1
        if ours != theirs:
            self.different.append(f"{method} {json.dumps(params)[:600]}: {_first_difference(ours, theirs)}")

    def _ask_geth(self, method: str, *params: Any) -> Any:
        try:
            return self.geth.debug(method, *params)
        except HTTPException:  # it closes connections that were idle for long, on a busy machine
            return self.geth.debug(method, *params)


def _first_difference(ours: Any, theirs: Any, path: str = "") -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        return next(_first_difference(ours[name], theirs[name], f"{path}.{name}") for name in ours if ours[name] != theirs[name])
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        index = next(index for index, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
        return _first_difference(ours[index], theirs[index], f"{path}[{index}]")
    return f"{path}: {str(ours)[:200]}, op-geth: {str(theirs)[:200]}"


async def fill(geth: OpGeth, recorded: ChainCase, head: bytes) -> None:
    """Lets op-geth make the recorded blocks."""
    async with EngineEndpoint(geth.engine_url, SECRET, Path("jwt.txt"), timeout=60) as endpoint:
        engine = ExternalEngine(endpoint, recorded.config)
        for expected in recorded.blocks:
            begun = await engine.forkchoice_updated(ForkchoiceState(head, NONE, NONE), expected.attributes)
            assert begun.payload_id is not None
            built = await engine.get_payload(begun.payload_id)
            assert built.envelope.payload.block_hash == expected.hash
            await engine.new_payload(built.envelope)
            await engine.forkchoice_updated(ForkchoiceState(expected.hash, head, NONE), None)
            head = expected.hash


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Pair, ChainCase]]:
    program = find_geth()
    if program is None:
        pytest.skip("geth (op-geth) is not in TRINODE_PEERS or on PATH")
    genesis = json.loads(read_unzipped(shared("recordings/forks-genesis.json.gz")))
    with recorded_store(tmp_path) as (recorded, chain), OpGeth(program, genesis) as geth:
        settings = TraceSettings(size=400_000_000, seconds=120)
        yield Pair(geth, chain, TraceMethods(chain, CompiledCode(), settings)), recorded


async def test_traces_are_op_geths(both: tuple[Pair, ChainCase]) -> None:
    pair, recorded = both
    genesis = pair.chain.blocks.canonical_hash(0)
    assert genesis is not None
    await fill(pair.geth, recorded, genesis)
    head = pair.chain.head.number
    for number in range(1, head + 1, BLOCKS_BETWEEN):
        calls = pair.geth.debug("debug_traceBlockByNumber", hex(number), {"tracer": "callTracer"})
        left_out = SCRIPTS if any(each["result"]["type"] == "STOP" for each in calls) else frozenset()
        for options in TRACERS:
            if options.get("tracer") not in left_out:
                await pair.compare("traceBlockByNumber", hex(number), options)
        block_hash = pair.chain.blocks.canonical_hash(number)
        assert block_hash is not None
        await pair.compare("traceBlockByHash", "0x" + block_hash.hex(), {"tracer": "callTracer"})
        await pair.compare("traceBlock", pair.geth.debug("debug_getRawBlock", hex(number)), {"tracer": "prestateTracer"})
        await pair.compare("intermediateRoots", "0x" + block_hash.hex())
    requests = Requests(pair.chain, Random(4))
    for _ in range(CALLS):
        await pair.compare("traceCall", *requests.call())
    for _ in range(PROGRAMS):
        await pair.compare("traceCall", *requests.program())
    for method, *params in requests.mistakes():
        await pair.compare(method, *params)
    assert "\n".join(pair.different) == ""
    assert pair.compared["traceCall"] > CALLS + PROGRAMS
