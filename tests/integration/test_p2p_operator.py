"""What operators of the peer-to-peer network do by mistake: real processes say in one line what is wrong, and what can be done without goes on."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
import trio

from harness.p2p_peers.local_peer import LocalPeer, running
from harness.peers.ports import free_ports
from harness.peers.process import RpcFailure, call
from harness.peers.trinode_node import TrinodeNode
from trinode.devnet.accounts import L2_CHAIN_ID
from trinode.p2p.blocks.message_id import message_id
from trinode.p2p.blocks.topics import VERSIONS, block_topic
from trinode.p2p.multiaddr import Multiaddr

TIMEOUT = 60
P2P = {"p2p.disable": "false", "p2p.listen.ip": "127.0.0.1", "p2p.listen.tcp": 0, "p2p.no-discovery": "true", "block-time": "1s"}
LOG_LINE = re.compile(r"\d\d:\d\d:\d\d \[(info|warning)\] ")
PEER = "16Uiu2HAmVkKntsECaYfefR1V2yCR79CegLATuTPE6B9TxgxBiiiA"
RECORD = (  # EIP-778's, with one letter of its signature changed
    "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw"
    "0RW_QAdpzBQA8yWM0xOIN1ZHCCdmB"
)
HELLO = b"\x13/multistream/1.0.0\n"
HEADLESS = '{"record":'
TOO_DEEP = '{"a":' + "[" * 100_000


def refusal(datadir: Path, options: dict[str, object]) -> str:
    """The one line of a devnet's node that does not start; there may be lines of the log before it."""
    words = {"datadir": datadir, **dict.fromkeys(("http.port", "ws.port", "rpc.port"), 0), "devnet.l1.port": free_ports(1)[0], **P2P, **options}
    command = [sys.executable, "-m", "trinode.cli", *[f"--{name}={value}" for name, value in words.items()]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 2, done.stderr
    *log, line = done.stderr.splitlines()
    assert all(LOG_LINE.match(each) for each in log), done.stderr
    assert line.startswith("Error: "), done.stderr
    return line.removeprefix("Error: ")


@contextmanager
def taken(kind: socket.SocketKind) -> Iterator[int]:
    """A port that somebody has."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            sock.listen()
        yield sock.getsockname()[1]


def test_ports_that_are_taken(tmp_path: Path) -> None:
    with taken(socket.SOCK_STREAM) as port:
        line = refusal(tmp_path, {"p2p.listen.tcp": port})
    assert line == f"p2p: cannot listen at 127.0.0.1:{port} (tcp): Address already in use; change p2p.listen.tcp, or add p2p.disable"
    with taken(socket.SOCK_DGRAM) as port:
        line = refusal(tmp_path, {"p2p.listen.udp": port, "p2p.no-discovery": "false"})
    assert line == f"p2p: cannot listen at 127.0.0.1:{port} (udp): Address already in use; change p2p.listen.udp, or add p2p.disable"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"p2p.listen.ip": "192.0.2.7", "p2p.listen.tcp": 9}, "p2p: cannot listen at 192.0.2.7:9 (tcp): Cannot assign requested address; change "),
        ({"p2p.bootnodes": RECORD, "p2p.no-discovery": "false"}, "p2p.bootnodes: a record with a signature that is not its own. Copy "),
        ({"p2p.static": f"/ip4/127.0.0.1/tcp/9222/p2p/{PEER[:8]}{'1' * (len(PEER) - 8)}"}, "p2p.static: /ip4/127.0.0.1/tcp/9222/p2p/16Uiu2HA1"),
        ({"p2p.advertise.ip": "nowhere.invalid"}, "p2p.advertise.ip: nowhere.invalid: "),
        ({"p2p.priv.path": "/nowhere/key.txt"}, "p2p.priv.path: /nowhere/key.txt: No such file or directory"),
        ({"p2p.peers.lo": 30, "p2p.peers.hi": 20}, "p2p.peers.lo is 30, more than p2p.peers.hi, 20"),
    ],
    ids=["address", "bootnodes", "static", "advertised", "key", "peers"],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, object], expected: str) -> None:
    assert refusal(tmp_path, options).startswith(expected)


@pytest.mark.parametrize(("name", "content"), [("p2p/gate.json", TOO_DEEP), ("p2p/gate.json", ""), ("p2p_priv.txt", "ab" * 31)])
def test_files_that_cannot_be_done_without(tmp_path: Path, name: str, content: str) -> None:
    """Who is blocked, and who we are, is not forgotten silently."""
    (tmp_path / "p2p").mkdir()
    (tmp_path / name).write_text(content)
    line = refusal(tmp_path, {})
    assert str(tmp_path / name) in line
    assert "remove it" in line or "`trinode p2p genkey` makes one" in line


@pytest.mark.parametrize("listen", ["::", "0.0.0.0"])
def test_damaged_files_that_are_made_anew(tmp_path: Path, listen: str) -> None:
    """What was known of peers is no reason not to start; nor is a folder that is not there. The node listens at all addresses of its kind."""
    folder = tmp_path / "node" / "data" / "p2p"
    options = {**P2P, "p2p.listen.ip": listen, "p2p.no-discovery": "false", "p2p.bootnodes": "", "devnet.l1.port": free_ports(1)[0]}
    node = TrinodeNode(tmp_path / "node", {**options, "p2p.discovery.path": tmp_path / "else" / "where.json"})
    folder.mkdir(parents=True)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "where.json").write_bytes(b'{"record":"\xff"}' if listen == "::" else HEADLESS.encode())
    (folder / "peers.json").write_text(TOO_DEEP if listen == "::" else HEADLESS)
    with node:
        node.wait_for(lambda: "derivation begins" in node.log, TIMEOUT)
        port = int(re.findall(r"P2P at /ip\d/[^/]+/tcp/(\d+)", node.log)[0])
        with socket.create_connection(("::1" if listen == "::" else "127.0.0.1", port), 5) as came:
            came.sendall(HELLO)
            assert came.recv(len(HELLO)) == HELLO
        assert [line for line in node.problems if "cannot be read" in line or "begins without" in line] == node.problems
        assert len(node.problems) == 2
        shutil.rmtree(tmp_path / "else")
        assert node.stop() == 0
    assert (tmp_path / "else" / "where.json").exists()
    assert "Traceback" not in node.log


def peers(count: int) -> list[LocalPeer]:
    topics = [block_topic(L2_CHAIN_ID, version) for version in VERSIONS]
    return [LocalPeer(topics, message_id, private_key=bytes([20 + key]) * 32) for key in range(count)]


async def test_a_node_with_peers_ends_at_once(tmp_path: Path) -> None:
    with TrinodeNode(tmp_path / "node", {**P2P, "devnet.l1.port": free_ports(1)[0]}) as node:
        address = Multiaddr.parse(await trio.to_thread.run_sync(node.address, "p2p"))
        assert address.peer_id is not None
        async with AsyncExitStack() as stack:
            for peer in peers(10):
                await stack.enter_async_context(running(peer))
                await peer.host.connect(address.peer_id, [address])
            with trio.fail_after(60):  # each dialer knows of its connection a moment before the node does
                while (await trio.to_thread.run_sync(call, node.address("rpc"), "opp2p_peerStats"))["connected"] < 10:
                    await trio.sleep(0.05)
            assert await trio.to_thread.run_sync(node.stop, signal.SIGTERM) == 0  # which waits for a minute; two seconds are usual
    assert node.problems == []


@pytest.fixture
def no_room(tmp_path: Path) -> Iterator[Path]:
    """A datadir whose folder for the network is a file system without room; skips the test where nobody may mount one."""
    folder = tmp_path / "node" / "data" / "p2p"
    folder.mkdir(parents=True)
    mount = shutil.which("mount")
    done = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "tmpfs", str(folder)], capture_output=True, check=False)
    if not done or done.returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_no_room_for_what_is_known_of_peers(tmp_path: Path, no_room: Path) -> None:
    """The node goes on; who blocks a peer is told that this is not written down."""
    with TrinodeNode(tmp_path / "node", {**P2P, "devnet.l1.port": free_ports(1)[0]}) as node:
        with pytest.raises(RpcFailure, match="it is so now, but was not written down: No space left on device"):
            call(node.address("rpc"), "opp2p_blockPeer", PEER)
        assert call(node.address("rpc"), "opp2p_listBlockedPeers") == [PEER]
        subprocess.run(["mount", "-o", "remount,size=1m,nr_inodes=100", str(no_room)], check=True)
        call(node.address("rpc"), "opp2p_blockPeer", PEER[:-1] + PEER[-1])
        node.wait_for(lambda: PEER in (no_room / "gate.json").read_text() if (no_room / "gate.json").exists() else False, TIMEOUT)
        assert node.stop() == 0
    assert all("cannot be written" in line for line in node.problems)
