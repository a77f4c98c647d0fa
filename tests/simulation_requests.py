"""Random requests of eth_simulateV1 about the recorded chain of all forks."""

from __future__ import annotations

from random import Random
from typing import Any

_PEOPLE = [f"0x{'c0' + '00' * 18}{each:02x}" for each in range(1, 4)]
_SENDERS = [*_PEOPLE, "0x09db0a93b389bef724429898f539aeb7ac2dd55f", "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"]
_CONTRACTS = [
    "0x6d8da4b12d658a36909ec1c75f81e54b8db4ebf9",
    "0x0a867ca0442383c2a89951244b955aa19b615b58",
    "0xc7c1e831b38382a2bdcd3708ab44d953758f624c",
    "0xd3607057231c1a98c6699b37a250d0e61852a0bf",
    "0x4ac674d0079d36472d9aa397043a787021cc3cec",
    "0x4200000000000000000000000000000000000015",
    "0x4200000000000000000000000000000000000016",
]
"""The recording's own (see its `contracts`), and two predeploys."""
_SHA256, _IDENTITY, _MOVED = f"0x{2:040x}", f"0x{4:040x}", "0x" + "ab" * 20
_ACCOUNTS = [*_SENDERS, *_CONTRACTS, f"0x{0:040x}", f"0x{1:040x}", _IDENTITY]
_CODES = [
    "0x",
    "0x00",
    "0x60016000f3",  # returns a byte
    "0x60006000fd",  # reverts
    "0xfe",
    "0x4360005260206000f3",  # the number
    "0x60016000558060005560206000f3",  # writes, and lacks a word
    "0x60aa60bb60cc60206000a3",  # logs
    "0x7309db0a93b389bef724429898f539aeb7ac2dd55fff",  # destroys itself
    "0x600160005560006000556001600155600060015500",  # refunds
    "0x3060005260206000f3",
    "0x60003560005500",
    "0x60008080804773c0000000000000000000000000000000000000035af160005260206000f3",  # sends all that it has
    "0x36600060003760003660006000f050",  # CREATE
    "0x36600060003760003660006000f560005260206000f3",  # CREATE2
    "0x60014303405f5260206000f3",  # the parent's hash
    "0xef0100c000000000000000000000000000000000000002",  # a delegation
]
_WITH_FEES = (3, 10, 30, 55, 80, 100, 130, 160, 170)
_WITHOUT_FEES = (216, 258)
"""Blocks to begin on: op-geth gets the operator fee of simulated calls wrong, since Isthmus."""


class SimulationRequests:
    """Drawn from `random`."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def draw(self) -> list[Any]:
        """The parameters of one request."""
        random = self._random
        number = random.choice((*_WITH_FEES, *_WITHOUT_FEES))
        has_fees = number in _WITH_FEES and random.random() < 0.5
        blocks = [self._block(number, index, has_fees=has_fees) for index in range(random.choice((1, 1, 2, 3)))]
        options: dict[str, Any] = {"blockStateCalls": blocks}
        for name, chance in (("traceTransfers", 0.5), ("returnFullTransactions", 0.3), ("validation", 0.2)):
            if random.random() < chance and (name != "validation" or (has_fees and len(blocks) == 1)):
                options[name] = True
        return [options, hex(number)]

    def _block(self, base: int, index: int, *, has_fees: bool) -> dict[str, Any]:
        random = self._random
        block: dict[str, Any] = {"calls": [self._call(has_fees=has_fees) for _ in range(random.randrange(4))]}
        if random.random() < 0.6:
            block["blockOverrides"] = self._block_overrides(base + 10 * index)
        if random.random() < 0.8:
            block["stateOverrides"] = self._state_overrides()
        return block

    def _block_overrides(self, lowest: int) -> dict[str, str]:
        random = self._random
        fields = {
            "number": hex(lowest + random.randrange(1, 10)),
            "gasLimit": random.choice(("0x1c9c380", "0x989680")),
            "feeRecipient": random.choice(_ACCOUNTS),
            "prevRandao": f"0x{5:064x}",
            "blobBaseFee": "0x5",
            "beaconRoot": f"0x{9:064x}",
        }
        return {name: value for name, value in fields.items() if random.random() < 0.2}

    def _state_overrides(self) -> dict[str, Any]:
        random = self._random
        found: dict[str, Any] = {}
        for _ in range(random.randrange(1, 4)):
            fields: dict[str, Any] = {
                "balance": hex(random.choice((0, 1, 10**18, 10**20))),
                "nonce": hex(random.choice((0, 1, 7))),
                "code": random.choice(_CODES),
                random.choice(("state", "stateDiff")): self._slots(),
            }
            found[random.choice(_ACCOUNTS)] = {name: value for name, value in fields.items() if random.random() < 0.4}
        if random.random() < 0.1:
            found[random.choice((_SHA256, _IDENTITY))] = {"movePrecompileToAddress": _MOVED}
        return found

    def _slots(self) -> dict[str, str]:
        random = self._random
        return {f"0x{random.randrange(3):064x}": f"0x{random.randrange(3):064x}" for _ in range(random.randrange(3))}

    def _call(self, *, has_fees: bool) -> dict[str, Any]:
        random = self._random
        fields: dict[str, tuple[float, Any]] = {
            "from": (0.8, random.choice(_SENDERS)),
            "to": (0.9, random.choice((*_ACCOUNTS, _MOVED))),
            "value": (0.4, hex(random.choice((0, 1, 5, 10**15, 10**17)))),
            "input": (0.7, self._data()),
            "gas": (0.9, hex(random.choice((21_000, 30_000, 60_000, 100_000, 1_000_000)))),
            "nonce": (0.1, hex(random.randrange(4))),
            "accessList": (0.15, [{"address": random.choice(_ACCOUNTS), "storageKeys": list(self._slots())}]),
        }
        call = {name: value for name, (chance, value) in fields.items() if random.random() < chance}
        if has_fees and random.random() < 0.3:
            call["gasPrice"] = hex(random.choice((1, 10**9, 3 * 10**9)))
        elif has_fees and random.random() < 0.5:
            call |= {"maxFeePerGas": hex(random.choice((10**9, 3 * 10**9))), "maxPriorityFeePerGas": hex(random.choice((0, 1, 10**8)))}
        return call

    def _data(self) -> str:
        random = self._random
        someone = random.choice(_ACCOUNTS)[2:].rjust(64, "0")
        choices = (f"0x{random.randrange(5):064x}", f"0xa9059cbb{someone}{random.randrange(100):064x}", f"0x70a08231{someone}", *_CODES)
        return random.choice(choices)
