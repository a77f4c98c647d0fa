"""The bounds of asking and of being asked (specification: rollup-node-p2p, `payload_by_number`; the rates are op-node's). Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PAYLOAD_SIZE = 10 << 20
"""Bytes of an encoded payload, and of an answer: what the specification recommends."""
INLINE_SIZE = 1 << 15
"""Bytes of transactions in a payload that is encoded so fast that handing it to a thread would take longer."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """`rate` requests in a second are answered and `burst` at once, of all peers and of each; a request waits up to `longest_wait` for its turn,
    and is refused if that is not enough.

    `read_seconds`, `look_up_seconds`, `write_seconds`: for the request, for the block, for the answer. `requests`: at once, waiting ones too;
    `per_peer`: of them for one peer. `look_ups`: of blocks at once. `answer_bytes`: of answers that are being written, together. `peers`: whose
    rates are remembered.
    """

    rate: float = 20.0
    burst: int = 40
    peer_rate: float = 4.0
    peer_burst: int = 15
    longest_wait: float = 20.0
    read_seconds: float = 10.0
    look_up_seconds: float = 10.0
    write_seconds: float = 10.0
    requests: int = 256
    per_peer: int = 32
    look_ups: int = 4
    answer_bytes: int = 64 << 20
    peers: int = 1000


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """`peer_rate` and `peer_burst`: as servers grant them; `rate` and `burst`: of ours to all peers together. `requests`: at once, `per_peer`: of
    them to one.

    `open_seconds`: until a stream is there; `request_seconds`: for the whole answer. `large_answers`: how many of more than `large_bytes` are
    read at once; the others wait.

    `patience`: how long a gap stays before anybody is asked, since gossip fills most. `hedge_seconds`: after which the block that all others wait
    for is asked of a second peer. `pause`, `longest_pause`: how long a peer is not asked after it failed; it doubles with each failure in a row.
    `lowest_score`: of peers that are asked (op-node's graylist). `offer_again`, `longest_offer`: when a block is offered to the node again that it
    has not taken; doubles too.
    """

    rate: float = 64.0
    burst: int = 64
    peer_rate: float = 4.0
    peer_burst: int = 15
    requests: int = 16
    per_peer: int = 4
    open_seconds: float = 5.0
    request_seconds: float = 10.0
    large_bytes: int = 1 << 20
    large_answers: int = 3
    patience: float = 1.0
    hedge_seconds: float = 2.5
    pause: float = 2.0
    longest_pause: float = 120.0
    lowest_score: float = -40.0
    offer_again: float = 4.0
    longest_offer: float = 64.0


@dataclass(frozen=True, slots=True)
class FillLimits:
    """`longest`: blocks of a gap that is filled; derivation has to shorten a longer one. `window`: blocks that are fetched ahead of the one that
    is needed. `max_bytes`: of payloads that are held, roughly; what goes beyond is dropped, and fetched again when it is needed.
    """

    longest: int = 1 << 15
    window: int = 64
    max_bytes: int = 64 << 20
