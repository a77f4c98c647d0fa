"""OP Mainnet verified without a state: blocks derived from their real L1 batch, executed from recorded witnesses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trio

from harness.execution.cases import WitnessCase
from harness.execution.files import read_block_file
from harness.l1_view import L1View
from harness.recording import RecordedItem, RecordedL1Block, RecordedL2Block, RecordingHead, open_recording
from tests.shared import shared
from tests.unit.engine.stateless.local_endpoint import LocalEndpoint
from trinode.engine.stateless.engine import StatelessEngine
from trinode.engine.stateless.execution import StatelessSettings
from trinode.engine.stateless.headers import HeaderChain
from trinode.engine.stateless.remote import RemoteL2
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.header_object import header_object
from trinode.jsonrpc.requests import Method
from trinode.node.driver import Driver
from trinode.protocol.block import KnownBlock, L1Block
from trinode.protocol.header import Header, encode_header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import GenesisConfig
from trinode.rollup.json_fields import to_hex
from trinode.storage.identity import ChainIdentity

FIRST, LAST = 109279675, 109279689
NAME = "L2 http://op-mainnet.example"
SETTINGS = StatelessSettings(first_delay=0.01, longest_delay=0.02, patience=3600)
Json = dict[str, Any]
Alter = Callable[[Json], Json]


class RecordedRemote:
    """The recorded headers and witnesses, as an execution client gives them. `altered`: what becomes of a witness."""

    def __init__(self, cases: dict[int, WitnessCase]) -> None:
        self._cases = cases
        self.altered: Callable[[int, Json], Json] = lambda number, witness: witness
        self.altered_header: Callable[[int, Json], Json] = lambda number, header: header

    def remote(self) -> RemoteL2:
        methods: dict[str, Method] = {"debug_executionWitness": self._witness, "eth_getBlockByNumber": self._block}
        return RemoteL2(JsonRpc(LocalEndpoint("http://op-mainnet.example", methods)))

    async def _block(self, params: list[Any]) -> Json | None:
        number = int(params[0], 16)
        if number not in self._cases:
            return None
        return self.altered_header(number, _header_json(header_of_case(self._cases[number])))

    async def _witness(self, params: list[Any]) -> Json:
        number = int(params[0], 16)
        return self.altered(number, witness_json(self._cases[number]))


def witness_json(case: WitnessCase) -> Json:
    """The recordings do not say which preimages are codes: all stand with the nodes."""
    return {"headers": [to_hex(encode_header(case.parent))], "state": [to_hex(item) for item in case.preimages], "codes": []}


def header_of_case(case: WitnessCase) -> Header:
    return Header(**case.block.header)  # type: ignore[arg-type]


def _header_json(header: Header) -> Json:
    return header_object(header) | {"hash": to_hex(header_hash(header))}


@cache
def _recording() -> tuple[RecordingHead, list[RecordedItem]]:
    reader = open_recording(shared("recordings/op-mainnet-regolith-109279674.jsonl.gz"), check=False)
    return reader.head, list(reader)


@cache
def _cases() -> dict[int, WitnessCase]:
    files = {number: read_block_file(shared(f"data/exec/op-mainnet-{number}-regolith.json.gz")) for number in range(FIRST, LAST + 1)}
    return {number: case for number, case in files.items() if isinstance(case, WitnessCase)}


class Mainnet:
    """The recording's L1 with a driver on a stateless engine. The parent of the first block with a witness stands as the rollup's genesis:
    what is before it on L1 was not recorded."""

    def __init__(self, folder: Path) -> None:
        self.head, items = _recording()
        self.l1 = L1View()
        for item in items:
            if isinstance(item, RecordedL1Block):
                self.l1.add(item)
            elif isinstance(item, RecordedL2Block) and item.header.number == FIRST - 1:
                self.start = item
        self.cases = _cases()
        self.remote = RecordedRemote(self.cases)
        start = self.start.block
        genesis = GenesisConfig(start.ref.l1_origin, start.ref.id, start.ref.timestamp, start.system_config)
        self.config = replace(self.head.rollup_config, genesis=genesis)
        self.identity = ChainIdentity(self.config.l2_chain_id, self.config.genesis.l2.hash)
        self.folder = folder
        self.notices: list[str] = []

    async def block_by_number(self, number: int) -> L1Block | None:
        await trio.lowlevel.checkpoint()
        return self.l1.by_number(number)

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        await trio.lowlevel.checkpoint()
        return self.l1.by_hash.get(block.hash)

    async def is_canonical(self, block: BlockId) -> bool:
        await trio.lowlevel.checkpoint()
        found = self.l1.by_number(block.number)
        return found is not None and found.hash == block.hash

    async def blobs(self, block: BlockId, timestamp: int, hashes: tuple[Hash32, ...]) -> tuple[bytes, ...] | None:
        raise AssertionError("there were no blobs then")

    async def verify(self, until: Callable[[str], bool] = lambda line: False) -> list[Hash32]:
        """Derives and executes until there is a notice like that, or the end; the hashes of the blocks after the first."""
        chain = HeaderChain(self.folder, self.identity)
        if chain.is_empty:
            chain.begin(KnownBlock(self.start.header, self.start.block.ref.hash, self.start.block.transactions))
        with trio.CancelScope() as scope:

            def notice(line: str) -> None:
                self.notices.append(line)
                if until(line) or str(LAST + 1) in line:
                    scope.cancel()

            engine = StatelessEngine(chain, BlockExecutor(self.config, FastEngine()), [self.remote.remote()], settings=SETTINGS, notice=notice)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(engine.run)
                await Driver(self.config, self.head.l1_chain_config, self, engine).run()
        await engine.close()
        hashes = [chain.canonical_hash(number) for number in range(FIRST, chain.head.header.number + 1)]
        chain.close()
        return [found for found in hashes if found is not None]

    def expected(self) -> list[Hash32 | None]:
        return [self.cases[number].block.hash for number in range(FIRST, LAST + 1)]


@pytest.fixture
def mainnet(tmp_path: Path) -> Mainnet:
    return Mainnet(tmp_path / "headers")


async def test_blocks_derived_from_l1_have_their_real_hashes(mainnet: Mainnet) -> None:
    hashes = await mainnet.verify()
    assert len(hashes) == 15
    assert hashes == mainnet.expected()
    assert mainnet.notices == [f"{NAME}: eth_getBlockByNumber: L2 block {LAST + 1}: the remote does not have it yet"]
    size = sum(file.stat().st_size for file in mainnet.folder.rglob("*"))
    assert size < 1 << 20, size


AT = FIRST + 5
"""Its largest code was in no block before, so that the engine does not know it yet."""


FULL_BRANCH = 2 + 2 * 532
"""The length in hex of a branch with all its children: of codes only by chance, and here of none."""


def _index(witness: Json, *, code: bool) -> int:
    """The largest code, or a branch."""
    sizes = [len(item) for item in witness["state"]]
    return sizes.index(max(sizes) if code else FULL_BRANCH)


def _without(*, code: bool) -> Alter:
    def leave_out(witness: Json) -> Json:
        at = _index(witness, code=code)
        return witness | {"state": [item for index, item in enumerate(witness["state"]) if index != at]}

    return leave_out


def _changed(*, code: bool) -> Alter:
    def change(witness: Json) -> Json:
        at = _index(witness, code=code)
        return witness | {"state": [_other(item) if index == at else item for index, item in enumerate(witness["state"])]}

    return change


def _other(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def _other_header(witness: Json) -> Json:
    return witness | {"headers": [_other(witness["headers"][0])]}


def _mapped(witness: Json) -> Json:
    """As some give it: by hash. One of the nodes is not what its key says."""
    state = {to_hex(keccak256(bytes.fromhex(item[2:]))): item for item in witness["state"]}
    key = next(key for key, item in state.items() if len(item) == FULL_BRANCH)
    return witness | {"state": state | {key: _other(state[key])}}


@pytest.mark.parametrize(
    ("alter", "field"),
    [
        (_without(code=False), "state"),
        (_changed(code=False), "state"),
        (_mapped, "state[0x"),
        (_without(code=True), "codes"),
        (_changed(code=True), "codes"),
        (_other_header, "headers"),
        (lambda witness: witness | {"state": [*witness["state"], "0xzz"]}, "state["),
        (lambda witness: {key: value for key, value in witness.items() if key != "state"}, "state"),
    ],
    ids=["node missing", "node changed", "node changed by hash", "code missing", "code changed", "header changed", "not hex", "no state"],
)
async def test_an_altered_witness_is_refused_by_block_field_and_endpoint(mainnet: Mainnet, alter: Alter, field: str) -> None:
    mainnet.remote.altered = lambda number, witness: alter(witness) if number == AT else witness
    hashes = await mainnet.verify(lambda line: str(AT) in line)
    assert hashes == mainnet.expected()[: AT - FIRST]
    (line,) = mainnet.notices
    assert line.startswith(f"{NAME}: debug_executionWitness: {field}")
    assert f": L2 block {AT}: " in line
    assert "\n" not in line


async def test_the_witness_of_another_block_is_refused(mainnet: Mainnet) -> None:
    other = witness_json(mainnet.cases[AT + 1])
    mainnet.remote.altered = lambda number, witness: other if number == AT else witness
    hashes = await mainnet.verify(lambda line: str(AT) in line)
    assert hashes == mainnet.expected()[: AT - FIRST]
    assert f"{NAME}: debug_executionWitness: headers: L2 block {AT}: they end with block {AT} " in mainnet.notices[0]


async def test_a_remote_that_was_repaired_is_believed_again_after_a_stop(mainnet: Mainnet) -> None:
    mainnet.remote.altered = lambda number, witness: _without(code=False)(witness) if number == AT else witness
    assert len(await mainnet.verify(lambda line: str(AT) in line)) == AT - FIRST
    mainnet.remote.altered = lambda number, witness: witness
    assert await mainnet.verify() == mainnet.expected()


async def test_a_remote_that_lies_about_its_block_is_said_and_changes_nothing(mainnet: Mainnet) -> None:
    """Its header hashes to what it says, but L1 says another block."""
    header = header_of_case(mainnet.cases[AT])
    lying = _header_json(replace(header, gas_used=header.gas_used + 1))
    mainnet.remote.altered_header = lambda number, value: lying if number == AT else value
    assert await mainnet.verify() == mainnet.expected()
    assert mainnet.notices[0].startswith(f"CRITICAL: {NAME}: eth_getBlockByNumber: gas_used: L2 block {AT}: ")
    assert len(mainnet.notices) == 2
