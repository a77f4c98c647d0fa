"""All methods that both have beside a real op-geth, on the recorded chain of all forks: `tox -e peers`.

TRINODE_SIDE_BY_SIDE is how many requests there are, TRINODE_SIDE_BY_SIDE_SEED what they are drawn from.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import trio

from harness.engine_differential.op_geth import SECRET, OpGeth, find_geth
from harness.execution.cases import ChainCase
from harness.execution.files import read_unzipped
from tests.integration.test_simulations_beside_op_geth import NO_DA_SCALAR
from tests.integration.test_traces_beside_op_geth import fill
from tests.recorded_store import recorded_store
from tests.requests_beside import RequestsBeside
from tests.shared import shared
from tests.simulations import FINALIZED, SAFE, differences
from trinode.engine.api.client import ExternalEngine
from trinode.engine.api.endpoint import EngineEndpoint
from trinode.engine.pool.limits import PoolLimits
from trinode.engine.pool.pool import TransactionPool
from trinode.engine.status import ForkchoiceState
from trinode.jsonrpc.requests import INVALID_PARAMS, Limits
from trinode.node.submission import ToPool
from trinode.rpc.debug.namespace import DebugNamespace, DebugSources
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace, Pooled
from trinode.rpc.eth.workers import Workers
from trinode.rpc.net import NetNamespace
from trinode.rpc.txpool import TxPoolNamespace
from trinode.rpc.web3 import Web3Namespace
from trinode.storage.store import Store

pytestmark = pytest.mark.peers

REQUESTS = int(os.environ.get("TRINODE_SIDE_BY_SIDE", "5500"))
SEED = int(os.environ.get("TRINODE_SIDE_BY_SIDE_SEED", "6"))
BATCH = 40
NAMESPACES = ("eth", "debug", "net", "web3", "txpool")


class OpGethOfAll(OpGeth):
    """One that serves all namespaces."""

    def _options(self, folder: Path, chain_id: int) -> list[str]:
        return [",".join(NAMESPACES) if each == "eth,debug" else each for each in super()._options(folder, chain_id)]

    def batch(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The replies, in order."""
        replies = self._post(self._http_port, requests)
        return sorted(replies, key=lambda reply: int(reply["id"]))


def ours_over(chain: Chain) -> Dispatcher:
    """Our methods over the recorded chain, with limits as op-geth's."""
    config, store, limits = chain.config, chain.store, EthLimits(call_seconds=60)
    assert isinstance(store, Store)
    pool = TransactionPool(config, store, PoolLimits(), clock=time.monotonic)
    pooled = Pooled(pool.get, pool.pending_nonce)
    return Dispatcher(
        [
            EthNamespace(config, store, progress=lambda: None, taker=ToPool(pool), pooled=pooled, limits=limits),
            DebugNamespace(config, store, DebugSources(pooled=pool.get), traces=TraceSettings(size=400_000_000, seconds=120)),
            NetNamespace(config.l2_chain_id, lambda: 0),
            Web3Namespace("trinode"),
            TxPoolNamespace(pool, Workers(limits)),
        ],
        NAMESPACES,
        Limits(seconds=math.inf),
    )


@dataclass(frozen=True)
class Asked:
    """A request, and both replies but for their frames."""

    method: str
    params: list[Any]
    ours: dict[str, Any]
    theirs: dict[str, Any]

    @property
    def different(self) -> list[str]:
        """Where the replies are not the same. Words about parameters that cannot be read are each server's own."""
        ours, theirs = self.ours.get("error"), self.theirs.get("error")
        if ours is not None and theirs is not None and ours["code"] == theirs["code"] == INVALID_PARAMS:
            return []
        return list(differences(self.ours, self.theirs))

    @property
    def their_error(self) -> str:
        """op-geth's words, nothing where it has a result."""
        return str(self.theirs.get("error", {}).get("message", ""))

    @property
    def their_code(self) -> int | None:
        """Of the error, None where there is none."""
        return self.theirs["error"]["code"] if "error" in self.theirs else None

    @property
    def our_code(self) -> int | None:
        """The same of ours."""
        return self.ours["error"]["code"] if "error" in self.ours else None

    @property
    def our_error(self) -> str:
        """The same of ours."""
        return str(self.ours.get("error", {}).get("message", ""))


