"""Our host, gossip and server of payloads with js-libp2p: `tox -e peers`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
import trio

from harness.p2p_peers.javascript import PATIENCE, JavascriptPeer, PackagesMissing, find_packages, running_peer
from harness.p2p_peers.local_peer import AGENT, LocalPeer, running
from tests.unit.p2p.sync.memory_hosts import CONFIG, FIRST, GENESIS, block_on, block_source, chain_on, id_of
from trinode.p2p.errors import NegotiationFailed
from trinode.p2p.gossip.params import GossipParams
from trinode.p2p.host.ping import ping
from trinode.p2p.identity import PeerId, show_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.sync.codec import PayloadCodec
from trinode.p2p.sync.server import PayloadServer
from trinode.p2p.transport.mplex import MPLEX
from trinode.p2p.transport.yamux import YAMUX

pytestmark = pytest.mark.peers

TOPIC = "/optimism/901/3/blocks"
SCRIPT = "libp2p_peer.mjs"
MUXERS = {"yamux": YAMUX, "mplex": MPLEX}
NO_MESH = {"D": 0, "Dlo": 0, "Dhi": 0, "Dout": 0, "Dscore": 0, "Dlazy": 0}
LARGE = 3_000_000


@pytest.fixture(autouse=True)
def _packages() -> None:
    try:
        find_packages()
    except PackagesMissing as missing:
        pytest.skip(str(missing))


def message_id(topic: str, data: bytes) -> bytes:
    return sha256(data).digest()[:20]


def local(muxer: str = "yamux", *, key: int = 5, params: GossipParams | None = None) -> LocalPeer:
    return LocalPeer([TOPIC], message_id, muxers=[MUXERS[muxer]], params=params, private_key=bytes([key]) * 32)


async def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    with trio.move_on_after(PATIENCE):
        while not holds():
            await trio.sleep(0.02)
        return
    pytest.fail(f"never: {what}")


class Js:
    """A js-libp2p peer, and where it is."""

    def __init__(self, peer: JavascriptPeer, address: str) -> None:
        self.peer = peer
        self.multiaddr = Multiaddr.parse(address)
        found = self.multiaddr.peer_id
        assert found is not None
        self.id: PeerId = found

    async def connect(self, ours: LocalPeer, *, it_dials: bool) -> None:
        if it_dials:
            await self.peer.say("dial", ours.address)
        else:
            await ours.host.connect(self.id, [self.multiaddr.of(None)])
        await self.peer.hear("connected")

    async def hears(self, data: bytes) -> None:
        """Once it has the message."""
        expected = sha256(data).hexdigest()
        await self.peer.hear("message", lambda told: told["topic"] == TOPIC and told["size"] == len(data) and told["hash"] == expected)

    async def publishes(self, start: bytes, size: int) -> bytes:
        """The message of `size` bytes that it publishes."""
        await self.peer.say("publish", TOPIC, start.hex(), size)
        return start.ljust(size, b"\0")


@asynccontextmanager
async def js(folder: Path, muxer: str = "yamux", gossip: dict[str, int] | None = None) -> AsyncIterator[Js]:
    async with running_peer(SCRIPT, {"muxer": muxer, "gossip": gossip or {}}, folder) as peer:
        yield Js(peer, (await peer.hear("listening"))["address"])


def has(ours: LocalPeer, data: bytes) -> bool:
    return any(heard.topic == TOPIC and heard.data == data for heard in ours.heard)


@pytest.mark.parametrize("muxer", ["yamux", "mplex"])
@pytest.mark.parametrize("it_dials", [False, True], ids=["we_dial", "it_dials"])
async def test_gossip_both_ways(tmp_path: Path, muxer: str, it_dials: bool) -> None:
    async with running(local(muxer)) as ours, js(tmp_path, muxer) as theirs:
        await theirs.peer.say("subscribe", TOPIC)
        await theirs.connect(ours, it_dials=it_dials)
        await until("a mesh", lambda: ours.router.mesh(TOPIC) == (theirs.id,))
        with trio.fail_after(PATIENCE):
            while (await theirs.peer.ask("state", "state", TOPIC))["mesh"] != [show_peer_id(ours.host.peer_id)]:
                await trio.sleep(0.1)
        for size in (1, 1_000, LARGE):
            data = await theirs.publishes(b"t", size)
            await until(f"{size} bytes from them", partial(has, ours, data))
            own = b"u".ljust(size, b"\1")
            assert ours.gossip.publish(TOPIC, own) == 1
            await theirs.hears(own)
        assert ours.router.scores.score(theirs.id) >= 0


@pytest.mark.parametrize("muxer", ["yamux", "mplex"])
async def test_ping_and_identify(tmp_path: Path, muxer: str) -> None:
    async with running(local(muxer)) as ours, js(tmp_path, muxer) as theirs:
        dialed = await theirs.peer.ask("dialed", "dial", ours.address)
        assert (dialed["muxer"], dialed["encryption"]) == (MUXERS[muxer], "/noise")
        assert (await theirs.peer.ask("pong", "ping", ours.address))["milliseconds"] >= 0
        assert await ping(ours.host, theirs.id) > 0

        said = await theirs.peer.hear("identified")
        assert (said["peer"], said["agent"]) == (show_peer_id(ours.host.peer_id), AGENT)
        assert {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/meshsub/1.1.0"} <= set(said["protocols"])
        assert said["addresses"] == [ours.address.rpartition("/p2p/")[0]]
        assert said["observed"].startswith("/ip4/127.0.0.1/tcp/")

        def known() -> bool:
            found = ours.peers.store.get(theirs.id)
            if found is None or found.agent is None or found.protocols is None:
                return False
            return found.agent.startswith("js-libp2p/") and "/meshsub/1.1.0" in found.protocols

        await until("what it says of itself", known)
        assert theirs.multiaddr.of(None) in ours.peers.store.addresses(theirs.id)
        with pytest.raises(NegotiationFailed):
            await ours.host.open_stream(theirs.id, ["/nobody/speaks/this"])


async def test_what_is_not_in_the_mesh_comes_by_ihave_and_iwant(tmp_path: Path) -> None:
    """They: one that hears whole messages, and passes ids on to us; then one that hears of ours by id alone."""
    none = GossipParams(mesh=0, mesh_low=0, mesh_high=0, mesh_outbound=0, mesh_score=0)
    data = b"by id".ljust(40_000, b"\2")
    async with AsyncExitStack() as stack:
        publisher, lazy = [await stack.enter_async_context(running(one)) for one in (local(key=5), local(key=6, params=none))]
        theirs = await stack.enter_async_context(js(tmp_path))
        await theirs.peer.say("subscribe", TOPIC)
        await theirs.connect(publisher, it_dials=False)
        await theirs.connect(lazy, it_dials=True)
        await until("a mesh", lambda: publisher.router.mesh(TOPIC) == (theirs.id,))
        await until("its topic", lambda: theirs.id in lazy.router.peers(TOPIC))
        publisher.gossip.publish(TOPIC, data)
        await theirs.hears(data)
        await until("the message that we asked for", lambda: has(lazy, data))
        assert lazy.router.mesh(TOPIC) == ()
        await theirs.peer.hear("control", lambda told: told["iwant"] > 0)

        second = b"by our id".ljust(40_000, b"\3")
        without = await stack.enter_async_context(js(tmp_path, gossip=NO_MESH))
        await without.peer.say("subscribe", TOPIC)
        teller = await stack.enter_async_context(running(local(key=7)))
        await without.connect(teller, it_dials=False)
        await teller.host.connect(publisher.host.peer_id, [Multiaddr.parse(publisher.address).of(None)])
        await until("our mesh", lambda: publisher.host.peer_id in teller.router.mesh(TOPIC))
        await until("it is out of it", lambda: without.id in teller.router.peers(TOPIC) and without.id not in teller.router.mesh(TOPIC))
        publisher.gossip.publish(TOPIC, second)
        await without.hears(second)
        await without.peer.hear("control", lambda told: told["ihave"] > 0)


async def test_it_asks_our_server_for_blocks(tmp_path: Path) -> None:
    blocks = chain_on(GENESIS, 20)
    blocks.append(block_on(id_of(blocks[-1]), b"", (Random(1).randbytes(LARGE),)))
    codec = PayloadCodec(CONFIG)
    ours = local()
    server = PayloadServer(CONFIG, block_source(blocks), time.time)
    server.serve(ours.host)
    async with running(ours), js(tmp_path) as theirs:
        there = [FIRST + number for number in (1, 2, 21)]
        await theirs.peer.say("payloads", ours.address, server.protocol, [str(number) for number in (*there, FIRST + 22, 2**63)])
        await theirs.peer.hear("payloads")
        told = [await theirs.peer.hear("payload") for _ in range(5)]
        answers = {each["number"]: (each["result"], each["hash"]) for each in told}
        for number in there:
            answer = codec.encode_answer(blocks[number - FIRST - 1])
            assert answers[str(number)] == (0, sha256(answer).hexdigest())
        assert (answers[str(FIRST + 22)][0], answers[str(2**63)][0]) == (1, 2)
