"""Block messages of other teams' test suites and of OP Mainnet, judged whole: valid ones accepted, each other refused for what it was made for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from harness.bare_blocks import rehashed
from tests.shared import shared
from trinode.p2p.blocks.envelope import SequencerKey, SignedBlock, block_signing_hash
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.blocks.rules import Circumstances, judge
from trinode.p2p.blocks.signers import ExpectedSigners
from trinode.p2p.blocks.snappy import compress, inflate
from trinode.protocol.payload import decode_envelope, encode_envelope, payload_block_hash
from trinode.protocol.types import Address
from trinode.rollup.chains import chain_by_name
from trinode.rollup.config import RollupConfig

OP_MAINNET = chain_by_name("op-mainnet")
TEST_CHAIN = replace(OP_MAINNET, l2_chain_id=100)
OURS = SequencerKey(b"\x11" * 32)


def gossip(name: str) -> Any:
    return json.loads(shared(f"data/gossip/{name}.json").read_text())


def unhex(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


def judged(data: bytes, version: int, signer: Address, timestamp: int, rollup: RollupConfig = TEST_CHAIN) -> Judgement:
    return judge(data, version, rollup, Circumstances(timestamp, 60, ExpectedSigners(signer)))


def signed_by_us(signed: bytes, rollup: RollupConfig = TEST_CHAIN) -> bytes:
    return compress(OURS.sign(block_signing_hash(signed, rollup.l2_chain_id)) + signed)


def as_named(name: str) -> tuple[int, Reason]:
    """The topic of a case and what should come of it, by its name."""
    version = next(version for version in (1, 2, 3, 4) if f"v{version}" in name.lower())
    if name.startswith("testV3RejectNonZeroExcessGas"):
        return version, Reason.HAS_EXCESS_BLOB_GAS
    if name.startswith("testV3RejectNonZeroBlobGasUsed"):
        return version, Reason.HAS_BLOB_GAS_USED
    if name.startswith("testV2NonZeroWithdrawals"):
        return version, Reason.HAS_WITHDRAWALS
    if name.startswith("testV2NonZeroBlobProperties"):
        return version, Reason.BAD_ENCODING  # the layout of this topic has no room for them
    return version, Reason.VALID


def test_signed_messages() -> None:
    came: dict[Reason, int] = {}
    for case in gossip("signed_payloads_v1_v4")["cases"]:
        data = unhex(case["compressed"])
        block = SignedBlock.split(inflate(data))
        assert (block.signature, block.signed) == (unhex(case["signature"]), unhex(case["payload_ssz"]))
        version, expected = as_named(case["name"])
        if case["signer"] is None:
            _check_unsigned(data, block, version)
            continue
        signer = unhex(case["signer"])
        assert block.signer(case["chain_id"]) == signer != block.signer(case["chain_id"] + 1)
        timestamp = int.from_bytes(block.signed[460 if version == 3 else 428 :][:8], "little")
        judgement = judged(data, version, signer, timestamp)
        came[judgement.reason] = came.get(judgement.reason, 0) + 1
        if expected in (Reason.HAS_BLOB_GAS_USED, Reason.HAS_EXCESS_BLOB_GAS):
            # Their hashes are of a block whose blob fields are zero: that is noticed before the fields are.
            assert judgement.reason is Reason.WRONG_BLOCK_HASH
            assert judgement.envelope is not None
            zero = replace(judgement.envelope.payload, blob_gas_used=0, excess_blob_gas=0)
            assert payload_block_hash(replace(judgement.envelope, payload=zero)) == zero.block_hash
            right = signed_by_us(encode_envelope(rehashed(judgement.envelope), version))
            judgement = judged(right, version, OURS.address, timestamp)
        assert judgement.reason is expected, (case["name"], judgement)
    assert came == {Reason.VALID: 9, Reason.WRONG_BLOCK_HASH: 2, Reason.HAS_WITHDRAWALS: 1, Reason.BAD_ENCODING: 1}


def _check_unsigned(data: bytes, block: SignedBlock, version: int) -> None:
    """Of the messages of version 4 nobody says who signed them, or for which chain: and their block hash is zero. The rest of them is right."""
    assert version == 4
    envelope = decode_envelope(block.signed, 4)
    timestamp = envelope.payload.timestamp
    assert judged(data, 4, block.signer(100), timestamp).reason is Reason.WRONG_BLOCK_HASH
    assert not any(envelope.payload.block_hash)
    right = signed_by_us(encode_envelope(rehashed(envelope), 4))
    assert judged(right, 4, OURS.address, timestamp).reason is Reason.VALID


def test_payloads_of_op_node_s_tests() -> None:
    reasons = {}
    for case in gossip("payload_ssz_v1_v2")["cases"]:
        data, version = unhex(case["ssz"]), int(case["version"][1:])
        if not case["valid"]:
            reasons[case["name"]] = judged(signed_by_us(data), version, OURS.address, 0).reason
            continue
        envelope = decode_envelope(data, version)
        timestamp, transactions = envelope.payload.timestamp, envelope.payload.transactions
        # They are about withdrawals: their transactions have no bytes, and nobody has hashed them.
        assert judged(signed_by_us(data), version, OURS.address, timestamp).reason is Reason.EMPTY_TRANSACTION
        envelope = replace(envelope, payload=replace(envelope.payload, transactions=tuple([raw or b"\x01" for raw in transactions])))
        wrong = signed_by_us(encode_envelope(envelope, version))
        assert judged(wrong, version, OURS.address, timestamp).reason is Reason.WRONG_BLOCK_HASH
        right = signed_by_us(encode_envelope(rehashed(envelope), version))
        reasons[case["name"]] = judged(right, version, OURS.address, timestamp).reason
    assert reasons == {
        "zeroWithdrawalsSucceeds": Reason.VALID,
        "zeroWithdrawalsFailsToDeserialize": Reason.BAD_ENCODING,
        "withdrawalsSucceeds": Reason.HAS_WITHDRAWALS,
        "withdrawalsFailsToDeserialize": Reason.BAD_ENCODING,
        "maxWithdrawalsSucceeds": Reason.HAS_WITHDRAWALS,
        "tooManyWithdrawalsErrors": Reason.BAD_ENCODING,
    }


def test_real_blocks_of_op_mainnet() -> None:
    """They were kept without their signatures: with ours, all else is as it was on the network."""
    cases = gossip("real_mainnet_v3_envelopes_ssz")
    assert len(cases) == 2
    for case in cases:
        signed = unhex(case["envelope_ssz"])
        data = signed_by_us(signed, OP_MAINNET)
        judgement = judged(data, 3, OURS.address, case["timestamp"], OP_MAINNET)
        assert judgement.reason is Reason.VALID and judgement.envelope is not None
        assert judgement.envelope.payload.block_hash == unhex(case["block_hash"]) == payload_block_hash(judgement.envelope)
        assert len(judgement.envelope.payload.transactions) == case["ntx"]
        assert inflate(data)[65:] == signed
        for at in (0, 40, 460, len(signed) - 1):
            changed = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
            assert judged(signed_by_us(changed, OP_MAINNET), 3, OURS.address, case["timestamp"], OP_MAINNET).reason is Reason.WRONG_BLOCK_HASH
            assert judged(compress(inflate(data)[:65] + changed), 3, OURS.address, case["timestamp"], OP_MAINNET).reason in (
                Reason.WRONG_SIGNER,
                Reason.BAD_SIGNATURE,
            )
