"""Messages in, verdicts and blocks out; and our own blocks, as others read them."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

import pytest
import trio

from harness.bare_blocks import rehashed
from tests.unit.p2p.blocks.made_blocks import (
    CHAIN_ID,
    FIRST_OF_VERSION,
    OP_MAINNET,
    OTHER,
    SEQUENCER,
    made_block,
    message_of,
    other_signature,
)
from trinode.p2p.blocks import rules
from trinode.p2p.blocks.block_gossip import BlockGossip, BlockGossipSettings
from trinode.p2p.blocks.envelope import SequencerKey
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.blocks.rules import Circumstances
from trinode.p2p.blocks.signers import BlockSigners
from trinode.p2p.blocks.snappy import MAX_MESSAGE_SIZE, compress, inflate
from trinode.p2p.blocks.topics import VERSIONS, block_topic, block_version
from trinode.p2p.identity import PeerId
from trinode.p2p.verdict import Verdict
from trinode.protocol.payload import PayloadEnvelope
from trinode.rollup.config import RollupConfig

PEER, NEIGHBOUR = PeerId(b"\x00\x01a"), PeerId(b"\x00\x01b")
TOPIC = block_topic(CHAIN_ID, 4)
NOW = FIRST_OF_VERSION[4]


class Gossip:
    """`BlockGossip`, and what it told."""

    def __init__(self, now: float = NOW, settings: BlockGossipSettings | None = None) -> None:
        self.now = now
        self.signers = BlockSigners(trio.current_time)
        self.signers.name(SEQUENCER.address)
        self.accepted: list[tuple[PeerId, PayloadEnvelope]] = []
        self.judged: list[tuple[PeerId, Judgement]] = []
        self.blocks = BlockGossip(
            OP_MAINNET,
            self.signers,
            lambda: self.now,
            accepted=lambda peer, envelope: self.accepted.append((peer, envelope)),
            judged=lambda peer, judgement: self.judged.append((peer, judgement)),
            settings=settings,
        )

    async def hear(self, data: bytes, topic: str = TOPIC, peer: PeerId = PEER) -> Reason:
        verdict = await self.blocks.validate(peer, topic, data)
        assert verdict is self.judged[-1][1].verdict and self.judged[-1][0] == peer
        return self.judged[-1][1].reason


def test_topics() -> None:
    assert [block_topic(10, version) for version in VERSIONS] == [f"/optimism/10/{index}/blocks" for index in range(4)]
    for version, first in FIRST_OF_VERSION.items():
        assert block_version(OP_MAINNET, l2_timestamp=first) == version
        assert version == 1 or block_version(OP_MAINNET, l2_timestamp=first - 1) == version - 1


async def test_a_block_is_accepted_once() -> None:
    gossip = Gossip()
    envelope = made_block(4)
    data = message_of(envelope, 4)
    assert gossip.blocks.topics == tuple([block_topic(CHAIN_ID, version) for version in VERSIONS])
    assert await gossip.blocks.validate(PEER, TOPIC, data) is Verdict.ACCEPT
    assert await gossip.blocks.validate(NEIGHBOUR, TOPIC, compress(other_signature(inflate(data)))) is Verdict.IGNORE
    assert gossip.accepted == [(PEER, envelope)]
    assert [judgement.reason for _, judgement in gossip.judged] == [Reason.VALID, Reason.SEEN]


async def test_a_seen_block_with_another_s_signature_is_rejected() -> None:
    gossip = Gossip()
    await gossip.hear(message_of(made_block(4), 4))
    assert await gossip.blocks.validate(PEER, TOPIC, message_of(made_block(4), 4, OTHER)) is Verdict.REJECT


async def test_an_equivocating_sequencer() -> None:
    gossip = Gossip()
    reasons = [await gossip.hear(message_of(made_block(4, salt=salt), 4)) for salt in range(8)]
    assert reasons == [Reason.VALID] * 6 + [Reason.TOO_MANY_OF_HEIGHT] * 2
    assert len(gossip.accepted) == 6
    assert gossip.judged[-1][1].verdict is Verdict.REJECT


async def test_an_invalid_block_is_not_seen() -> None:
    gossip = Gossip()
    envelope = made_block(4)
    gossip.now = NOW + 3600
    assert await gossip.hear(message_of(envelope, 4)) is Reason.TOO_OLD
    gossip.now = NOW + 5.9  # whole seconds count
    assert await gossip.hear(message_of(envelope, 4)) is Reason.VALID


async def test_topics_that_are_not_ours() -> None:
    gossip = Gossip()
    for topic in ("/optimism/11155420/3/blocks", "/optimism/10/4/blocks", ""):
        assert await gossip.hear(message_of(made_block(4), 4), topic) is Reason.UNKNOWN_TOPIC
    assert gossip.judged[-1][1].verdict is Verdict.IGNORE


async def test_a_change_of_the_signer() -> None:
    gossip = Gossip()
    gossip.signers.name(OTHER.address)
    assert await gossip.hear(message_of(made_block(4, 1), 4)) is Reason.VALID
    assert await gossip.hear(message_of(made_block(4, 2), 4, OTHER)) is Reason.VALID
    assert await gossip.hear(message_of(made_block(4, 3), 4)) is Reason.WRONG_SIGNER


async def test_garbage_of_the_new_signer_tells_that_it_is_at_work() -> None:
    gossip = Gossip()
    gossip.signers.name(OTHER.address)
    gossip.now = NOW + 3600
    assert await gossip.hear(message_of(made_block(4, 1), 4, OTHER)) is Reason.TOO_OLD
    gossip.now = NOW
    assert await gossip.hear(message_of(made_block(4, 2), 4)) is Reason.WRONG_SIGNER


async def test_large_messages_are_judged_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def judge(data: bytes, version: int, rollup: RollupConfig, held_against: Circumstances) -> Judgement:
        threads.append(threading.current_thread())
        return rules.judge(data, version, rollup, held_against)

    monkeypatch.setattr("trinode.p2p.blocks.block_gossip.judge", judge)
    gossip = Gossip()
    # By what it inflates to: all zero, this one is small on its way.
    large = message_of(made_block(4, 2, transactions=(bytes(70_000),)), 4)
    assert len(large) < 8_000
    assert await gossip.hear(message_of(made_block(4, 1), 4)) is Reason.VALID
    assert await gossip.hear(large) is Reason.VALID
    assert await gossip.hear(b"\xff" * 100_000) is Reason.BAD_COMPRESSION
    ours = threading.current_thread()
    assert [thread is ours for thread in threads] == [True, False, True]


async def test_the_same_block_twice_at_once() -> None:
    gossip = Gossip(settings=BlockGossipSettings(in_thread=0, threads=2))
    data = message_of(made_block(4), 4)
    async with trio.open_nursery() as nursery:
        for message in (data, compress(other_signature(inflate(data))), data, data):
            nursery.start_soon(gossip.blocks.validate, PEER, TOPIC, message)
    assert sorted(judgement.reason.value for _, judgement in gossip.judged) == ["seen", "seen", "seen", "valid"]
    assert len(gossip.accepted) == 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_our_blocks_are_valid_to_others(version: int) -> None:
    envelope = made_block(version)
    gossip = Gossip(now=FIRST_OF_VERSION[version])
    topic, data = gossip.blocks.encode(envelope, SEQUENCER.sign)
    assert topic == block_topic(CHAIN_ID, version)
    assert data == message_of(envelope, version)
    assert await gossip.hear(data, topic) is Reason.VALID
    assert gossip.accepted == [(PEER, envelope)]


async def test_a_sequencer_that_catches_up_publishes_what_peers_take() -> None:
    envelope = made_block(4)
    gossip = Gossip(NOW + 60)
    topic, data = gossip.blocks.encode(envelope, SEQUENCER.sign)
    assert await gossip.hear(data, topic) is Reason.VALID
    gossip.now += 1
    with pytest.raises(ValueError, match=r"block 1 0x[0-9a-f]{64} is 61 s old, more than 60"):
        gossip.blocks.encode(envelope, SEQUENCER.sign)
    assert await gossip.hear(data, topic) is Reason.TOO_OLD


async def test_what_cannot_be_published() -> None:
    gossip = Gossip()
    with pytest.raises(ValueError, match="optional fields are not those of version 4"):
        gossip.blocks.encode(made_block(3, timestamp=NOW), SEQUENCER.sign)
    noise = random.Random(7).randbytes(MAX_MESSAGE_SIZE)
    envelope = made_block(4, transactions=(noise,))
    with pytest.raises(ValueError, match=r"block 1 0x[0-9a-f]{64} takes \d+ bytes, more than 10485760"):
        gossip.blocks.encode(envelope, SEQUENCER.sign)
    without = replace(envelope, payload=replace(envelope.payload, transactions=(b"",)))
    room = MAX_MESSAGE_SIZE - len(inflate(gossip.blocks.encode(without, SEQUENCER.sign).data))
    fits = rehashed(replace(envelope, payload=replace(envelope.payload, transactions=(noise[:room],))))
    topic, data = gossip.blocks.encode(fits, SEQUENCER.sign)
    assert len(inflate(data)) == MAX_MESSAGE_SIZE
    assert await gossip.hear(data, topic) is Reason.VALID


@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32, b"\x01" * 31, b"\x01" * 33, b""])
def test_what_is_no_key(key: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(Secret scalar must be|a private key of \d+ bytes)"):
        SequencerKey(key)
