"""Both sides of Bedrock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rpc.historical.bedrock_chain import BedrockChain, bedrock_chain
from tests.unit.rpc.historical.legacy_geth import LegacyGeth


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[BedrockChain]:
    with bedrock_chain(tmp_path / "store") as made:
        yield made


@pytest.fixture
def server() -> Iterator[LegacyGeth]:
    with LegacyGeth() as served:
        yield served
