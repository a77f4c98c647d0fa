"""The recording that the fake endpoints of these tests serve."""

from __future__ import annotations

import pytest

from tests.fake_endpoints import RecordedChains
from tests.unit.l1.l1_network import FIXTURE


@pytest.fixture(scope="session")
def chains() -> RecordedChains:
    return RecordedChains(FIXTURE)
