"""Each rule for block messages alone: everything else about the message is right, and is signed.

Verdicts and order are those that real op-node v1.19.6 gave to the same messages, and to 1,000 random ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.p2p.blocks.made_blocks import (
    FIRST_OF_VERSION,
    OP_MAINNET,
    OTHER,
    SEQUENCER,
    THIRD,
    at,
    made_block,
    message_of,
    other_signature,
    signed_bytes,
)
from trinode.p2p.blocks import rules
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.blocks.rules import judge
from trinode.p2p.blocks.signers import ExpectedSigners
from trinode.p2p.blocks.snappy import MAX_MESSAGE_SIZE, compress, inflate
from trinode.p2p.blocks.topics import VERSIONS
from trinode.p2p.payload_bounds import MOST_TRANSACTIONS
from trinode.p2p.verdict import Verdict
from trinode.protocol.payload import Withdrawal, encode_envelope
from trinode.rollup.fork import Fork

NOW = {version: time + 1 for version, time in FIRST_OF_VERSION.items()}
WITHDRAWALS = (Withdrawal(0, 0, bytes(20), 1),)
JOVIAN = OP_MAINNET.fork_times[Fork.JOVIAN]


def judged(data: bytes, version: int = 4, **held_against: Any) -> Judgement:
    return judge(data, version, OP_MAINNET, at(NOW[version], **held_against))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_valid_block_of_each_layout(version: int) -> None:
    envelope = made_block(version)
    judgement = judged(message_of(envelope, version), version)
    assert (judgement.reason, judgement.verdict, judgement.signer) == (Reason.VALID, Verdict.ACCEPT, SEQUENCER.address)
    assert judgement.envelope == envelope


@pytest.mark.parametrize("version", VERSIONS)
def test_every_layout_is_refused_on_the_other_topics(version: int) -> None:
    for other in set(VERSIONS) - {version}:
        timestamp = NOW[other]
        judgement = judged(message_of(made_block(version, timestamp=timestamp), version), other)
        assert (judgement.reason, judgement.verdict) == (Reason.BAD_ENCODING, Verdict.REJECT)


def test_the_topic_need_not_be_that_of_the_block_s_time() -> None:
    # op-node does not ask for it either: an engine refuses such a block.
    for version in (1, 2, 3):
        data = message_of(made_block(version, timestamp=NOW[4]), version)
        assert judge(data, version, OP_MAINNET, at(NOW[4])).reason is Reason.VALID


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.BAD_COMPRESSION),
        (b"\xff" * 40, Reason.BAD_COMPRESSION),
        (bytes([0x81, 0x80, 0x80, 0x05]) + b"xxxx", Reason.TOO_LARGE),
        (compress(bytes(MAX_MESSAGE_SIZE + 1)), Reason.TOO_LARGE),
        (compress(b""), Reason.TOO_SMALL),
        (compress(bytes(65)), Reason.TOO_SMALL),
        (compress(bytes(66)), Reason.BAD_SIGNATURE),
        (compress(b"\x07" * 600), Reason.BAD_SIGNATURE),
    ],
)
def test_what_is_no_message(data: bytes, reason: Reason) -> None:
    assert (judged(data).reason, judged(data).verdict) == (reason, Verdict.REJECT)


def test_signatures() -> None:
    message = inflate(message_of(made_block(4), 4))
    for parity in (2, 3, 4, 27, 28, 255):
        assert judged(compress(message[:64] + bytes([parity]) + message[65:])).reason is Reason.BAD_SIGNATURE
    assert judged(compress(other_signature(message))).reason is Reason.VALID
    assert judged(compress(message[:64] + bytes([message[64] ^ 1]) + message[65:])).reason is Reason.WRONG_SIGNER
    assert judged(message_of(made_block(4), 4, OTHER)).reason is Reason.WRONG_SIGNER
    other_chain = compress(signed_bytes(encode_envelope(made_block(4), 4), chain_id=11155420))
    assert judged(other_chain).verdict is Verdict.REJECT and judged(other_chain).reason is Reason.WRONG_SIGNER


def test_whose_signature_counts() -> None:
    by_all = {key: message_of(made_block(4), 4, key) for key in (SEQUENCER, OTHER, THIRD)}
    both = ExpectedSigners(SEQUENCER.address, OTHER.address)
    reasons = [judged(by_all[key], signers=both).reason for key in by_all]
    assert reasons == [Reason.VALID, Reason.VALID, Reason.WRONG_SIGNER]
    for data in (*by_all.values(), compress(b"\x07" * 600)):
        judgement = judged(data, signers=ExpectedSigners(None, OTHER.address))
        assert (judgement.reason, judgement.verdict) == (Reason.NO_SIGNER_KNOWN, Verdict.IGNORE)
    assert judged(compress(b""), signers=ExpectedSigners(None)).reason is Reason.TOO_SMALL


def test_times() -> None:
    reasons = {age: judged(message_of(made_block(4, timestamp=NOW[4] - age), 4)).reason for age in (3600, 61, 60, 0, -5, -6, -(2**40))}
    assert [age for age, reason in reasons.items() if reason is Reason.VALID] == [60, 0, -5]
    assert [reasons[age] for age in (3600, 61)] == [Reason.TOO_OLD] * 2
    assert [reasons[age] for age in (-6, -(2**40))] == [Reason.IN_THE_FUTURE] * 2
    older = message_of(made_block(4, timestamp=NOW[4] - 90), 4)
    assert judged(older, oldest=90).reason is Reason.VALID
    assert judged(older, oldest=89).reason is Reason.TOO_OLD


@pytest.mark.parametrize(
    ("version", "fields", "reason"),
    [
        (2, {"withdrawals": WITHDRAWALS}, Reason.HAS_WITHDRAWALS),
        (3, {"withdrawals": WITHDRAWALS}, Reason.HAS_WITHDRAWALS),
        (4, {"withdrawals": WITHDRAWALS}, Reason.HAS_WITHDRAWALS),
        (3, {"blob_gas_used": 1}, Reason.HAS_BLOB_GAS_USED),
        (4, {"blob_gas_used": 1}, Reason.HAS_BLOB_GAS_USED),
        (3, {"excess_blob_gas": 1}, Reason.HAS_EXCESS_BLOB_GAS),
        (4, {"excess_blob_gas": 1}, Reason.HAS_EXCESS_BLOB_GAS),
    ],
)
def test_fields_that_no_block_has(version: int, fields: dict[str, Any], reason: Reason) -> None:
    judgement = judged(message_of(made_block(version, **fields), version), version)
    assert (judgement.reason, judgement.verdict) == (reason, Verdict.REJECT)


def test_since_jovian_blob_gas_used_is_the_da_footprint() -> None:
    before, after = (message_of(made_block(4, timestamp=time, blob_gas_used=400), 4) for time in (JOVIAN - 1, JOVIAN))
    assert judge(before, 4, OP_MAINNET, at(JOVIAN)).reason is Reason.HAS_BLOB_GAS_USED
    assert judge(after, 4, OP_MAINNET, at(JOVIAN)).reason is Reason.VALID


def test_numbers_that_no_block_has() -> None:
    assert judged(message_of(made_block(4, 2**63 - 1), 4)).reason is Reason.VALID
    for number in (2**63, 2**64 - 1):
        judgement = judged(message_of(made_block(4, number), 4))
        assert (judgement.reason, judgement.verdict) == (Reason.NUMBER_TOO_LARGE, Verdict.REJECT)


def test_transactions_of_no_bytes() -> None:
    """op-node accepts the second and rejects the first: here neither goes on, and nobody is blamed."""
    right = made_block(4, transactions=(b"\x02one", b""))
    left_out = replace(right, payload=replace(right.payload, block_hash=made_block(4, transactions=(b"\x02one",)).payload.block_hash))
    for envelope in (right, left_out):
        judgement = judged(message_of(envelope, 4))
        assert (judgement.reason, judgement.verdict) == (Reason.EMPTY_TRANSACTION, Verdict.IGNORE)


def test_too_many_transactions_are_not_hashed() -> None:
    for count, reason in ((MOST_TRANSACTIONS, Reason.WRONG_BLOCK_HASH), (MOST_TRANSACTIONS + 1, Reason.TOO_MANY_TRANSACTIONS)):
        envelope = made_block(4)
        judgement = judged(message_of(replace(envelope, payload=replace(envelope.payload, transactions=(b"\x02",) * count)), 4))
        assert judgement.reason is reason
    assert judgement.verdict is Verdict.IGNORE


def test_the_hash_covers_all_of_the_block() -> None:
    envelope = made_block(4)
    payload = envelope.payload
    for other in (
        replace(payload, parent_hash=b"\x01" * 32),
        replace(payload, gas_used=1),
        replace(payload, transactions=payload.transactions[:1]),
        replace(payload, withdrawals_root=bytes(32)),
    ):
        changed = replace(envelope, payload=other)
        assert judged(message_of(changed, 4)).reason is Reason.WRONG_BLOCK_HASH
    elsewhere = replace(envelope, parent_beacon_block_root=bytes(32))
    judgement = judged(message_of(elsewhere, 4))
    assert (judgement.reason, judgement.verdict) == (Reason.WRONG_BLOCK_HASH, Verdict.REJECT)
    assert judgement.detail.startswith(f"block 1 0x{envelope.payload.block_hash.hex()}: hashes to 0x")


def test_malformed_payloads() -> None:
    encoded = encode_envelope(made_block(4), 4)
    for damaged in (encoded[:-1], encoded + b"\0", encoded[:31], b"\x01"):
        judgement = judged(compress(signed_bytes(damaged)))
        assert (judgement.reason, judgement.verdict) == (Reason.BAD_ENCODING, Verdict.REJECT)
        assert judgement.signer == SEQUENCER.address, "it still tells that the signer is at work"


def test_the_order() -> None:
    """Of two things that are wrong, the one is named that op-node looks at first."""
    late = NOW[4] + 3600
    everything = made_block(4, withdrawals=WITHDRAWALS, blob_gas_used=1, excess_blob_gas=1)
    wrong_hash = replace(everything, payload=replace(everything.payload, block_hash=bytes(32)))
    assert judge(message_of(wrong_hash, 4, OTHER), 4, OP_MAINNET, at(late)).reason is Reason.WRONG_SIGNER
    assert judge(compress(signed_bytes(b"\x01", OTHER)), 4, OP_MAINNET, at(late)).reason is Reason.WRONG_SIGNER
    assert judge(message_of(wrong_hash, 4), 4, OP_MAINNET, at(late)).reason is Reason.TOO_OLD
    assert judged(message_of(wrong_hash, 4)).reason is Reason.WRONG_BLOCK_HASH
    assert judged(message_of(everything, 4)).reason is Reason.HAS_WITHDRAWALS
    assert judged(message_of(made_block(4, blob_gas_used=1, excess_blob_gas=1), 4)).reason is Reason.HAS_BLOB_GAS_USED


def test_nobody_but_the_sequencer_can_make_us_read_a_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("a payload was read")

    monkeypatch.setattr(rules, "decode_envelope", read)
    assert judged(message_of(made_block(4), 4, OTHER)).reason is Reason.WRONG_SIGNER
    with pytest.raises(AssertionError):
        judged(message_of(made_block(4), 4))
