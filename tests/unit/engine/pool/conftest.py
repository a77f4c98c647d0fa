"""Chains that are closed when their test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.engine.pool.pool_chain import PoolChain


@pytest.fixture
def new_chain(tmp_path: Path) -> Iterator[Callable[..., PoolChain]]:
    """Makes chains, with the arguments of PoolChain after the first."""
    made: list[PoolChain] = []

    def make(*arguments: Any, **named: Any) -> PoolChain:
        made.append(PoolChain(tmp_path / str(len(made)), *arguments, **named))
        return made[-1]

    yield make
    for chain in made:
        chain.store.close()


@pytest.fixture
def chain(new_chain: Callable[..., PoolChain]) -> PoolChain:
    """A chain of the latest fork, and a pool with op-geth's limits."""
    return new_chain()
