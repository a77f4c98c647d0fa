"""`trinode-harness record` against fake endpoints: what it makes of faults, lies and bad input."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
from click.testing import CliRunner

from harness.record_command import record
from harness.recorder.journal import Journal
from harness.recorder.plan import RecordError, Task
from harness.recording import RecordedItem, RecordedL1Block, RecordedL2Block, open_recording
from tests.fake_endpoints import FakeEndpoints, Fault, FaultChooser, RecordedChains, running
from trinode.jsonrpc import pace
from trinode.jsonrpc.endpoint import Retries
from trinode.jsonrpc.replies import JsonObject, header_of
from trinode.protocol.bloom import bloom_may_contain
from trinode.protocol.header import header_hash

FIXTURE = Path(__file__).resolve().parents[3] / "fixtures" / "devnet" / "steady-karst.jsonl.gz"
ZERO = "0x" + "00" * 32


@pytest.fixture(scope="module")
def chains() -> RecordedChains:
    return RecordedChains(FIXTURE)


class Range(NamedTuple):
    """What is recorded: L1 blocks and, after `l2_start`, L2 blocks."""

    l1_first: int
    l1_last: int
    l2_start: int
    l2_last: int


@pytest.fixture(scope="module")
def wanted(chains: RecordedChains) -> Range:
    """A short range in the middle that has everything: the first blobs, blocks with and without logs of the rollup's contracts."""
    portal = chains.head.rollup_config.deposit_contract_address
    deposits = {number for number, item in chains.l1.items() if bloom_may_contain(item.block.header.logs_bloom, portal)}
    _, *sources = sorted(chains.safe)
    for before, last in pairwise(sources):
        start = chains.safe[before]
        first = chains.l2[start][0].ref.l1_origin.number
        if chains.l1[last].blobs and deposits & set(range(first, last)) and last - first < 12:
            return Range(first, last, start, start + 4)
    raise AssertionError("the recording has no such range")


