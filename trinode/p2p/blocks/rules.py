"""What a block message must be (specification: rollup-node-p2p, "Block validation"), but for what was seen before it.

The order is op-node's (v1.19.6), which is not the page's: it looks at the signature first, the page at the end. So nobody but the sequencer can
make us read a payload, or hash its transactions; and a block that was seen already is ignored only if it is signed, else rejected.
What else is as in op-node:

- a message of fewer than 66 bytes is rejected: there is nothing after the signature;
- while nobody is known to sign, all that can be inflated is ignored;
- after a change of the signer the one before it still counts (`signers`);
- the age that is too old can be set (`p2p.gossip.timestamp.threshold`), the page has 60 seconds;
- since Jovian, blob gas used is the block's DA footprint and may be anything (jovian/exec-engine), where the page has zero;
- a block number of 2**63 and more is rejected (op-node cannot hash such a header).

Not as in op-node: it leaves transactions of no bytes out of the transactions root. So it passes on blocks that no engine takes, and rejects them if
their root is right. We ignore both: who passes them on to us does as op-node does, and who would get them from us might reject them.

Nor does it bound the number of transactions. We ignore more than 65,536, for the same reasons: a stolen key must not have us hash a million.

Which optional fields a payload has is its layout's, and so its topic's: the rules that some are nil or not are kept by decoding it.
"""

from __future__ import annotations

from dataclasses import dataclass

from trinode.p2p.blocks.envelope import SIGNATURE_SIZE, BadSignature, SignedBlock
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.blocks.signers import ExpectedSigners
from trinode.p2p.blocks.snappy import CompressionFault, TooLarge, inflate
from trinode.p2p.payload_bounds import MOST_TRANSACTIONS
from trinode.protocol.payload import ExecutionPayload, PayloadDecodingError, PayloadEnvelope, decode_envelope, payload_block_hash
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.json_fields import to_hex

MOST_AHEAD = 5
"""Seconds that a block may be in the future."""
_NUMBERS_END = 1 << 63


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a message is held against. `now`: seconds since 1970; `oldest`: seconds that a block may be old."""

    now: int
    oldest: int
    signers: ExpectedSigners


def judge(data: bytes, version: int, rollup: RollupConfig, held_against: Circumstances) -> Judgement:
    """What is said of a message on the topic of that version. It depends on nothing else, takes its time, and may run in any thread."""
    try:
        message = inflate(data)
    except TooLarge as error:
        return Judgement(Reason.TOO_LARGE, str(error))
    except CompressionFault as error:
        return Judgement(Reason.BAD_COMPRESSION, str(error))
    if len(message) <= SIGNATURE_SIZE:
        return Judgement(Reason.TOO_SMALL, f"{len(message)} bytes")
    expected = held_against.signers
    if expected.present is None:
        return Judgement(Reason.NO_SIGNER_KNOWN)
    block = SignedBlock.split(message)
    try:
        signer = block.signer(rollup.l2_chain_id)
    except BadSignature as error:
        return Judgement(Reason.BAD_SIGNATURE, str(error))
    if signer not in expected:
        return Judgement(Reason.WRONG_SIGNER, f"signed by {to_hex(signer)}, not by {to_hex(expected.present)}")
    return _judge_signed(block.signed, version, rollup, held_against)._replace(signer=signer)


def _judge_signed(signed: bytes, version: int, rollup: RollupConfig, held_against: Circumstances) -> Judgement:
    try:
        envelope = decode_envelope(signed, version)
    except PayloadDecodingError as error:
        return Judgement(Reason.BAD_ENCODING, str(error))
    refusal = _refuse_time(envelope, held_against) or _refuse_contents(envelope, rollup)
    return refusal or Judgement(Reason.VALID, name_of(envelope.payload), envelope)


def _refuse_time(envelope: PayloadEnvelope, held_against: Circumstances) -> Judgement | None:
    timestamp, now = envelope.payload.timestamp, held_against.now
    if timestamp < now - held_against.oldest:
        return _refused(envelope, Reason.TOO_OLD, f"{now - timestamp} s old")
    if timestamp > now + MOST_AHEAD:
        return _refused(envelope, Reason.IN_THE_FUTURE, f"{timestamp - now} s in the future")
    return None


def _refuse_contents(envelope: PayloadEnvelope, rollup: RollupConfig) -> Judgement | None:
    payload = envelope.payload
    if len(payload.transactions) > MOST_TRANSACTIONS:
        return _refused(envelope, Reason.TOO_MANY_TRANSACTIONS, f"{len(payload.transactions)} transactions")
    if not all(payload.transactions):
        return _refused(envelope, Reason.EMPTY_TRANSACTION, "a transaction of no bytes")
    if payload.block_number >= _NUMBERS_END:
        return _refused(envelope, Reason.NUMBER_TOO_LARGE, "no block has such a number")
    block_hash = payload_block_hash(envelope)
    if block_hash != payload.block_hash:
        return _refused(envelope, Reason.WRONG_BLOCK_HASH, f"hashes to {to_hex(block_hash)}")
    if payload.withdrawals:
        return _refused(envelope, Reason.HAS_WITHDRAWALS, f"{len(payload.withdrawals)} withdrawals")
    if payload.blob_gas_used and not rollup.is_active(Fork.JOVIAN, l2_timestamp=payload.timestamp):
        return _refused(envelope, Reason.HAS_BLOB_GAS_USED, f"blob gas used {payload.blob_gas_used}")
    if payload.excess_blob_gas:
        return _refused(envelope, Reason.HAS_EXCESS_BLOB_GAS, f"excess blob gas {payload.excess_blob_gas}")
    return None


def _refused(envelope: PayloadEnvelope, reason: Reason, detail: str) -> Judgement:
    return Judgement(reason, f"{name_of(envelope.payload)}: {detail}", envelope)


def name_of(payload: ExecutionPayload) -> str:
    """A block in messages."""
    return f"block {payload.block_number} {to_hex(payload.block_hash)}"
