"""Payloads as peers send them (SSZ): OP Mainnet's own, and other clients' valid and invalid ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.shared import shared
from trinode.protocol.payload import (
    PayloadDecodingError,
    PayloadEnvelope,
    decode_envelope,
    encode_envelope,
    payload_block_hash,
)
from trinode.protocol.transaction import decode_transaction, encode_transaction, recover_sender

# Version by size: the test payloads carry nothing of variable size but withdrawals.
VERSION_OF_SIZE = {508: 1, 512: 2, 556: 2, 560: 3, 592: 4}


def gossip(name: str) -> Any:
    return json.loads(shared(f"data/gossip/{name}.json").read_text())


def unhex(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


def test_real_payloads() -> None:
    for case in gossip("real_mainnet_v3_envelopes_ssz"):
        data = unhex(case["envelope_ssz"])
        envelope = decode_envelope(data, 3)
        payload = envelope.payload
        assert payload_block_hash(envelope) == payload.block_hash == unhex(case["block_hash"])
        assert (payload.block_number, payload.timestamp) == (case["block_number"], case["timestamp"])
        assert len(payload.transactions) == case["ntx"]
        assert encode_envelope(envelope, 3) == data
        for raw in payload.transactions:
            tx = decode_transaction(raw)
            assert encode_transaction(tx) == raw
            assert len(recover_sender(tx)) == 20


def test_a_changed_payload_has_another_hash() -> None:
    data = unhex(gossip("real_mainnet_v3_envelopes_ssz")[0]["envelope_ssz"])
    honest = decode_envelope(data, 3).payload.block_hash
    for at in (0, 40, 460, len(data) - 1):  # beacon root, parent hash, timestamp, last transaction
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert payload_block_hash(decode_envelope(changed, 3)) != honest


def test_payloads_of_op_node_s_tests() -> None:
    for case in gossip("payload_ssz_v1_v2")["cases"]:
        data, version = unhex(case["ssz"]), int(case["version"][1:])
        if not case["valid"]:
            with pytest.raises(PayloadDecodingError):
                decode_envelope(data, version)
            continue
        envelope = decode_envelope(data, version)
        assert envelope.payload.base_fee_per_gas == 777
        assert encode_envelope(envelope, version) == data


def test_signed_payloads() -> None:
    versions = set()
    for case in gossip("signed_payloads_v1_v4")["cases"]:
        data = unhex(case["payload_ssz"])
        if case["name"].startswith("testV2NonZeroBlobProperties"):
            with pytest.raises(PayloadDecodingError):
                decode_envelope(data, 2)
            continue
        version = VERSION_OF_SIZE[len(data)]
        envelope = decode_envelope(data, version)
        assert isinstance(envelope, PayloadEnvelope)
        assert encode_envelope(envelope, version) == data
        if case["name"].endswith(":Valid"):
            assert payload_block_hash(envelope) == envelope.payload.block_hash
        versions.add(version)
    assert versions == {1, 2, 3, 4}
