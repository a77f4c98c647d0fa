"""The four forms of the L1 attributes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trinode.protocol.l1_info import L1BlockInfo, L1InfoDecodingError, L1InfoFormat, decode_l1_info, encode_l1_info

BEDROCK = L1BlockInfo(
    format=L1InfoFormat.BEDROCK,
    number=2**64 - 1,
    timestamp=2,
    base_fee=2**256 - 1,
    hash=b"\x04" * 32,
    sequence_number=5,
    batcher_address=b"\x06" * 20,
    l1_fee_overhead=7,
    l1_fee_scalar=2**255,
)
ECOTONE = replace(
    BEDROCK,
    format=L1InfoFormat.ECOTONE,
    l1_fee_overhead=0,
    l1_fee_scalar=0,
    blob_base_fee=8,
    base_fee_scalar=9,
    blob_base_fee_scalar=2**32 - 1,
)
ISTHMUS = replace(ECOTONE, format=L1InfoFormat.ISTHMUS, operator_fee_scalar=10, operator_fee_constant=2**64 - 1)
JOVIAN = replace(ISTHMUS, format=L1InfoFormat.JOVIAN, da_footprint_gas_scalar=400)
SIZES = [(BEDROCK, "015d8eb9", 260), (ECOTONE, "440a5e20", 164), (ISTHMUS, "098999be", 176), (JOVIAN, "3db6be2b", 178)]


@pytest.mark.parametrize(("info", "selector", "size"), SIZES)
def test_forms(info: L1BlockInfo, selector: str, size: int) -> None:
    data = encode_l1_info(info)
    assert data[:4].hex() == selector
    assert len(data) == size
    assert decode_l1_info(data) == info


@pytest.mark.parametrize("info", [BEDROCK, ECOTONE, ISTHMUS, JOVIAN])
def test_size_is_exact(info: L1BlockInfo) -> None:
    data = encode_l1_info(info)
    for wrong in (data[:-1], data + b"\x00", data[:4]):
        with pytest.raises(L1InfoDecodingError, match="bytes of"):
            decode_l1_info(wrong)


def test_unknown_selector() -> None:
    for data in (b"", b"\x01\x5d\x8e", bytes(164)):
        with pytest.raises(L1InfoDecodingError, match="unknown function selector"):
            decode_l1_info(data)


@pytest.mark.parametrize(
    ("info", "offset"), [(BEDROCK, 4), (BEDROCK, 36), (BEDROCK, 132), (BEDROCK, 175), (JOVIAN, 132), (JOVIAN, 143)]
)
def test_padding_must_be_zero(info: L1BlockInfo, offset: int) -> None:
    data = bytearray(encode_l1_info(info))
    assert data[offset] == 0
    data[offset] = 1
    with pytest.raises(L1InfoDecodingError, match="padding"):
        decode_l1_info(bytes(data))


def test_fields_that_the_form_does_not_carry_are_left_out() -> None:
    assert encode_l1_info(replace(JOVIAN, format=L1InfoFormat.ECOTONE)) == encode_l1_info(ECOTONE)
