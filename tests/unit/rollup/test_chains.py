"""Finding the built-in chains; their facts are compared in the conformance tests."""

from __future__ import annotations

import pytest

from trinode.rollup.chains import UnknownChainError, chain_by_name, find_chain, known_chains
from trinode.rollup.fork import Fork


@pytest.mark.parametrize(
    "name", ["op-mainnet", "OP-Mainnet", " op-mainnet ", "mainnet/op", "mainnet", "optimism", "10", 10]
)
def test_op_mainnet_by_any_name(name: str | int) -> None:
    assert find_chain(name).name == "op-mainnet"
    config = chain_by_name(name)
    assert (config.l2_chain_id, config.l1_chain_id, config.channel_timeout) == (10, 1, 300)
    assert config.fork_times[Fork.REGOLITH] == 0
    assert config.fork_times[Fork.KARST] == 1783526401
    assert Fork.LAGOON not in config.fork_times
    assert config.keep_karst_upgrade_gas


def test_op_sepolia() -> None:
    assert find_chain("sepolia").name == find_chain(11155420).name == "op-sepolia"
    assert chain_by_name("op-sepolia").pectra_blob_schedule_time == 1742486400


def test_a_bare_name_is_an_alias_if_it_is_one_chains_alone() -> None:
    assert find_chain("celo").name == "celo-mainnet"
    with pytest.raises(UnknownChainError):
        find_chain("op")


def test_names_and_ids_are_unique() -> None:
    chains = known_chains()
    assert len({chain.name for chain in chains}) == len({chain.chain_id for chain in chains}) == len(chains) == 53
    names = [name.lower() for chain in chains for name in (chain.name, *chain.aliases)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("op-mainet", "op-mainnet"), ("base-sepolia2", "race-sepolia"), ("###", None)]
)
def test_the_nearest_name_is_suggested(wrong: str, nearest: str | None) -> None:
    with pytest.raises(UnknownChainError) as caught:
        find_chain(wrong)
    assert caught.value.nearest == nearest
    assert str(caught.value) == f"unknown network {wrong!r}" + (f"; did you mean {nearest}?" if nearest else "")


def test_what_differs_from_the_usual() -> None:
    celo, redstone, fraxtal = (find_chain(name) for name in ("celo-mainnet", "redstone-mainnet", "fraxtal-mainnet"))
    assert celo.gas_paying_token is not None
    assert (celo.data_availability, celo.config.alt_da) == ("alt-da", None)
    assert redstone.config.alt_da is not None
    assert redstone.config.alt_da.commitment_type == "KeccakCommitment"
    assert fraxtal.config.next_fork(after=1738958401) is None
