"""Reading and writing rollup.json, and what the configuration answers about time."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.rollup.examples import GENESIS_TIME, TIMES, rollup_config, rollup_json, up_to
from trinode.rollup.config import RollupConfigError, parse_rollup_config
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

KECCAK_ALT_DA = {
    "da_challenge_contract_address": "0x" + "97" * 20,
    "da_commitment_type": "KeccakCommitment",
    "da_challenge_window": 3600,
    "da_resolve_window": 3600,
}
GENERIC_ALT_DA = KECCAK_ALT_DA | {"da_commitment_type": "GenericCommitment"}


def test_round_trip() -> None:
    given = rollup_json(
        alt_da=KECCAK_ALT_DA,
        pectra_blob_schedule_time=1_650,
        protocol_versions_address="0x" + "00" * 20,
        keep_karst_upgrade_gas=True,
        lagoon_time=3_000,
    )
    config = parse_rollup_config(given)
    assert config.to_json() == given
    assert parse_rollup_config(json.loads(json.dumps(config.to_json()))) == config


def test_unknown_fields_are_kept_and_unknown_forks_are_told() -> None:
    given = rollup_json(interop_time=9_000, monsoon_time=None, note={"of": "someone"})
    config = parse_rollup_config(given)
    assert config.extra == {"interop_time": 9_000, "note": {"of": "someone"}}
    assert config.unknown_fork_times == {"interop_time": 9_000}
    assert config.to_json() == given


def test_nulls_are_missing_fields() -> None:
    given = rollup_json() | {"alt_da": None, "pectra_blob_schedule_time": None, "karst_time": None, "lagoon_time": None}
    config = parse_rollup_config(given)
    assert Fork.KARST not in config.fork_times
    assert config == rollup_config(karst_time=None)


def test_a_file_from_before_holocene() -> None:
    given = rollup_json(chain_op_config=None, **up_to(Fork.GRANITE))
    old = {name: given["genesis"]["system_config"][name] for name in ("batcherAddr", "overhead", "scalar", "gasLimit")}
    given["genesis"]["system_config"] = old
    config = parse_rollup_config(given)
    assert config.genesis.system_config == rollup_config().genesis.system_config
    assert config.chain_op_config is None


def put(*path: str) -> Callable[[Any], dict[str, Any]]:
    """A function that puts a value at `path` of the example."""

    def change(value: Any) -> dict[str, Any]:
        result = rollup_json()
        inner = result
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value
        return result

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("genesis", None),
        ("genesis", []),
        ("genesis.l1", "0x11"),
        ("genesis.l1.hash", "0x" + "00" * 32),
        ("genesis.l1.hash", "0x1234"),
        ("genesis.l1.number", -1),
        ("genesis.l1.number", "5"),
        ("genesis.l1.number", True),
        ("genesis.l1.number", 2**64),
        ("genesis.l1.number", 1.5),
        ("genesis.l2.hash", "0x" + "00" * 32),
        ("genesis.l2.hash", "0x" + "11" * 32),  # the same as L1's
        ("genesis.l2_time", 0),
        ("genesis.system_config", None),
        ("genesis.system_config.batcherAddr", "0x" + "00" * 20),
        ("genesis.system_config.batcherAddr", "ba" * 20),
        ("genesis.system_config.overhead", "0x00"),
        ("genesis.system_config.scalar", "0x" + "00" * 32),
        ("genesis.system_config.scalar", None),
        ("genesis.system_config.gasLimit", 0),
        ("genesis.system_config.eip1559Params", "0x" + "00" * 9),
        ("genesis.system_config.daFootprintGasScalar", 2**16),
        ("block_time", 0),
        ("block_time", None),
        ("max_sequencer_drift", None),
        ("max_sequencer_drift", 0),
        ("seq_window_size", 1),
        ("channel_timeout", 0),
        ("l1_chain_id", 0),
        ("l1_chain_id", None),
        ("l2_chain_id", 0),
        ("l2_chain_id", 900),  # the same as L1's
        ("batch_inbox_address", "0x" + "00" * 20),
        ("batch_inbox_address", "0x" + "0 " * 20),
        ("batch_inbox_address", "0x" + "zz" * 20),
        ("deposit_contract_address", "0x" + "00" * 20),
        ("deposit_contract_address", None),
        ("l1_system_config_address", None),
        ("l1_system_config_address", 12),
        ("canyon_time", "soon"),
        ("canyon_time", None),  # delta has a time
        ("canyon_time", 1_050),  # before regolith
        ("karst_time", 1_899),  # before jovian
        ("chain_op_config", 6),
        ("chain_op_config.eip1559Elasticity", None),
        ("keep_karst_upgrade_gas", 1),
        ("alt_da", {}),
        ("pectra_blob_schedule_time", "1742486400"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Any) -> None:
    with pytest.raises(RollupConfigError) as caught:
        parse_rollup_config(put(*path.split("."))(value))
    error = caught.value
    expected = {"canyon_time": {"canyon_time", "delta_time"}, "alt_da": {"alt_da.da_commitment_type"}}
    assert error.field in expected.get(path, {path})
    assert str(error).startswith(f"{error.field}: ")
    assert "\n" not in str(error)


@pytest.mark.parametrize("given", [None, [], "rollup.json", 1])
def test_not_an_object(given: object) -> None:
    with pytest.raises(RollupConfigError, match="must be an object"):
        parse_rollup_config(given)


@pytest.mark.parametrize(
    ("alt_da", "field"),
    [
        (KECCAK_ALT_DA | {"da_commitment_type": "Sha256"}, "da_commitment_type"),
        (KECCAK_ALT_DA | {"da_challenge_contract_address": None}, "da_challenge_contract_address"),
        (KECCAK_ALT_DA | {"da_max_input_size": 0}, "da_max_input_size"),
        (KECCAK_ALT_DA | {"da_challenge_window": None}, "da_challenge_window"),
        (GENERIC_ALT_DA, "da_challenge_contract_address"),
        (GENERIC_ALT_DA | {"da_challenge_contract_address": None, "da_max_input_size": 5}, "da_max_input_size"),
    ],
)
def test_alt_da_that_contradicts_itself(alt_da: dict[str, Any], field: str) -> None:
    with pytest.raises(RollupConfigError) as caught:
        rollup_config(alt_da=alt_da)
    assert caught.value.field == f"alt_da.{field}"


def test_alt_da_of_both_types() -> None:
    generic = rollup_config(alt_da=GENERIC_ALT_DA | {"da_challenge_contract_address": "0x" + "00" * 20}).alt_da
    assert generic is not None
    assert not any(generic.challenge_contract_address)
    sized = rollup_config(alt_da=KECCAK_ALT_DA | {"da_max_input_size": 10}).alt_da
    assert sized is not None
    assert sized.to_json() == KECCAK_ALT_DA | {"da_max_input_size": 10}


@pytest.mark.parametrize("fork", SCHEDULED_FORKS[1:])
def test_a_fork_needs_those_before_it(fork: Fork) -> None:
    before = Fork(fork - 1)
    with pytest.raises(RollupConfigError, match=fork.time_field):
        rollup_config(**up_to(fork) | {before.time_field: None, fork.time_field: 5})
    with pytest.raises(RollupConfigError, match=fork.time_field):
        replace(rollup_config(**up_to(fork)), fork_times=dict.fromkeys(SCHEDULED_FORKS, 0) | {before: 6})


def test_exactly_one_clock() -> None:
    config = rollup_config()
    for clocks in (
        {},
        {"l2_timestamp": 1, "l1_origin_timestamp": 1},
        {"l1_origin_timestamp": 1, "l1_inclusion_timestamp": 1},
    ):
        with pytest.raises(TypeError, match="exactly one"):
            config.rules(**clocks)
        with pytest.raises(TypeError, match="exactly one"):
            config.is_active(Fork.DELTA, **clocks)
    assert config.fork_at(l2_timestamp=1_250) is config.fork_at(l1_origin_timestamp=1_250) is Fork.CANYON


@pytest.mark.parametrize(("fork", "time"), TIMES.items())
def test_rules_change_at_the_forks_second(fork: Fork, time: int) -> None:
    config = rollup_config()
    assert config.rules(l1_inclusion_timestamp=time).fork is fork
    assert config.rules(l1_inclusion_timestamp=time - 1).fork is Fork(fork - 1)
    assert config.is_active(fork, l2_timestamp=time)
    assert not config.is_active(fork, l2_timestamp=time - 1)
    assert config.rules(l2_timestamp=time) is config.rules(l1_origin_timestamp=time + 1)


def test_a_fork_without_a_time_is_never_active() -> None:
    config = rollup_config(**up_to(Fork.CANYON))
    assert not config.is_active(Fork.DELTA, l2_timestamp=2**64)
    assert config.rules(l2_timestamp=2**64).fork is Fork.CANYON
    assert config.is_active(Fork.BEDROCK, l2_timestamp=0)


def test_values_that_become_constants() -> None:
    config = rollup_config()
    granite, fjord = TIMES[Fork.GRANITE], TIMES[Fork.FJORD]
    assert [config.channel_timeout_at(l1_inclusion_timestamp=granite + step) for step in (-1, 0)] == [300, 50]
    assert [config.max_sequencer_drift_at(l1_origin_timestamp=fjord + step) for step in (-1, 0)] == [600, 1800]


def test_the_first_fork_between_two_l1_blocks() -> None:
    config = rollup_config()
    granite, holocene = TIMES[Fork.GRANITE], TIMES[Fork.HOLOCENE]
    assert config.first_fork_between(granite - 1, granite) is Fork.GRANITE
    assert config.first_fork_between(granite, holocene - 1) is None
    assert config.first_fork_between(granite - 1, holocene) is Fork.GRANITE  # and not Holocene, as in op-node
    assert config.first_fork_between(granite, holocene) is Fork.HOLOCENE
    assert config.first_fork_between(0, 2**64) is Fork.REGOLITH
    together = rollup_config(**up_to(Fork.HOLOCENE, 500))
    assert together.first_fork_between(499, 500) is Fork.REGOLITH
    assert together.first_fork_between(500, 501) is None


@pytest.mark.parametrize("offset", [0, 1])
def test_activation_blocks(offset: int) -> None:
    """The first L2 block at or after the time, also where no block has just that time."""
    config = rollup_config(ecotone_time=TIMES[Fork.ECOTONE] - offset)
    first = TIMES[Fork.ECOTONE]
    activated = [
        time for time in range(GENESIS_TIME, 2_100, 2) if config.is_activation_block(Fork.ECOTONE, l2_timestamp=time)
    ]
    assert activated == [first]
    assert config.activation_block_fork(l2_timestamp=first) is Fork.ECOTONE
    assert config.activation_block_fork(l2_timestamp=first + 2) is None


def test_genesis_is_no_activation_block() -> None:
    config = rollup_config(**up_to(Fork.KARST))
    assert config.activated_forks(l2_timestamp=0) == ()
    assert config.activated_forks(l2_timestamp=1) == ()
    assert config.activated_forks(l2_timestamp=GENESIS_TIME) == ()
    assert config.activated_forks(l2_timestamp=GENESIS_TIME + 2) == ()


def test_forks_that_activate_together() -> None:
    config = rollup_config(**up_to(Fork.KARST, 1_500))
    assert config.activated_forks(l2_timestamp=1_500) == tuple(fork for fork in SCHEDULED_FORKS if fork <= Fork.KARST)
    transactions, gas = config.upgrade_transactions(l2_timestamp=1_500)
    assert (len(transactions), gas) == (6 + 3 + 8 + 5 + 31, 55_370_657)
    assert config.upgrade_gas_to_take_off(l2_timestamp=1_500) == gas


def test_upgrade_gas() -> None:
    karst, jovian = TIMES[Fork.KARST], TIMES[Fork.JOVIAN]
    for keep, expected in ((False, 55_370_657), (True, 0)):
        config = rollup_config(keep_karst_upgrade_gas=keep)
        assert config.upgrade_transactions(l2_timestamp=karst)[1] == 55_370_657
        assert config.upgrade_gas_to_take_off(l2_timestamp=karst) == expected
        assert config.upgrade_gas_to_take_off(l2_timestamp=karst + 2) == 0
        assert config.upgrade_gas_to_take_off(l2_timestamp=jovian) == 0
        assert config.upgrade_transactions(l2_timestamp=karst + 2) == ((), 0)


def test_next_fork() -> None:
    config = rollup_config()
    assert config.next_fork(after=0) == (Fork.REGOLITH, TIMES[Fork.REGOLITH])
    assert config.next_fork(after=TIMES[Fork.JOVIAN]) == (Fork.KARST, TIMES[Fork.KARST])
    assert config.next_fork(after=TIMES[Fork.KARST]) is None


def test_a_configuration_pickles() -> None:
    config = rollup_config(alt_da=KECCAK_ALT_DA)
    copy = pickle.loads(pickle.dumps(config))
    assert copy == config
    assert copy.rules(l2_timestamp=1_450).fork is config.rules(l2_timestamp=1_450).fork