@pytest.fixture(scope="module")
def endpoints(chains: RecordedChains) -> Iterator[FakeEndpoints]:
    with running(chains) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(endpoints: FakeEndpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints.fault = None
    endpoints.calls.clear()
    endpoints.most_under_way = 0
    chains = endpoints.chains
    chains.has_blobs_route = chains.has_sidecars_route = chains.has_block_receipts = True
    monkeypatch.setattr(Retries, "delay", lambda self, attempt: 0.002)
    monkeypatch.setattr(pace, "LONGEST_INTERVAL", 0.002)


@pytest.fixture
def run(endpoints: FakeEndpoints, wanted: Range, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    l1_chain_config = tmp_path / "l1.json"
    l1_chain_config.write_text(json.dumps(endpoints.chains.head.l1_chain_config.to_json()))

    def invoke(*options: str, node: bool = True, without: tuple[str, ...] = ()) -> tuple[int, str]:
        given = {
            "--l1": endpoints.url("l1"),
            "--l2": endpoints.url("l2"),
            "--beacon": endpoints.url("beacon"),
            "--l1-chain-config": str(l1_chain_config),
            "--l1-from": str(wanted.l1_first),
            "--l1-to": str(wanted.l1_last),
            "--l2-from": str(wanted.l2_start),
            "--l2-to": str(wanted.l2_last),
            "--timeout": "2",
        }
        if node:
            given["--rollup-node"] = endpoints.url("node")
        arguments = [word for name, value in given.items() if name not in without for word in (name, value)]
        result = CliRunner().invoke(record, [str(tmp_path / "out.jsonl.gz"), *arguments, *options], catch_exceptions=False)
        if result.exit_code:
            assert not list(tmp_path.glob("out.jsonl.gz")), "a failed run leaves no recording"
        assert not list(tmp_path.glob(".*"))
        return result.exit_code, result.stderr

    return invoke


def expected_items(chains: RecordedChains, wanted: Range, *, all_receipts: bool = False, node: bool = True) -> list[RecordedItem]:
    """What is in the original of this range, without what only an eyewitness can tell."""
    config = chains.head.rollup_config
    items: list[RecordedItem] = []
    for number in range(wanted.l1_first, wanted.l1_last + 1):
        block = chains.l1[number].block
        bloom = block.header.logs_bloom
        needed = any(bloom_may_contain(bloom, address) for address in (config.deposit_contract_address, config.l1_system_config_address))
        if not needed and not all_receipts:
            block = replace(block, receipts=None)
        items.append(replace(chains.l1[number], block=block, line=0))
    for number in range(wanted.l2_start + 1, wanted.l2_last + 1):
        item, source = chains.recorded_l2[number], None
        if node and item.derived_from is not None and wanted.l1_first <= item.derived_from.number <= wanted.l1_last:
            source = item.derived_from
        items.append(replace(item, line=0, deposits_only=False, derived_from=source))
    return items


def recorded_items(path: Path) -> list[RecordedItem]:
    with open_recording(path) as reader:
        return [replace(item, line=0) for item in reader]


# ---- what comes out ----


def test_the_recording_holds_what_the_original_holds(
    run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, wanted: Range, tmp_path: Path
) -> None:
    status, output = run("--all-receipts", "--name", "mine", "--source", "a test")
    assert status == 0, output
    items = recorded_items(tmp_path / "out.jsonl.gz")
    blobs = sum(len(item.blobs) for item in items if isinstance(item, RecordedL1Block))
    assert output.endswith(f"{wanted.l1_last - wanted.l1_first + 1} L1 blocks, {blobs} blobs, 4 L2 blocks\n")
    assert blobs > 0
    assert items == expected_items(endpoints.chains, wanted, all_receipts=True)
    assert any(isinstance(item, RecordedL2Block) and item.derived_from is not None for item in items)
    with open_recording(tmp_path / "out.jsonl.gz") as reader:
        assert (reader.head.name, reader.head.source, reader.head.notes) == ("mine", "a test", ())
        assert reader.head.rollup_config == endpoints.chains.head.rollup_config
        assert reader.head.l1_chain_config == endpoints.chains.head.l1_chain_config
        assert (reader.head.l2_start.block, reader.head.l2_start.header) == endpoints.chains.l2[wanted.l2_start]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l1.json", "out.jsonl.gz"]
    assert 2 < endpoints.most_under_way <= 8


def test_receipts_only_where_they_are_needed(
    run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, wanted: Range, tmp_path: Path
) -> None:
    assert run()[0] == 0
    items = recorded_items(tmp_path / "out.jsonl.gz")
    assert items == expected_items(endpoints.chains, wanted)
    assert 0 < endpoints.calls["l1", "eth_getBlockReceipts"] < wanted.l1_last - wanted.l1_first


def test_without_rollup_node(run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, wanted: Range, tmp_path: Path) -> None:
    config = tmp_path / "rollup.json"
    config.write_text(json.dumps(endpoints.chains.head.rollup_config.to_json()))
    assert run("--rollup-config", str(config), "--concurrency", "1", node=False)[0] == 0
    # Since Isthmus the header itself tells the output root.
    assert recorded_items(tmp_path / "out.jsonl.gz") == expected_items(endpoints.chains, wanted, node=False)
    assert endpoints.most_under_way == 1


def test_without_a_first_l1_block(
    run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, wanted: Range, tmp_path: Path
) -> None:
    start = wanted.l2_start
    origin = endpoints.chains.l2[start][0].ref.l1_origin.number
    status, output = run("--l2-from", str(start), "--l2-to", str(start + 5), without=("--l1-from", "--l2-from", "--l2-to"))
    assert status == 0, output
    with open_recording(tmp_path / "out.jsonl.gz") as reader:
        assert reader.head.l2_start.block == endpoints.chains.l2[start][0]
        items = list(reader)
    assert isinstance(items[0], RecordedL1Block)
    assert items[0].block.header.number == max(1, origin - endpoints.chains.head.rollup_config.channel_timeout)
    last = items[-1]
    assert isinstance(last, RecordedL2Block)
    original = endpoints.chains.recorded_l2[start + 5]
    assert (last.attributes, last.derived_from) == (original.attributes, original.derived_from)


# ---- faults that pass ----


def some(kinds: list[Fault], every: int) -> FaultChooser:
    """Each of the faults in turn, on every so many requests."""
    count = 0

    def choose(service: str, method: str, params: list[Any]) -> Fault | None:
        nonlocal count
        count += 1
        return kinds[count // every % len(kinds)] if count % every == 0 else None

    return choose


def test_faults_that_pass_change_nothing(
    run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, wanted: Range, tmp_path: Path
) -> None:
    endpoints.fault = some(
        [
            Fault(status=429, retry_after="1"),
            Fault(status=503),
            Fault(hang=True),
            Fault(hang_up=True),
            Fault(error=(-32005, "limit exceeded")),
            Fault(status=200, body=b"<html>not JSON"),
            Fault(damage=lambda result: None),
            Fault(status=502, body=b""),
        ],
        5,
    )
    status, output = run("--all-receipts", "--timeout", "0.3")
    assert status == 0, output
    assert recorded_items(tmp_path / "out.jsonl.gz") == expected_items(endpoints.chains, wanted, all_receipts=True)


def test_receipts_one_by_one_where_the_block_s_are_not_offered(
    run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, wanted: Range, tmp_path: Path
) -> None:
    endpoints.chains.has_block_receipts = False
    status, output = run("--all-receipts", "--concurrency", "1")
    assert status == 0, output
    assert recorded_items(tmp_path / "out.jsonl.gz") == expected_items(endpoints.chains, wanted, all_receipts=True)
    assert endpoints.calls["l1", "eth_getBlockReceipts"] == 1
    assert endpoints.calls["l1", "eth_getTransactionReceipt"] > 1


@pytest.mark.parametrize("status", [400, 404, 405, 410])
def test_a_method_or_route_refused_by_http_status(
    run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, wanted: Range, tmp_path: Path, status: int
) -> None:
    body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"unknown method"}}'

    def refuse(service: str, method: str, params: list[Any]) -> Fault | None:
        return Fault(status=status, body=body) if method in {"eth_getBlockReceipts", "blobs"} else None

    endpoints.fault = refuse
    exit_code, output = run("--concurrency", "1")
    assert exit_code == 0, output
    assert recorded_items(tmp_path / "out.jsonl.gz") == expected_items(endpoints.chains, wanted)
    # Once the newer route is known to be missing, it is not asked again.
    assert endpoints.calls["beacon", "blobs"] == 1 < endpoints.calls["beacon", "blob_sidecars"]


# ---- faults that stay: one line that names endpoint, method and field ----


def on(service: str, method: str, fault: Fault, number: int | None = None) -> FaultChooser:
    def choose(at: str, called: str, params: list[Any]) -> Fault | None:
        if (at, called) != (service, method) or (number is not None and params[0] != hex(number)):
            return None
        return fault

    return choose


def change(**fields: Any) -> Fault:
    return Fault(damage=lambda result: result | fields)


def first_transaction(**fields: Any) -> Callable[[Any], Any]:
    def damage(result: Any) -> Any:
        if result["transactions"] and isinstance(result["transactions"][0], dict):
            result["transactions"][0] |= fields
        return result

    return damage


def flip_blob(reply: Any) -> Any:
    return {"data": ["0x00" + "01" + blob[6:] for blob in reply["data"]]}


def flip_status(receipts: Any) -> Any:
    return [receipt | {"status": hex(1 - int(receipt["status"], 16))} for receipt in receipts]


L1, BEACON, L2, NODE = "l1", "beacon", "l2", "node"
FATAL: list[tuple[str, str, Fault, str]] = [
    (L1, "eth_getBlockByNumber", Fault(status=429), "eth_getBlockByNumber: HTTP 429, 8 times"),
    (L1, "eth_getBlockByNumber", Fault(status=401), "eth_getBlockByNumber: HTTP 401 (does the URL have its key?)"),
    (L1, "eth_getBlockByNumber", Fault(hang_up=True), "eth_getBlockByNumber: no connection"),
    (L1, "eth_getBlockByNumber", Fault(status=200, body=b"<html>"), "eth_getBlockByNumber: the reply is not JSON"),
    (L1, "eth_getBlockByNumber", Fault(status=200, body=b"[]"), "eth_getBlockByNumber: reply: an object was expected"),
    (L1, "eth_getBlockByNumber", Fault(error=(-32602, "bad\nparams")), "eth_getBlockByNumber: error -32602: bad params"),
    (L1, "eth_getBlockByNumber", Fault(error=(-32000, "oops")), "eth_getBlockByNumber: error -32000: oops"),
    (L1, "eth_getBlockByNumber", Fault(damage=lambda _: None), "eth_getBlockByNumber: no block "),
    (L1, "eth_getBlockByNumber", change(hash=ZERO), "eth_getBlockByNumber: hash: 0x00"),
    (L1, "eth_getBlockByNumber", change(gasUsed="0x1"), "eth_getBlockByNumber: hash: 0x"),
    (L1, "eth_getBlockByNumber", change(number="0x99999"), "eth_getBlockByNumber: number: 629145, not "),
    (L1, "eth_getBlockByNumber", change(stateRoot=None), "eth_getBlockByNumber: stateRoot: missing"),
    (L1, "eth_getBlockByNumber", Fault(damage=first_transaction(nonce="0x77")), "eth_getBlockByNumber: transactions[0].hash: "),
    (L1, "eth_getBlockByNumber", Fault(damage=first_transaction(type="0x63")), "eth_getBlockByNumber: transactions[0].type: "),
    (L1, "eth_getBlockByNumber", change(transactions=[]), "eth_getBlockByNumber: transactions: of block "),
    (L1, "eth_getBlockReceipts", Fault(damage=lambda _: None), "eth_getBlockReceipts: no receipts of block "),
    (L1, "eth_getBlockReceipts", Fault(damage=lambda receipts: receipts[1:]), "eth_getBlockReceipts: receipts: of block "),
    (L1, "eth_getBlockReceipts", Fault(damage=flip_status), "eth_getBlockReceipts: receipts: of block "),
    (L1, "eth_getBlockReceipts", Fault(damage=lambda receipts: [{}] * len(receipts)), "eth_getBlockReceipts: [0].root: missing"),
    (L1, "eth_chainId", Fault(damage=lambda _: "0x1"), "eth_chainId: 1, but the rollup config has 31337"),
    (BEACON, "genesis", Fault(damage=lambda _: {"data": {"genesis_time": 5}}), "genesis: data.genesis_time: a decimal number"),
    (BEACON, "spec", Fault(damage=lambda _: {"data": {}}), "config/spec: data.SECONDS_PER_SLOT: a decimal number"),
    (BEACON, "spec", Fault(status=404), "config/spec: SECONDS_PER_SLOT: HTTP 404; say --seconds-per-slot"),
    (BEACON, "spec", Fault(damage=lambda _: {"data": {"SECONDS_PER_SLOT": "7"}}), "genesis_time: L1 time"),
    (BEACON, "blobs", Fault(damage=lambda _: {"data": [7]}), "data[0]: 131072 bytes in hex were expected"),
    (L2, "eth_chainId", Fault(damage=lambda _: "0x1"), "eth_chainId: 1, but the rollup config has 902"),
    (L2, "eth_getBlockByNumber", Fault(error=(-32601, "no")), "eth_getBlockByNumber: error -32601: no"),
    (L2, "eth_getBlockByNumber", Fault(damage=first_transaction(input="0x00")), "eth_getBlockByNumber: transactions[0].hash: "),
    (NODE, "optimism_outputAtBlock", change(outputRoot=ZERO), "optimism_outputAtBlock: outputRoot: 0x00"),
    (NODE, "optimism_outputAtBlock", change(stateRoot=ZERO), "optimism_outputAtBlock: stateRoot: differs"),
    (NODE, "optimism_outputAtBlock", change(blockRef={"hash": ZERO}), "optimism_outputAtBlock: blockRef.hash: 0x00"),
    (NODE, "optimism_outputAtBlock", change(blockRef=None), "optimism_outputAtBlock: blockRef: an object was expected"),
    (NODE, "optimism_safeHeadAtL1Block", change(l1Block={"number": "1"}), "optimism_safeHeadAtL1Block: l1Block.number: "),
]


@pytest.mark.parametrize("case", FATAL, ids=lambda case: f"{case[0]}: {case[3]}")
def test_lasting_faults_are_named(
    run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, case: tuple[str, str, Fault, str]
) -> None:
    service, method, fault, message = case
    endpoints.fault = on(service, method, fault)
    status, output = run()
    role = {L1: "L1", BEACON: "beacon", L2: "L2", NODE: "rollup node"}[service]
    assert (status, output.count("\n")) == (1, 1)
    assert output.startswith(f"trinode-harness record: {role} http://127.0.0.1:{endpoints.port}: ")
    assert message in output


def test_a_timeout(run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints) -> None:
    endpoints.fault = on("l2", "eth_chainId", Fault(hang=True))
    status, output = run("--timeout", "0.1", "--attempts", "2")
    assert (status, output.split(": ", 2)[2]) == (1, "eth_chainId: no answer in time, 2 times\n")


@pytest.mark.parametrize("route", ["both", "none"])
def test_blobs_that_are_wrong_or_gone(run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, route: str) -> None:
    if route == "none":
        endpoints.chains.has_blobs_route = endpoints.chains.has_sidecars_route = False
        expected = "HTTP 404, and blobs/"
    else:
        endpoints.chains.has_sidecars_route = True
        expected = "none has versioned hash 0x01"

        def damage(service: str, method: str, params: list[Any]) -> Fault | None:
            if method == "blobs":
                return Fault(damage=flip_blob)
            return Fault(damage=lambda _: {"data": []}) if method == "blob_sidecars" else None

        endpoints.fault = damage
    status, output = run()
    assert status == 1
    assert ": blob_sidecars/" in output
    assert expected in output


def test_a_wrong_blob_on_one_route_is_had_from_the_other(run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints) -> None:
    endpoints.fault = on("beacon", "blobs", Fault(damage=flip_blob))
    assert run()[0] == 0


def test_blobs_need_a_beacon(run: Callable[..., tuple[int, str]]) -> None:
    status, output = run(without=("--beacon",))
    assert status == 1
    assert "blobVersionedHashes: block " in output
    assert output.endswith("say --beacon\n")


def test_blocks_that_do_not_link(
    run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, wanted: Range, tmp_path: Path
) -> None:
    def another_parent(result: Any) -> Any:
        result["parentHash"] = "0x" + "11" * 32
        result["hash"] = "0x" + header_hash(header_of(JsonObject(result, ""))).hex()
        return result

    portal = endpoints.chains.head.rollup_config.deposit_contract_address
    quiet = [n for n, item in endpoints.chains.l1.items() if not bloom_may_contain(item.block.header.logs_bloom, portal)]
    l1, l2 = next(number for number in quiet if number > wanted.l1_first), wanted.l2_start + 3
    endpoints.fault = on("l1", "eth_getBlockByNumber", Fault(damage=another_parent), l1)
    status, output = run()
    assert status == 1
    assert f"L1 blocks {l1 - 1} and {l1} are no chain" in output
    assert "reorged meanwhile" in output
    (tmp_path / "out.jsonl.gz.journal").unlink()
    endpoints.fault = on("l2", "eth_getBlockByNumber", Fault(damage=another_parent), l2)
    # Such a block has another hash; a rollup node would say so first.
    config = tmp_path / "rollup.json"
    config.write_text(json.dumps(endpoints.chains.head.rollup_config.to_json()))
    status, output = run("--rollup-config", str(config), node=False)
    assert status == 1
    assert f"L2 blocks {l2 - 1} and {l2} are no chain" in output


def test_a_rollup_node_on_another_chain(run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, tmp_path: Path) -> None:
    def elsewhere(part: str) -> Fault:
        return Fault(damage=lambda result: result | {part: result[part] | {"hash": ZERO}})

    for part, message in (("l1Block", "safe head is of another L1 block"), ("safeHead", "the L2 endpoint has another")):
        endpoints.fault = on("node", "optimism_safeHeadAtL1Block", elsewhere(part))
        status, output = run()
        assert status == 1
        assert message in output
        (tmp_path / "out.jsonl.gz.journal").unlink()


# ---- going on after an interruption ----


def test_a_failed_run_goes_on_where_it_stopped(
    run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, wanted: Range, tmp_path: Path
) -> None:
    endpoints.fault = on("l1", "eth_getBlockByNumber", Fault(status=403), wanted.l1_last)
    assert run("--concurrency", "2")[0] == 1
    assert (tmp_path / "out.jsonl.gz.journal").exists()
    first = endpoints.calls["l1", "eth_getBlockByNumber"]
    endpoints.fault = None
    endpoints.calls.clear()
    assert run("--concurrency", "2")[0] == 0
    missing = wanted.l1_last - wanted.l1_first + 1 - first + 1
    assert endpoints.calls["l1", "eth_getBlockByNumber"] in (missing, missing + 1)  # one may have been under way when the other failed
    assert recorded_items(tmp_path / "out.jsonl.gz") == expected_items(endpoints.chains, wanted)
    assert not (tmp_path / "out.jsonl.gz.journal").exists()


def test_the_journal_of_another_request_is_refused(run: Callable[..., tuple[int, str]], endpoints: FakeEndpoints, tmp_path: Path) -> None:
    endpoints.fault = on("l2", "eth_getBlockByNumber", Fault(status=403))
    assert run()[0] == 1
    endpoints.fault = None
    status, output = run("--name", "other")
    assert status == 2
    assert "is the journal of another request" in output
    (tmp_path / "out.jsonl.gz.journal").write_bytes(b"something else entirely" * 1000)
    status, output = run()
    assert status == 2
    assert "is no journal of this program" in output


def a_journal(path: Path, entries: int) -> bytes:
    """A journal with so many entries, and its bytes."""
    with closing(Journal(path, b"key")) as journal:
        for number in range(entries):
            trio.run(journal.append, Task("l1", number), b"data %d" % number * 50)
    return path.read_bytes()


def test_a_torn_journal_keeps_what_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "j"
    three, four = len(a_journal(path, 3)), a_journal(tmp_path / "k", 4)
    for size in range(three, len(four), 7):
        path.write_bytes(four[:size])
        with closing(Journal(path, b"key")) as journal:
            assert [Task("l1", number) in journal for number in range(4)] == [True, True, True, False]
            assert journal.read(Task("l1", 2)) == b"data 2" * 50
            trio.run(journal.append, Task("l1", 3), b"data 3" * 50)
        assert path.read_bytes() == four
    for at in (three + 2, three + 6, three + 12):
        path.write_bytes(four[:at] + bytes([four[at] ^ 1]) + four[at + 1 :])
        with closing(Journal(path, b"key")) as journal:
            assert Task("l1", 3) not in journal


def test_a_journal_torn_in_its_first_entry_begins_anew(tmp_path: Path) -> None:
    whole = a_journal(tmp_path / "j", 0)
    for size in range(len(whole)):
        (tmp_path / "j").write_bytes(whole[:size])
        with closing(Journal(tmp_path / "j", b"key")):
            pass
        assert (tmp_path / "j").read_bytes() == whole


def test_a_journal_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j", b"key")), pytest.raises(RecordError, match="in use by another run"):
        Journal(tmp_path / "j", b"key")
    with pytest.raises(RecordError, match="No such file"):
        Journal(tmp_path / "none" / "j", b"key")


# ---- bad input ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--l1", "localhost:8545"), "is no http(s) URL"),
        (("--l1", "ftp://user:key@host"), "'host' is no http(s) URL"),
        (("--network", "op-mainet"), "op-main"),
        (("--network", "op-mainnet", "--rollup-config", "x"), "exclude each other"),
        (("--rollup-config", "/nonexistent"), "No such file"),
        (("--rollup-config", __file__), "not JSON"),
        (("--l1-chain-config", __file__), "not JSON"),
        (("--l1-from", "0"), "before the rollup's genesis"),
        (("--l1-from", "9", "--l1-to", "8"), "there are none"),
        (("--l2-from", "9", "--l2-to", "8"), "there are none"),
        (("--concurrency", "0"), "concurrency"),
        (("--timeout", "0"), "timeout"),
    ],
)
def test_bad_input(run: Callable[..., tuple[int, str]], options: tuple[str, ...], message: str) -> None:
    status, output = run(*options)
    assert status == 2
    assert message in output


def test_unknown_l1_chain_and_missing_chain(run: Callable[..., tuple[int, str]]) -> None:
    status, output = run(without=("--l1-chain-config",))
    assert (status, "say --l1-chain-config" in output) == (2, True)
    status, output = run(node=False)
    assert (status, "say --network" in output) == (2, True)


def test_what_exists_is_not_replaced_unless_forced(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    output_path = tmp_path / "out.jsonl.gz"
    output_path.write_bytes(b"precious")
    runner = CliRunner().invoke(record, [str(output_path), "--l1", "http://h", "--l2", "http://h"])
    assert (runner.exit_code, output_path.read_bytes()) == (2, b"precious")
    assert "say --force" in runner.stderr
    assert run("--force")[0] == 0
    assert output_path.read_bytes() != b"precious"


def test_threads_are_gone_after_a_run(run: Callable[..., tuple[int, str]]) -> None:
    assert run()[0] == 0
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("kzg")]
    assert len(names) <= 4
