"""A chain for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rpc.eth.eth_chain import EthChain


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[EthChain]:
    made = EthChain(tmp_path / "store")
    with made.store:
        yield made
