"""Requests and answers of `payload_by_number` (specification: rollup-node-p2p, "payload_by_number").

    request = number (uint64, little-endian)
    answer  = result (1 byte) [++ version (uint32, little-endian) ++ payload (SSZ in snappy's frames)]

The versions: 0 until Ecotone, 1 since. The specification has 2 since Isthmus, but op-node sends 1 then too, with Isthmus' encoding of the payload;
so do we, and read both. What a block has to be by its number alone (its time, and so its fork and its encoding) is the chain's.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from trinode.p2p.errors import P2PError, ProtocolViolation
from trinode.p2p.payload_bounds import MOST_TRANSACTIONS
from trinode.p2p.sync.limits import MAX_PAYLOAD_SIZE
from trinode.p2p.sync.snappy_frames import compress_frames, decompress_frames
from trinode.protocol.payload import PayloadDecodingError, PayloadEnvelope, decode_envelope, encode_envelope, payload_block_hash
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork

REQUEST_SIZE = 8
MAX_ANSWER_SIZE = MAX_PAYLOAD_SIZE + 5
_NUMBER = struct.Struct("<Q")
_VERSION = struct.Struct("<I")
_PAYLOAD_AT = 5
_VERSIONS = {1: (0,), 2: (0,), 3: (1,), 4: (1, 2)}
"""The versions of an answer by the encoding of its payload: the one that is sent, and others that are read."""
_LEAST_TRANSACTION = 50
"""Bytes that no transaction, signed or a deposit, is smaller than."""


class Result(IntEnum):
    """How a request went. Others may come from peers; all but SUCCESS are the same to who asked."""

    SUCCESS = 0
    UNAVAILABLE = 1
    INVALID_REQUEST = 2
    OTHER_ERROR = 3


class Refused(P2PError):
    """The peer answered without a block. `result`: what it said."""

    def __init__(self, result: int) -> None:
        super().__init__(f"answered with result {result}")
        self.result = result


class WrongBlock(ProtocolViolation):
    """The peer answered with what cannot be the block that was asked for. It lies, whatever the chain is."""


def encode_request(number: int) -> bytes:
    """Asks for a block."""
    return _NUMBER.pack(number)


def decode_request(data: bytes) -> int:
    """The number of the block that is asked for. Raises ProtocolViolation."""
    if len(data) != REQUEST_SIZE:
        raise ProtocolViolation(f"a request of {len(data)} bytes")
    number: int = _NUMBER.unpack(data)[0]
    return number


class PayloadCodec:
    """The answers for the blocks of one chain."""

    def __init__(self, config: RollupConfig) -> None:
        self._config = config
        self.protocol = f"/opstack/req/payload_by_number/{config.l2_chain_id}/0"

    def is_possible(self, number: int, now: float) -> bool:
        """Whether the chain has such a block by `now` (Unix time), or could have."""
        genesis = self._config.genesis
        return genesis.l2.number <= number and self._time_of(number) <= now

    def encode_answer(self, envelope: PayloadEnvelope) -> bytes:
        """The answer with a block. Raises ValueError: it is not encoded as the chain's blocks of its time are, or is too large."""
        ssz_version = self._ssz_version(envelope.payload.timestamp)
        ssz = encode_envelope(envelope, ssz_version)
        if len(ssz) > MAX_PAYLOAD_SIZE:
            raise ValueError(f"a payload of {len(ssz)} bytes")
        return bytes([Result.SUCCESS]) + _VERSION.pack(_VERSIONS[ssz_version][0]) + compress_frames(ssz)

    def decode_answer(self, number: int, answer: bytes) -> PayloadEnvelope:
        """The block in an answer to the request for `number`, whose hash is that of its contents.

        Raises Refused; WrongBlock; ProtocolViolation where it cannot be read, or is cut off.
        """
        if not answer:
            raise ProtocolViolation("an empty answer")
        if answer[0] != Result.SUCCESS:
            raise Refused(answer[0])
        if len(answer) < _PAYLOAD_AT:
            raise ProtocolViolation(f"an answer of {len(answer)} bytes")
        version: int = _VERSION.unpack_from(answer, 1)[0]
        ssz_version = self._ssz_version(self._time_of(number))
        if version not in _VERSIONS[ssz_version]:
            raise ProtocolViolation(f"block {number} in version {version}, not {_VERSIONS[ssz_version][0]}")
        ssz = decompress_frames(answer[_PAYLOAD_AT:], MAX_PAYLOAD_SIZE)
        try:
            envelope = decode_envelope(ssz, ssz_version)
        except PayloadDecodingError as error:
            raise ProtocolViolation(f"block {number}: {error}") from error
        self._check(number, envelope)
        return envelope

    def _check(self, number: int, envelope: PayloadEnvelope) -> None:
        payload = envelope.payload
        if payload.block_number != number:
            raise WrongBlock(f"block {payload.block_number}, not {number}")
        if payload.timestamp != self._time_of(number):
            raise WrongBlock(f"block {number} at {payload.timestamp}, not {self._time_of(number)}")
        count = len(payload.transactions)
        if count > MOST_TRANSACTIONS or count * _LEAST_TRANSACTION > sum(map(len, payload.transactions)):
            raise WrongBlock(f"block {number} with {count} transactions: too many, or too small")
        if payload.withdrawals:
            raise WrongBlock(f"block {number} with withdrawals")
        if payload_block_hash(envelope) != payload.block_hash:
            raise WrongBlock(f"block {number} does not have the hash that it says")

    def _time_of(self, number: int) -> int:
        genesis = self._config.genesis
        return genesis.l2_time + (number - genesis.l2.number) * self._config.block_time

    def _ssz_version(self, timestamp: int) -> int:
        fork = self._config.fork_at(l2_timestamp=timestamp)
        return 4 if fork >= Fork.ISTHMUS else 3 if fork >= Fork.ECOTONE else 2 if fork >= Fork.CANYON else 1
