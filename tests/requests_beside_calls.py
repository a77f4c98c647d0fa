"""Requests that execute: calls, estimates, access lists, simulations and traces, drawn by chance."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation_requests import SimulationRequests
from tests.trace_requests import TRACERS, Requests
from trinode.protocol.transaction import transaction_hash
from trinode.rpc.eth.chain import Chain

_CALLS = ("eth_call", "eth_call", "eth_call", "eth_estimateGas", "eth_estimateGas", "eth_createAccessList")
_DATA = ("0x", "0x00", "0x70a08231" + "00" * 12 + "4200000000000000000000000000000000000006", "0x18160ddd", "0x06fdde03", "0x12345678")
_BAD_OPTIONS: tuple[Any, ...] = (
    {"tracer": "noSuchTracer"},
    {"tracer": 5},
    {"timeout": "x"},
    {"timeout": "-1s"},
    {"tracer": "callTracer", "tracerConfig": {"withLog": "yes"}},
    {"tracer": "muxTracer"},
    {"tracer": "muxTracer", "tracerConfig": {"nothing": {}}},
    {"limit": "x"},
    [],
    "callTracer",
)


class CallRequests:
    """`block_name` draws how the block is called."""

    def __init__(self, chain: Chain, random: Random, block_name: Callable[[], Any]) -> None:
        self._random = random
        self._block_name = block_name
        self._traces = Requests(chain, random)
        self._simulations = SimulationRequests(random)
        self.accounts = self._traces.accounts
        self._blocks: list[tuple[str, str, list[str]]] = []
        for number in range(1, chain.head.number + 1):
            known = chain.by_number(number)
            assert known is not None
            hashes = ["0x" + transaction_hash(raw).hex() for raw in chain.block(known).transactions]
            self._blocks.append((hex(number), "0x" + known.hash.hex(), hashes))

    def draw(self) -> tuple[str, list[Any]]:
        """A method and its parameters."""
        random = self._random
        kind = random.choices((self._call, self._program, self._trace_call, self._trace, self._simulation), (30, 15, 15, 12, 8))[0]
        return kind()

    def _call(self) -> tuple[str, list[Any]]:
        random = self._random
        if random.random() < 0.6:
            _, message = random.choice(self._traces.messages)
        else:
            message = {"to": random.choice(self.accounts), "data": random.choice(_DATA)}
        message = dict(message)
        for name, chance, values in (
            ("gas", 0.95, ("0x0", "0x5207", "0x5208", *4 * ("0x7530", "0x186a0", "0xf4240"), "0xffffffffffffffff")),
            ("from", 0.3, self.accounts),
            ("value", 0.2, ("0x0", "0x1", "0xde0b6b3a7640000", hex(10**30))),
            ("gasPrice", 0.05, ("0x0", "0x1", "0x3b9aca00")),
            ("maxFeePerGas", 0.05, ("0x0", "0x1", "0x3b9aca00")),
            ("maxPriorityFeePerGas", 0.05, ("0x0", "0x1", "0x3b9aca00")),
            ("nonce", 0.05, ("0x0", "0x5")),
            ("chainId", 0.03, ("0x385", "0x1")),
            ("input", 0.05, _DATA),
            ("accessList", 0.05, ([], [{"address": self.accounts[0], "storageKeys": []}], [{"address": "0x1"}], "x")),
        ):
            if random.random() < chance:
                message[name] = random.choice(values)
        params = [message, self._block_name()]
        if random.random() < 0.3:
            _, _, options = self._traces.call()
            params.append(options.get("stateOverrides", {}))
            if random.random() < 0.5:
                params.append(options.get("blockOverrides", {}))
        elif random.random() < 0.1:
            params.pop()
        return self._chosen(params)

    def _program(self) -> tuple[str, list[Any]]:
        """Code that was drawn, by all methods that can have it."""
        message, block, options = self._traces.program()
        return self._chosen([message, block, options["stateOverrides"]])

    def _chosen(self, params: list[Any]) -> tuple[str, list[Any]]:
        """op-geth makes access lists for those who could pay what it suggests, and knows no overrides of blocks there."""
        method = self._random.choice(_CALLS)
        if method == "eth_createAccessList" and self._random.random() < 0.9:
            message, block, *rest = params if len(params) > 1 else (*params, "latest")
            overrides = dict(rest[0]) if rest else {}
            sender = message.get("from", f"0x{0:040x}")
            overrides[sender] = {**overrides.get(sender, {}), "balance": hex(10**32)}
            params = [message, block, overrides]
        return method, params

    def _trace_call(self) -> tuple[str, list[Any]]:
        random = self._random
        message, block, options = self._traces.call() if random.random() < 0.6 else self._traces.program()
        if random.random() < 0.05:
            options = random.choice(_BAD_OPTIONS)
        return "debug_traceCall", [message, block if random.random() < 0.9 else self._block_name(), options]

    def _trace(self) -> tuple[str, list[Any]]:
        random = self._random
        number, block_hash, transactions = random.choice(self._blocks)
        options = random.choice(TRACERS if random.random() < 0.95 else _BAD_OPTIONS)
        return random.choice(
            [
                ("debug_traceTransaction", [random.choice(transactions), options]),
                ("debug_traceTransaction", [random.choice(transactions), options]),
                ("debug_traceBlockByNumber", [number, options]),
                ("debug_traceBlockByHash", [block_hash, options]),
                ("debug_intermediateRoots", [block_hash]),
            ]
        )

    def _simulation(self) -> tuple[str, list[Any]]:
        return "eth_simulateV1", self._simulations.draw()
