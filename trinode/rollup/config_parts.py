"""The objects inside rollup.json. Parsing raises RollupConfigError, which names the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trinode.protocol.types import Address, BlockId
from trinode.rollup.json_fields import Fields, RollupConfigError, to_hex
from trinode.rollup.system_config import SystemConfig

KECCAK_COMMITMENT = "KeccakCommitment"
GENERIC_COMMITMENT = "GenericCommitment"


@dataclass(frozen=True, slots=True)
class GenesisConfig:
    """The L1 block after which derivation begins, the L2 block it builds on, its time and its system config."""

    l1: BlockId
    l2: BlockId
    l2_time: int
    system_config: SystemConfig

    @classmethod
    def parse(cls, fields: Fields) -> GenesisConfig:
        return cls(
            l1=_parse_block(fields.object("l1")),
            l2=_parse_block(fields.object("l2")),
            l2_time=fields.unsigned("l2_time"),
            system_config=SystemConfig.from_json(fields.required("system_config"), fields.path_of("system_config")),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "l1": _block_to_json(self.l1),
            "l2": _block_to_json(self.l2),
            "l2_time": self.l2_time,
            "system_config": self.system_config.to_json(),
        }


@dataclass(frozen=True, slots=True)
class ChainOpConfig:
    """The execution layer's EIP-1559 constants; the second denominator is that since Canyon."""

    eip1559_elasticity: int = 6
    eip1559_denominator: int = 50
    eip1559_denominator_canyon: int = 250

    @classmethod
    def parse(cls, fields: Fields) -> ChainOpConfig:
        denominator = fields.unsigned("eip1559Denominator")
        return cls(
            eip1559_elasticity=fields.unsigned("eip1559Elasticity"),
            eip1559_denominator=denominator,
            eip1559_denominator_canyon=fields.unsigned("eip1559DenominatorCanyon", default=denominator),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "eip1559Elasticity": self.eip1559_elasticity,
            "eip1559Denominator": self.eip1559_denominator,
            "eip1559DenominatorCanyon": self.eip1559_denominator_canyon,
        }


@dataclass(frozen=True, slots=True)
class AltDaConfig:
    """Where the data is if not on L1: commitments of `commitment_type` are on L1. Windows in L1 blocks."""

    commitment_type: str
    challenge_contract_address: Address
    challenge_window: int
    resolve_window: int
    max_input_size: int | None = None

    @classmethod
    def parse(cls, fields: Fields) -> AltDaConfig:
        alt_da = cls(
            commitment_type=fields.text("da_commitment_type"),
            challenge_contract_address=fields.data("da_challenge_contract_address", 20, default=bytes(20)),
            challenge_window=fields.unsigned("da_challenge_window"),
            resolve_window=fields.unsigned("da_resolve_window"),
            max_input_size=fields.optional_unsigned("da_max_input_size"),
        )
        alt_da.check()
        return alt_da

    def check(self) -> None:
        """The commitment type is known, and what belongs to the other type is absent."""
        keccak, contract = self.commitment_type == KECCAK_COMMITMENT, any(self.challenge_contract_address)
        if not keccak and self.commitment_type != GENERIC_COMMITMENT:
            problem = f"must be {KECCAK_COMMITMENT} or {GENERIC_COMMITMENT}, not {self.commitment_type!r}"
            raise RollupConfigError("alt_da.da_commitment_type", problem)
        if self.max_input_size is not None and not keccak:
            raise RollupConfigError("alt_da.da_max_input_size", f"must be absent for {GENERIC_COMMITMENT}")
        if self.max_input_size == 0:
            raise RollupConfigError("alt_da.da_max_input_size", "must not be 0")
        if contract is not keccak:
            problem = f"{'must be absent' if contract else 'missing, needed'} for {self.commitment_type}"
            raise RollupConfigError("alt_da.da_challenge_contract_address", problem)

    def to_json(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "da_challenge_contract_address": to_hex(self.challenge_contract_address),
            "da_commitment_type": self.commitment_type,
            "da_challenge_window": self.challenge_window,
            "da_resolve_window": self.resolve_window,
        }
        if self.max_input_size is not None:
            result["da_max_input_size"] = self.max_input_size
        return result


def _parse_block(fields: Fields) -> BlockId:
    return BlockId(fields.unsigned("number"), fields.hash("hash"))


def _block_to_json(block: BlockId) -> dict[str, Any]:
    return {"hash": to_hex(block.hash), "number": block.number}
