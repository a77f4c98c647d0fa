"""Witnesses in both forms, and what is refused in each, by field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.engine.block_tree import Blocks
from trinode.engine.stateless.witness_reply import read_witness
from trinode.jsonrpc.header_object import header_object
from trinode.jsonrpc.replies import RpcJsonError
from trinode.protocol.header import encode_header
from trinode.protocol.keccak import keccak256
from trinode.rollup.json_fields import to_hex

NODE, CODE = b"a node", b"a code"


def by_hash(data: bytes) -> dict[str, str]:
    return {to_hex(keccak256(data)): to_hex(data)}


def test_both_forms_say_the_same() -> None:
    blocks = Blocks()
    made = blocks.chain(blocks.genesis.hash, 3)
    first = {"headers": [header_object(block.header) for block in made[::-1]], "state": [to_hex(NODE)], "codes": [to_hex(CODE)], "keys": None}
    other = {"headers": [to_hex(encode_header(block.header)) for block in made], "state": by_hash(NODE), "codes": by_hash(CODE), "keys": ["0x01"]}
    witness = read_witness(first)
    assert witness == read_witness(other)
    assert [known.hash for known in witness.headers] == [block.hash for block in made[::-1]]
    assert {NODE, CODE} < set(witness.preimages.values())
    assert all(keccak256(data) == digest for digest, data in witness.preimages.items())
    assert witness.size == sum(map(len, witness.preimages.values()))


def test_a_gap_in_the_headers_is_refused() -> None:
    blocks = Blocks()
    made = blocks.chain(blocks.genesis.hash, 3)
    with pytest.raises(RpcJsonError, match=r"^headers\[1\]: hashes to 0x.*, the parent of block 3 is 0x"):
        read_witness({"headers": [header_object(block.header) for block in made[::-2]], "state": []})


@pytest.mark.parametrize(
    ("result", "field"),
    [
        (None, "result"),
        ([], "result"),
        ({}, "state"),
        ({"state": 1}, "state"),
        ({"state": [1]}, "state[0]"),
        ({"state": ["0x", "0x0"]}, "state[1]"),
        ({"state": {"0x01": "0x01"}}, "state[0x01]"),
        ({"state": {"01": "0x01"}}, "state[01]"),
        ({"state": [], "codes": {"0x" + "00" * 32: "0x01"}}, "codes[0x" + "00" * 32 + "]"),
        ({"state": [], "headers": {}}, ""),
        ({"state": [], "headers": {"a": "b"}}, "headers"),
        ({"state": [], "headers": ["0x00"]}, "headers[0]"),
        ({"state": [], "headers": [{}]}, "headers[0].parentHash"),
    ],
)
def test_what_is_malformed_is_refused_by_its_field(result: Any, field: str) -> None:
    if not field:
        assert read_witness(result).headers == ()
        return
    with pytest.raises(RpcJsonError) as caught:
        read_witness(result)
    assert caught.value.field == field
