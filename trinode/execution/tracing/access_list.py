"""What a transaction touches, as an access list names it (EIP-2930)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from trinode.execution.evm.environment import to_address
from trinode.execution.tracing.tracer import Holding, Step, TraceLimits, Tracer
from trinode.protocol.transaction import AccessListEntry
from trinode.protocol.types import Address

_SLOTS = frozenset((0x54, 0x55))
_ACCOUNTS = frozenset((0x31, 0x3B, 0x3C, 0x3F, 0xFF))
"""BALANCE, EXTCODESIZE, EXTCODECOPY, EXTCODEHASH, SELFDESTRUCT: the account is on top of the stack."""
_CALLS = frozenset((0xF1, 0xF2, 0xF4, 0xFA))
_ENTRY_SIZE = 100


class AccessListTracer(Tracer):
    """Adds to `known` what opcodes touch, in calls that fail, too. `excluded` accounts are warm anyway: they are named for their slots only.

    Raises TraceLimitExceeded.
    """

    def __init__(self, known: Iterable[AccessListEntry], excluded: Collection[Address], limits: TraceLimits | None = None) -> None:
        self._excluded = frozenset(excluded)
        self._holding = Holding(limits)
        self._slots: dict[Address, set[bytes]] = {}
        for address, storage_keys in known:
            if storage_keys or address not in self._excluded:
                self._slots.setdefault(address, set()).update(storage_keys)

    @property
    def access_list(self) -> tuple[AccessListEntry, ...]:
        """Accounts and their slots in ascending order."""
        return tuple([AccessListEntry(address, tuple(sorted(self._slots[address]))) for address in sorted(self._slots)])

    def step(self, step: Step) -> None:
        stack, byte = step.frame.stack, step.byte
        if byte in _SLOTS and stack:
            key = stack[-1].to_bytes(32, "big")
            slots = self._slots.setdefault(step.frame.address, set())
            if key not in slots:
                self._holding.add(_ENTRY_SIZE)
                slots.add(key)
        elif byte in _ACCOUNTS and stack:
            self._add(to_address(stack[-1]))
        elif byte in _CALLS and len(stack) >= 5:
            self._add(to_address(stack[-2]))

    def _add(self, address: Address) -> None:
        if address not in self._excluded and address not in self._slots:
            self._holding.add(_ENTRY_SIZE)
            self._slots[address] = set()
