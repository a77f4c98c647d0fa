"""What the node cannot use is refused in one line that says where it is, what is wrong and what to do, with exit status 2, by real processes."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.node_process import ANY_PORTS, NodeProcess
from tests.fake_endpoints import FakeEndpoints, Fault, RecordedChains, running
from tests.recorded_node import forks_chains, verifier_words
from tests.shared import shared
from trinode.protocol.rlp_codec import decode_list, encode_bytes, encode_int, encode_list, to_bytes
from trinode.storage.database import Database

TIMEOUT = 120
NOWHERE = "http://127.0.0.1:1"
OP_SEPOLIA = ["--network=op-sepolia", f"--l1={NOWHERE}", f"--l1.beacon={NOWHERE}"]
LOG_LINE = re.compile(r"\d\d:\d\d:\d\d \[(info|warning)\] ")


def refusal(words: list[str]) -> str:
    """The one line of a node that does not start; there may be lines of the log before it."""
    done = subprocess.run([sys.executable, "-m", "trinode.cli", *words], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    *log, line = done.stderr.splitlines()
    assert all(LOG_LINE.match(each) for each in log), done.stderr
    assert line.startswith("Error: "), done.stderr
    return line.removeprefix("Error: ")


class Place:
    """A served recording, and folders of nodes that have run."""

    def __init__(self, folder: Path, chains: RecordedChains, server: FakeEndpoints) -> None:
        self.folder = folder
        self.chains = chains
        self.server = server
        self.devnet = ["--block-time=2s", f"--datadir={folder / 'devnet'}", *ANY_PORTS]

    def words(self, **others: object) -> list[str]:
        """A verifier, with other options (see `verifier_words`)."""
        return verifier_words(self.chains, self.server, self.folder, **others)

    def engine_words(self, name: str, **others: object) -> list[str]:
        """An engine without L1, for others."""
        without = dict.fromkeys(("l1", "l1_beacon", "l1_http_poll_interval", "l1_epoch_poll_interval"))
        return ["--authrpc", *self.words(datadir=self.folder / name, authrpc_port=0, **without, **others)]

    def file(self, content: str | bytes) -> Path:
        """A new file."""
        path = self.folder / f"file{len(list(self.folder.iterdir()))}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def copy(self, name: str, source: str) -> Path:
        """A copy of a datadir."""
        return shutil.copytree(self.folder / source, self.folder / name, ignore=shutil.ignore_patterns("*.ipc"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    chains = forks_chains()
    with running(chains) as server:
        place = Place(tmp_path_factory.mktemp("nodes"), chains, server)
        for words in (place.devnet, place.words()):
            with NodeProcess(words) as node:
                node.wait_for("derivation begins", TIMEOUT)
                node.stop()
        yield place


@pytest.fixture(autouse=True)
def without_faults(place: Place) -> Iterator[None]:
    yield
    place.server.fault = None


# ---- the datadir ----


def test_a_datadir_in_use(place: Place) -> None:
    with NodeProcess(place.devnet) as node:
        node.wait_for("derivation begins", TIMEOUT)
        line = refusal(place.devnet)
    assert line == f"{place.folder}/devnet: another trinode uses it (process {node.process.pid}). Stop that one, or give another --datadir"


def test_a_datadir_of_another_chain(place: Place) -> None:
    remedy = "Use another folder, or the options of that chain."
    for words, found, wanted in (
        ([*OP_SEPOLIA, f"--datadir={place.folder / 'devnet'}"], "chain 901 with genesis", "chain 11155420 with"),
        ([*OP_SEPOLIA, f"--datadir={place.folder / 'data'}"], "chain 901 with genesis", "chain 11155420 with"),
        (place.words(datadir=place.folder / "devnet"), "chain 901 with genesis", "chain 901 with genesis"),
        ([f"--datadir={place.folder / 'data'}", *ANY_PORTS], "chain 901 with genesis", "chain 901 with genesis"),
    ):
        line = refusal(words)
        assert re.fullmatch(rf"{place.folder}/(devnet|data)/chain: the store is of {found} .*, not of {wanted} .* {remedy}", line), line


def test_a_devnet_with_another_block_time(place: Place) -> None:
    line = refusal([*place.devnet[1:], "--block-time=5s"])
    assert line == f"{place.folder}/devnet/l1: this devnet has a block every 2 s, not 5 s. Give its block time, or use another folder."


@pytest.mark.parametrize(
    ("database", "key", "value", "message"),
    [
        ("chain", b"mformat", b"trinode store 9", "the store's format is 'trinode store 9', and this version reads .* Use the version that wrote"),
        ("derivation", b"mformat", b"trinode derivation records 9", "records in the format .* 9'. Remove the folder: it is made anew."),
        ("l1", b"chain", None, "this devnet has format 9, and this version makes 1. Use another folder."),
    ],
)
def test_a_datadir_of_a_newer_version(place: Place, database: str, key: bytes, value: bytes | None, message: str) -> None:
    folder = place.copy(f"newer-{database}", "devnet")
    opened = Database(folder / database, create=False)
    with opened.batch() as batch:
        first = [encode_int(9), *(encode_bytes(to_bytes(item)) for item in decode_list(opened.get(b"chain") or b"\xc0")[1:])]
        batch.put(key, value or encode_list(first))
    opened.close()
    assert re.search(f"^{folder}/{database}: {message}", refusal([f"--datadir={folder}", *ANY_PORTS]))


def test_a_datadir_that_is_none(place: Place) -> None:
    file = place.file("no folder")
    for path, problem in ((file, "File exists"), (file / "below", "Not a directory")):
        assert refusal([f"--datadir={path}"]) == f"{path}: cannot be written to: {problem}. Give another folder with --datadir, or mend this one"


def test_a_datadir_with_something_else_in_it(place: Place) -> None:
    other = place.folder / "other" / "chain"
    other.mkdir(parents=True)
    (other / "holiday.jpg").write_bytes(b"")
    line = refusal(place.words(datadir=other.parent))
    assert line == f"{other}: this folder holds something that is no store. Use another folder."


# ---- files ----


def genesis_json() -> bytes:
    return gzip.decompress(shared("recordings/forks-genesis.json.gz").read_bytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:1000], "not JSON: Unterminated string"),
        (lambda data: gzip.compress(data)[:1000], "the compressed file is damaged, get it again"),
        (lambda data: b"\x1f\x8b\x08" + bytes(100), "the compressed file is damaged, get it again"),
        (lambda data: json.dumps({name: value for name, value in json.loads(data).items() if name != "alloc"}).encode(), "alloc: missing"),
        (lambda data: json.dumps(json.loads(data) | {"gasLimit": "0x1"}).encode(), "but the chain's genesis is 0x.*; give the genesis.json of this"),
        (lambda data: b"[" * 100_000, "not JSON"),
    ],
    ids=["cut", "compressed and cut", "no deflate stream", "no alloc", "another", "deep"],
)
def test_a_genesis_that_is_damaged(place: Place, damage: Callable[[bytes], bytes], message: str) -> None:
    path = place.file(damage(genesis_json()))
    line = refusal(place.words(datadir=place.folder / "new", genesis=path))
    assert line.startswith(f"{path}: "), line
    assert re.search(message, line)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rollup: rollup | {"zebra_time": 1}, "zebra_time: this version does not know this fork, which is active: update trinode"),
        (lambda rollup: rollup | {"block_time": "2"}, "block_time: must be an integer, not a string"),
        (lambda rollup: {name: value for name, value in rollup.items() if name != "genesis"}, "genesis: missing"),
    ],
    ids=["unknown fork", "wrong type", "missing"],
)
def test_a_rollup_config_that_cannot_be_used(place: Place, change: Callable[[dict[str, Any]], dict[str, Any]], message: str) -> None:
    path = place.file(json.dumps(change(place.chains.head.rollup_config.to_json())))
    line = refusal(place.words(rollup_config=path))
    assert line.startswith(f"{path}: "), line
    assert message in line


def test_a_fork_to_come_that_is_unknown_is_a_warning(place: Place) -> None:
    path = place.file(json.dumps(place.chains.head.rollup_config.to_json() | {"zebra_time": 2**40}))
    with NodeProcess(place.words(rollup_config=path, datadir=place.folder / "zebra")) as node:
        node.wait_for(r"\[warning\] .*zebra_time looks like a fork that this version does not know")
        node.wait_for("derivation begins")


# ---- secrets and keys ----


@pytest.mark.parametrize(
    ("content", "message"),
    [("ab" * 31, "holds 31 bytes, not 32. It must have 64 hex digits"), ("xyz", "64 hex digits"), (None, "does not exist. Copy")],
    ids=["short", "no hex", "missing"],
)
def test_a_jwt_secret_that_is_none(place: Place, content: str | None, message: str) -> None:
    path = place.folder / "nowhere" if content is None else place.file(content)
    for words in (place.engine_words("engine", authrpc_jwtsecret=path), place.words(genesis=None, l2=NOWHERE, l2_jwt_secret=path)):
        line = refusal(words)
        assert line.startswith(f"{path} "), line
        assert re.search(message, line), line


@pytest.mark.parametrize("content", ["ab" * 31, "00" * 32, "ff" * 32, "key", None], ids=["short", "zero", "too large", "no hex", "missing"])
def test_a_batcher_key_that_is_none(place: Place, content: str | None) -> None:
    path = place.folder / "nowhere" if content is None else place.file(content)
    line = refusal([*place.words(), "--sequencer.enabled", f"--batcher.key={path}"])
    assert line.startswith(f"batcher.key: {path}: "), line


def test_a_batcher_key_without_a_sequencer(place: Place) -> None:
    line = refusal([*place.words(), f"--batcher.key={place.file('ab' * 32)}"])
    assert line == "batcher.key is set, but sequencer.enabled is not: set that too, or leave batcher.key out"


# ---- other programs ----


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(damage=lambda result: "0x99"), "eth_chainId: 153, but the rollup's L1 is chain"),
        (Fault(status=401), r"eth_chainId: HTTP 401 \(does the URL have its key\?\)"),
        (Fault(status=502), "eth_chainId: HTTP 502"),
        (Fault(hang_up=True), "eth_chainId: no connection"),
    ],
    ids=["another chain", "unauthorized", "broken", "hangs up"],
)
def test_an_l1_that_is_no_use(place: Place, fault: Fault, message: str) -> None:
    place.server.fault = lambda service, method, params: fault if method == "eth_chainId" else None
    line = refusal(place.words())
    assert line.startswith(f"L1 {place.server.url('l1').removesuffix('/l1')}"), line
    assert re.search(message, line), line
    assert line.endswith(f"Give an RPC of L1 chain {place.chains.head.rollup_config.l1_chain_id} that answers with --l1")


def test_an_l1_that_is_not_there(place: Place) -> None:
    assert "no connection" in refusal(place.words(l1=NOWHERE))
    assert "no connection" in refusal(place.words(l1="http://nowhere.invalid"))


def test_an_l1_with_another_genesis(place: Place) -> None:
    rollup = place.chains.head.rollup_config.to_json()
    rollup["genesis"]["l1"]["hash"] = "0x" + "11" * 32
    assert "but the rollup's genesis is 0x1111" in refusal(place.words(rollup_config=place.file(json.dumps(rollup))))


def test_an_engine_that_is_no_use(place: Place) -> None:
    secret = place.file("ab" * 32)
    line = refusal(place.words(datadir=place.folder / "driver", genesis=None, l2=NOWHERE, l2_jwt_secret=secret))
    assert re.match(f"engine {NOWHERE}: .*no connection: .*Does the engine run, with its authenticated port there?", line), line
    with NodeProcess(place.engine_words("engine")) as engine:
        url = engine.wait_for(r"Engine API at (\S+);")[1]
        driver = partial(place.words, datadir=place.folder / "driver", genesis=None, l2=url)
        line = refusal(driver(l2_jwt_secret=secret))
        assert re.search(f"it refuses our token .* {secret} must hold the same JWT secret as the engine's own file", line), line
        own = place.folder / "engine" / "jwt.hex"
        rollup = place.chains.head.rollup_config.to_json()
        other_id = place.file(json.dumps(rollup | {"l2_chain_id": 77}))
        other = {"datadir": place.folder / "other-driver", "genesis": None, "l2": url, "l2_jwt_secret": own}
        line = refusal(place.words(**other, rollup_config=other_id))
        assert "its chain is 901, not 77: is it the engine of this network?" in line, line
        genesis = rollup["genesis"] | {"l2": {"number": 0, "hash": "0x" + "22" * 32}}
        other |= {"datadir": place.folder / "third-driver", "rollup_config": place.file(json.dumps(rollup | {"genesis": genesis}))}
        line = refusal(place.words(**other))
        assert re.search("its block 0 is 0x[0-9a-f]{64}, not 0x2222.*: is it the engine of this network?", line), line


def test_a_beacon_node_without_the_blobs(place: Place) -> None:
    """Then the node waits, and says for what and what helps; with the blobs it goes on."""
    pruned = Fault(status=404, body=b"pruned")
    place.server.fault = lambda service, method, params: pruned if method.startswith("blob") else None
    with NodeProcess(place.words(datadir=place.folder / "waits")) as node:
        said = node.wait_for(r"\[warning\] (beacon http.*)", TIMEOUT)[1]
        assert "l1.beacon-fallbacks" in said, said
        page = node.get("/readyz")
        while "beacon" not in page.text:
            node.wait_for(r"\[warning\] beacon", TIMEOUT)
            page = node.get("/readyz")
        assert page.status_code == 503
        assert "l1.beacon-fallbacks" in page.text, page.text
        assert node.process.poll() is None
        place.server.fault = None
        node.wait_for(f"safe={max(place.chains.l2)}", TIMEOUT)


def test_a_beacon_node_that_is_not_there(place: Place) -> None:
    with NodeProcess(place.words(datadir=place.folder / "waits too", l1_beacon=NOWHERE)) as node:
        node.wait_for(rf"\[warning\] beacon {NOWHERE}: .*no connection", TIMEOUT)
        page = node.get("/readyz")
        while "no connection" not in page.text:
            node.wait_for(r"progress", TIMEOUT)
            page = node.get("/readyz")
        assert page.status_code == 503


# ---- ports ----


@pytest.mark.parametrize("option", ["http", "ws", "rpc", "metrics", "devnet.l1", "authrpc"])
def test_a_port_in_use(place: Place, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        words = place.engine_words("engine") if option == "authrpc" else [*place.devnet, "--metrics.enabled", "--metrics.port=0"]
        line = refusal([*(word for word in words if not word.startswith(f"--{option}.port")), f"--{option}.port={port}"])
    remedy = f"stop what listens there, or change {option}.port"
    assert line == f"{option}: cannot listen at 127.0.0.1:{port}: Address already in use; {remedy}"


@pytest.mark.parametrize("host", ["203.0.113.7", "nowhere.invalid"])
def test_an_address_that_is_not_ours(place: Place, host: str) -> None:
    line = refusal([*place.devnet, f"--rpc.addr={host}"])
    assert re.fullmatch(f"rpc: cannot listen at {host}:0: .*; give another address or port", line), line


# ---- the command line ----


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--datadri=x"], "No such option '--datadri'. .*'--datadir'"),
        (["netwroks"], "No such command 'netwroks'. Did you mean 'networks'?"),
        (["--network=op-sepoliaa", *OP_SEPOLIA[1:]], "unknown network 'op-sepoliaa'; did you mean op-sepolia?"),
        (["--network=op-sepolia"], "l1 is missing: add the RPC URL of an L1 execution client"),
        ([*OP_SEPOLIA[:2]], "l1.beacon is missing"),
        ([f"--l1={NOWHERE}"], "l1 is set, but no chain: add network or rollup.config"),
        (["--l1=127.0.0.1:1"], "--l1: a URL begins with http:// or https://"),
        (["--http.port=70000"], "--http.port: "),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_words_that_do_not_go_together(words: list[str], message: str, tmp_path: Path) -> None:
    line = refusal([*words[:1], *words[1:]] if words[0].isalpha() else [*words, f"--datadir={tmp_path}"])
    assert re.search(message, line), line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("datadri = 'x'\n", ":1: datadri is no option; did you mean datadir?"),
        ("datadir = \n", ": not TOML: Invalid value .at line 1, column 11."),
        ("[http]\nport = 'x'\n", "http.port"),
    ],
)
def test_a_configuration_file_that_is_none(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(content)
    line = refusal([f"--config={path}"])
    assert line.startswith(str(path)), line
    assert re.search(message, line), line