def _prices(asked: Asked) -> bool:
    """Whether the message of an access list says all of its fees."""
    message = asked.params[0] if asked.params and isinstance(asked.params[0], dict) else {}
    priced = {name for name in ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas") if message.get(name) not in (None, "0x0")}
    return "gasPrice" in priced or len(priced) == 2


def _only_in(asked: Asked, part: str) -> bool:
    return all(part in each for each in asked.different)


def _is_later_precompile(asked: Asked) -> bool:
    """A message to the recording's contract that calls a precompile, for modexp or P256VERIFY."""
    words = json.dumps(asked.params)
    return _CALLER_OF_PRECOMPILES in words and any(f"0x{number:064x}" in words for number in (5, 0x100))


_CALLER_OF_PRECOMPILES = "0x6d8da4b12d658a36909ec1c75f81e54b8db4ebf9"
_HASH_OF_NONE = re.compile(r"(?<=failed to apply transaction: )0x[0-9a-f]{64} ")
_OF_FEES = ("insufficient funds", "FeePerGas", "fee per gas", "gasPrice must be non-zero")
EXCEPTIONS: dict[str, Callable[[Asked], bool]] = {
    "a missing or null block is the latest here, missing percentiles are none; op-geth demands them in some methods": lambda asked: (
        "result" in asked.ours and (asked.their_error.startswith("missing value for required argument") or asked.params[-1:] == [None])
    ),
    "0X is no prefix of a number here": lambda asked: '"0X' in json.dumps(asked.params) and asked.our_code == INVALID_PARAMS,
    "a slot has to be hex with 0x, of 32 bytes at most, here": lambda asked: (
        asked.method in ("eth_getStorageAt", "eth_getProof") and asked.our_code == INVALID_PARAMS and "argument 1" in asked.our_error
    ),
    "of two things that are wrong each server tells one: here all parameters are read before anything is looked up": lambda asked: (
        None not in (asked.our_code, asked.their_code)
        and ((asked.our_code == INVALID_PARAMS) != (asked.their_code == INVALID_PARAMS) or asked.our_error.startswith("chainId does not match"))
    ),
    "`data` with another `input` is an error in all methods here, and in some of op-geth's": lambda asked: (
        asked.our_error.startswith('both "data" and "input"')
    ),
    "op-geth makes access lists for the fees that it suggests, where the message has none, and for senders who can pay them": lambda asked: (
        asked.method == "eth_createAccessList" and not _prices(asked) and any(each in asked.their_error + asked.our_error for each in _OF_FEES)
    ),
    "eth_createAccessList takes overrides of the block here, too": lambda asked: asked.their_error == "too many arguments, want at most 3",
    "op-geth names the hash of a transaction that there is not": lambda asked: (
        asked.method == "eth_createAccessList" and _HASH_OF_NONE.sub("", asked.their_error) == asked.our_error
    ),
    "tracers in JavaScript are not run here": lambda asked: "tracers in JavaScript are not run here" in asked.our_error,
    "op-geth's tracers in JavaScript fail at deposits that could not begin": lambda asked: "Invalid integer: <nil>" in str(asked.theirs),
    "op-geth crashes in eth_config on chains without a schedule of blobs": lambda asked: (
        asked.method == "eth_config" and asked.their_error == "method handler crashed"
    ),
    "op-geth crashes where it validates the second of simulated blocks, since Holocene": lambda asked: (
        asked.method == "eth_simulateV1" and asked.their_error == "method handler crashed"
    ),
    "a trace that has no time is an error here; op-geth has some done before it notices": lambda asked: (
        asked.our_error == "execution timeout" and '"timeout": "-1s"' in json.dumps(asked.params)
    ),
    "too many percentiles are refused here even for no blocks": lambda asked: (
        asked.method == "eth_feeHistory" and "over the query limit" in asked.our_error and asked.theirs.get("result", {}).get("gasUsedRatio") is None
    ),
    "words about bytes that are no transaction are each server's own": lambda asked: (
        asked.method == "eth_sendRawTransaction" and asked.our_code == asked.their_code and asked.their_error.startswith(("rlp: ", "typed trans"))
    ),
    "op-geth cannot simulate calls after Jovian on a block before it": lambda asked: asked.their_error.startswith(NO_DA_SCALAR),
    "op-geth counts the logs of calls that failed, in what it simulates": lambda asked: (
        asked.method == "eth_simulateV1" and _only_in(asked, ".logIndex:")
    ),
    "of Karst's precompiles modexp and P256VERIFY are those of the fork before in that op-geth": _is_later_precompile,
    "where a fork changes fees, op-geth tells the block's own, or what the block before made of it: whichever thread comes last": lambda asked: (
        asked.method == "eth_feeHistory" and len(asked.different) <= 3 and _only_in(asked, ".baseFeePer") and _only_in(asked, "Gas[")
    ),
    "words about a tracer's options are each server's own": lambda asked: (
        asked.our_code == asked.their_code and asked.our_error.startswith("tracerConfig") and asked.their_error.startswith("json: ")
    ),
    "op-geth has no preimages of what stood in its genesis": lambda asked: (
        asked.method == "debug_storageRangeAt" and all(".key: " in each and each.endswith("op-geth: None") for each in asked.different)
    ),
    "memory beyond 64 bits is out of gas in estimates here": lambda asked: (
        asked.method == "eth_estimateGas" and asked.their_error == "gas uint64 overflow" and asked.our_error.startswith("gas required exceeds")
    ),
    "a message that is null is missing here, and empty in op-geth": lambda asked: (
        asked.params[:1] == [None] and asked.our_error == "missing value for required argument 0"
    ),
    "an unknown block has other words in op-geth's eth_createAccessList than elsewhere": lambda asked: (
        asked.method == "eth_createAccessList" and asked.their_error == "header for hash not found" and asked.our_error == "header not found"
    ),
    "a missing index is an error here; an empty one is 0 in op-geth": lambda asked: (
        asked.method.endswith("AndIndex") and asked.params[1:2] == [""] and asked.our_code == INVALID_PARAMS
    ),
}
"""What is not op-geth's on purpose."""


@dataclass
class Found:
    """What was asked, and what of it was answered otherwise."""

    methods: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    excepted: Counter[str] = field(default_factory=Counter)
    different: list[str] = field(default_factory=list)

    def note(self, asked: Asked) -> None:
        """Adds one request."""
        self.methods[asked.method] += 1
        self.errors += "error" in asked.theirs
        if not asked.different:
            return
        reason = next((reason for reason, holds in EXCEPTIONS.items() if holds(asked)), None)
        if reason is not None:
            self.excepted[reason] += 1
        else:
            self.different.append(f"{asked.method} {json.dumps(asked.params)[:500]}: {asked.different[:3]}")


async def ask_both(geth: OpGethOfAll, ours: Dispatcher, drawn: list[tuple[str, list[Any]]]) -> list[Asked]:
    """One batch to both."""
    batch = [{"jsonrpc": "2.0", "id": index, "method": method, "params": params} for index, (method, params) in enumerate(drawn)]
    theirs = await trio.to_thread.run_sync(geth.batch, batch)
    mine = msgspec.json.decode(await ours.answer(msgspec.json.encode(batch)))
    assert len(theirs) == len(mine) == len(batch)
    return [Asked(*each, _unframed(our), _unframed(their)) for each, our, their in zip(drawn, mine, theirs, strict=True)]


def _unframed(reply: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in reply.items() if name in ("result", "error")}


async def name_blocks(geth: OpGeth, chain: Chain) -> None:
    """Both know a safe and a finalized block."""
    hashes = []
    for label, number in (("safe", SAFE), ("finalized", FINALIZED)):
        block_hash = chain.blocks.canonical_hash(number)
        assert block_hash is not None and isinstance(chain.store, Store)
        chain.store.set_label(label, block_hash)
        hashes.append(block_hash)
    async with EngineEndpoint(geth.engine_url, SECRET, Path("jwt.txt"), timeout=60) as endpoint:
        await ExternalEngine(endpoint, chain.config).forkchoice_updated(ForkchoiceState(chain.head.hash, *hashes), None)


@contextmanager
def both_servers(folder: Path) -> Iterator[tuple[OpGethOfAll, Chain, ChainCase]]:
    """op-geth, with nothing in it, and the recorded chain."""
    program = find_geth()
    if program is None:
        pytest.skip("geth (op-geth) is not in TRINODE_PEERS or on PATH")
    genesis = json.loads(read_unzipped(shared("recordings/forks-genesis.json.gz")))
    geth = OpGethOfAll(program, genesis)
    with geth, recorded_store(folder) as (recorded, chain):
        yield geth, chain, recorded


async def test_every_answer_is_op_geths(tmp_path: Path) -> None:
    with both_servers(tmp_path) as (geth, chain, recorded):
        await fill(geth, recorded, recorded.config.genesis.l2.hash)
        await name_blocks(geth, chain)
        ours, requests, found = ours_over(chain), RequestsBeside(chain, Random(SEED)), Found()
        for _ in range(0, REQUESTS, BATCH):
            for asked in await ask_both(geth, ours, [requests.draw() for _ in range(BATCH)]):
                found.note(asked)
    print(f"{sum(found.methods.values())} requests, {found.errors} of them errors; {len(found.methods)} methods: {dict(found.methods)}")
    print("\n".join(f"{count} {reason}" for reason, count in found.excepted.most_common()))
    assert "\n".join(found.different) == ""
    assert sum(found.methods.values()) >= REQUESTS
