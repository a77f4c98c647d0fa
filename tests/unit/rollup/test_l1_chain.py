"""L1's blob parameters over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.peers.geth_config import geth_chain_config
from trinode.rollup.json_fields import RollupConfigError
from trinode.rollup.l1_chain import L1_CHAIN_NAMES, L1_CHAINS, L1ChainConfig, parse_l1_chain_config

CANCUN = {"name": "cancun", "time": 0, "target": 3, "max": 6, "update_fraction": 3338477}
PRAGUE = {"name": "prague", "time": 0, "target": 6, "max": 9, "update_fraction": 5007716}
LATER = PRAGUE | {"name": "bpo1", "time": 50, "update_fraction": 8346193}


def test_of_entries_with_the_same_time_the_last_counts() -> None:
    config = parse_l1_chain_config({"chain_id": 31337, "blob_schedule": [CANCUN, PRAGUE, LATER], "prague_time": 0})
    assert [config.update_fraction_at(time) for time in (0, 49, 50, 10**10)] == [5007716, 5007716, 8346193, 8346193]
    entry = config.blob_schedule_at(49)
    assert entry is not None
    assert (entry.name, entry.target, entry.max) == ("prague", 6, 9)
    assert (config.prague_time, config.osaka_time) == (0, None)


def test_entries_may_come_in_any_order() -> None:
    config = parse_l1_chain_config({"chain_id": 1, "blob_schedule": [LATER, CANCUN]})
    assert [config.update_fraction_at(time) for time in (0, 50)] == [3338477, 8346193]


def test_before_blobs() -> None:
    config = parse_l1_chain_config({"chain_id": 1, "blob_schedule": [LATER]})
    assert config.update_fraction_at(49) is None
    assert parse_l1_chain_config({"chain_id": 1, "blob_schedule": []}).blob_schedule_at(10**10) is None


@pytest.mark.parametrize("chain", L1_CHAINS.values(), ids=lambda chain: L1_CHAIN_NAMES[chain.chain_id])
def test_built_in_chains(chain: object) -> None:
    config = L1_CHAINS[chain.chain_id]  # type: ignore[attr-defined]
    assert parse_l1_chain_config(config.to_json()) == config
    times = [entry.time for entry in config.blob_schedule]
    assert times == sorted(set(times))
    assert [entry.name for entry in config.blob_schedule] == ["cancun", "prague", "osaka", "bpo1", "bpo2"]
    assert (config.prague_time, config.osaka_time) == (times[1], times[2])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"chain_id": 1}, "blob_schedule"),
        ({"chain_id": 1, "blob_schedule": {}}, "blob_schedule"),
        ({"blob_schedule": []}, "chain_id"),
        ({"chain_id": 1, "blob_schedule": [CANCUN, PRAGUE | {"time": -1}]}, "blob_schedule[1].time"),
        ({"chain_id": 1, "blob_schedule": [CANCUN | {"update_fraction": 0}]}, "blob_schedule[0].update_fraction"),
        ({"chain_id": 1, "blob_schedule": [7]}, "blob_schedule[0]"),
    ],
)
def test_a_wrong_field_is_named(wrong: object, field: str) -> None:
    with pytest.raises(RollupConfigError) as caught:
        parse_l1_chain_config(wrong)
    assert caught.value.field == f"l1_chain_config.{field}"


@pytest.mark.parametrize("chain", L1_CHAINS.values(), ids=lambda chain: str(chain.chain_id))
@pytest.mark.parametrize("wrap", [lambda config: config, lambda config: {"config": config, "alloc": {}}])
def test_geths_chain_config_is_read_too(chain: L1ChainConfig, wrap: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    assert parse_l1_chain_config(wrap(geth_chain_config(chain))) == chain


def test_a_fork_of_geths_without_blob_parameters_is_named() -> None:
    config = geth_chain_config(L1_CHAINS[1])
    del config["blobSchedule"]["prague"]
    with pytest.raises(RollupConfigError, match=r"blobSchedule\.prague: missing"):
        parse_l1_chain_config(config)
