"""eth_simulateV1 over a recorded chain, held against what op-geth answered for that chain (fixtures/op-geth), field by field."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulations import NOT_AS_OP_GETH, Simulation, ask, differences, simulating, simulations
from trinode.rpc.eth.namespace import EthNamespace


@pytest.fixture(scope="module")
def eth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EthNamespace]:
    with simulating(tmp_path_factory.mktemp("simulations")) as (_, eth):
        yield eth


async def differences_of(eth: EthNamespace, simulation: Simulation) -> list[str]:
    return list(differences(await ask(eth, simulation.request), simulation.response, simulation.name))


async def test_every_simulation_is_as_op_geth_answered_it(eth: EthNamespace) -> None:
    found, compared = [], 0
    for simulation in simulations():
        if simulation.name not in NOT_AS_OP_GETH:
            found += await differences_of(eth, simulation)
            compared += 1
    assert found == []
    assert compared >= 200


async def test_exceptions_are_no_more_than_they_say(eth: EthNamespace) -> None:
    """Where op-geth pays an operator fee back that it did not take, only the state's root differs, and with it the hashes."""
    by_name = {simulation.name: simulation for simulation in simulations()}
    for name, of_the_fee in NOT_AS_OP_GETH.items():
        found = await differences_of(eth, by_name[name])
        assert found, name
        if of_the_fee:
            assert all(".stateRoot:" in each or "ash:" in each for each in found), found
