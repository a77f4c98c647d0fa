"""Parameters in extraData, and the base fee that follows from them."""

from __future__ import annotations

import pytest

from trinode.protocol.eip1559 import (
    ExtraDataDecodingError,
    decode_eip1559_params,
    decode_extra_data,
    encode_eip1559_params,
    encode_holocene_extra_data,
    encode_jovian_extra_data,
    next_base_fee,
)


def test_extra_data() -> None:
    holocene = encode_holocene_extra_data(250, 6)
    assert holocene.hex() == "00000000fa00000006"
    assert decode_extra_data(holocene) == (250, 6, None)
    jovian = encode_jovian_extra_data(250, 6, 2**64 - 1)
    assert jovian.hex() == "01000000fa00000006ffffffffffffffff"
    assert decode_extra_data(jovian) == (250, 6, 2**64 - 1)


@pytest.mark.parametrize(
    "extra", ["", "00", "01000000fa00000006", "00000000fa00000006ffffffffffffffff", "02" + "01" * 8]
)
def test_wrong_version_or_size(extra: str) -> None:
    with pytest.raises(ExtraDataDecodingError):
        decode_extra_data(bytes.fromhex(extra))


def test_params() -> None:
    assert encode_eip1559_params(250, 6).hex() == "000000fa00000006"
    assert decode_eip1559_params(encode_eip1559_params(2**32 - 1, 0)) == (2**32 - 1, 0)
    for size in (0, 7, 9):
        with pytest.raises(ExtraDataDecodingError):
            decode_eip1559_params(bytes(size))


def fee_after(base_fee: int, gas_used: int, *, da_footprint: int = 0, min_base_fee: int = 0) -> int:
    return next_base_fee(
        parent_base_fee=base_fee,
        parent_gas_used=gas_used,
        parent_gas_limit=30_000_000,
        denominator=50,
        elasticity=3,
        parent_da_footprint=da_footprint,
        min_base_fee=min_base_fee,
    )


def test_base_fee_goes_with_the_gas_used() -> None:
    assert fee_after(1000, 10_000_000) == 1000
    assert fee_after(1000, 30_000_000) == 1000 + 1000 * 2 // 50
    assert fee_after(1000, 0) == 1000 - 1000 // 50
    assert fee_after(1, 10_000_001) == 2  # rises by 1 at least
    assert fee_after(1, 0) == 1  # and falls by nothing at most
    assert fee_after(0, 0) == 0


def test_jovian_meters_data_and_has_a_floor() -> None:
    assert fee_after(1000, 5_000_000, da_footprint=30_000_000) == fee_after(1000, 30_000_000)
    assert fee_after(1000, 30_000_000, da_footprint=5_000_000) == fee_after(1000, 30_000_000)
    assert fee_after(1000, 0, min_base_fee=990) == 990
    assert fee_after(1000, 0, min_base_fee=970) == 980
