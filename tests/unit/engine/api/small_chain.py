"""A chain of a few blocks of a Holocene chain, with transactions that nobody executed."""

from __future__ import annotations

from dataclasses import replace

from trinode.protocol.block import KnownBlock
from trinode.protocol.header import header_hash
from trinode.protocol.payload import ExecutionPayload, PayloadEnvelope, payload_header
from trinode.protocol.transaction import encode_transaction, sign_transaction
from trinode.protocol.transaction_types import LegacyTransaction
from trinode.protocol.types import BlockId
from trinode.rollup.config import parse_rollup_config
from trinode.rollup.fork import Fork

_WORD = "0x" + "00" * 32
_BLOCK = {"hash": "0x" + "11" * 32, "number": 0}

_CONFIG = parse_rollup_config({
    "genesis": {
        "l1": _BLOCK,
        "l2": {**_BLOCK, "hash": "0x" + "22" * 32},
        "l2_time": 1000,
        "system_config": {"batcherAddr": "0x" + "ba" * 20, "overhead": _WORD, "scalar": _WORD[:-1] + "1", "gasLimit": 30_000_000},
    },
    "block_time": 2,
    "max_sequencer_drift": 600,
    "seq_window_size": 3600,
    "channel_timeout": 300,
    "l1_chain_id": 900,
    "l2_chain_id": 901,
    **{fork.time_field: 0 for fork in Fork if Fork.BEDROCK < fork <= Fork.HOLOCENE},
    "batch_inbox_address": "0x" + "ff" * 20,
    "deposit_contract_address": "0x" + "d0" * 20,
    "l1_system_config_address": "0x" + "c0" * 20,
})


def make_payload(number: int, parent_hash: bytes) -> PayloadEnvelope:
    """One whose hash is right, and nothing else."""
    signed = sign_transaction(LegacyTransaction(number, 7, 21_000, bytes(20), 1, b"", v=35 + 2 * 901), b"\x01" * 32)
    payload = ExecutionPayload(
        parent_hash=parent_hash,
        fee_recipient=bytes(20),
        state_root=bytes(32),
        receipts_root=bytes(32),
        logs_bloom=bytes(256),
        prev_randao=bytes(32),
        block_number=number,
        gas_limit=30_000_000,
        gas_used=21_000,
        timestamp=1000 + 2 * number,
        extra_data=b"",
        base_fee_per_gas=7,
        block_hash=bytes(32),
        transactions=(encode_transaction(signed),),
        withdrawals=(),
        blob_gas_used=0,
        excess_blob_gas=0,
    )
    return PayloadEnvelope(payload, bytes(32))


def make_blocks(count: int) -> list[KnownBlock]:
    """From number 0 on."""
    blocks: list[KnownBlock] = []
    for number in range(count):
        envelope = make_payload(number, blocks[-1].hash if blocks else bytes(32))
        header = payload_header(envelope)
        blocks.append(KnownBlock(header, header_hash(header), envelope.payload.transactions))
    return blocks


CONFIG = replace(_CONFIG, genesis=replace(_CONFIG.genesis, l2=BlockId(0, make_blocks(1)[0].hash)))
