"""How far back a state knows the hashes of blocks."""

from __future__ import annotations

import pytest

from trinode.execution.errors import MissingState
from trinode.storage.database import View
from trinode.storage.readers import HeadState, PastState
from trinode.storage.tables import CANONICAL, number_bytes


class Rows:
    """What a database has."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self._rows = rows

    def get(self, key: bytes, *, verify_checksums: bool) -> bytes | None:
        assert verify_checksums
        return self._rows.get(key)


@pytest.mark.parametrize("kind", [HeadState, PastState])
def test_the_hashes_that_a_call_sees(kind: type[HeadState]) -> None:
    """A call on the state of block 300 is executed as if it were in that block: BLOCKHASH sees the 256 before it."""
    state = kind(View(Rows({CANONICAL + number_bytes(number): number.to_bytes(32, "big") for number in range(302)})), 300)
    assert [int.from_bytes(state.block_hash(number), "big") for number in (44, 45, 299, 300)] == [44, 45, 299, 300]
    for number in (43, 301):
        with pytest.raises(MissingState, match=f"the hash of block {number} is not known in the state of block 300"):
            state.block_hash(number)
