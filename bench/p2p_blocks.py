"""Signed blocks for the P2P network: what real envelopes of OP Mainnet hold, with as many of their transactions as one likes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import NamedTuple

from bench.workloads import SHARED
from harness.bare_blocks import rehashed
from trinode.p2p.blocks.block_gossip import BlockGossip, BlockMessage
from trinode.p2p.blocks.envelope import SequencerKey
from trinode.protocol.payload import PayloadEnvelope, decode_envelope
from trinode.rollup.chains import chain_by_name

ENVELOPES = SHARED / "data" / "gossip" / "real_mainnet_v3_envelopes_ssz.json"
CHAIN = chain_by_name("op-mainnet")
KEY = SequencerKey(b"\x11" * 32)
FIRST = 129_400_000
"""A block of Holocene's time."""
_VERSION = 3


def time_of(number: int) -> int:
    """When the chain has that block."""
    return CHAIN.genesis.l2_time + (number - CHAIN.genesis.l2.number) * CHAIN.block_time


class Published(NamedTuple):
    """A block, and how it travels."""

    envelope: PayloadEnvelope
    message: BlockMessage


class Blocks:
    """Makes them. Reads the real envelopes; what else a block has is the first one's."""

    def __init__(self) -> None:
        recorded = json.loads(ENVELOPES.read_text())
        envelopes = [decode_envelope(bytes.fromhex(each["envelope_ssz"][2:]), _VERSION) for each in recorded]
        self._model = envelopes[0]
        self._transactions = [raw for each in envelopes for raw in each.payload.transactions]

    def envelope(self, transactions: int, number: int, *, timestamp: int) -> PayloadEnvelope:
        """A block with that many transactions, whose hash is right."""
        every = self._transactions * (transactions // len(self._transactions) + 1)
        payload = replace(self._model.payload, transactions=tuple(every[:transactions]), block_number=number, timestamp=timestamp)
        return rehashed(replace(self._model, payload=payload))

    def published(self, gossip: BlockGossip, transactions: int, count: int) -> list[Published]:
        """Different blocks, all of the time at which `bench.p2p_node` has stopped its clock."""
        envelopes = [self.envelope(transactions, FIRST + at, timestamp=time_of(FIRST)) for at in range(count)]
        return [Published(each, gossip.encode(each, KEY.sign)) for each in envelopes]
