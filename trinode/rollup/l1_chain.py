"""What must be known of L1: the update fraction of its blob base fee over time (EIP-4844, EIP-7691, EIP-7892).

An L1 fork or blob-parameter-only fork that is missing here makes a wrong L1 attributes deposit, and the node leaves its
chain.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from trinode.rollup.forks.pectra_blob_schedule import CANCUN_UPDATE_FRACTION
from trinode.rollup.json_fields import Fields

_GETH_FORKS = ("cancun", "prague", "osaka", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5")
_WITH_BLOB_PARAMETERS = ("cancun", "prague", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5")
"""The others may keep those of the fork before (geth: Osaka)."""


@dataclass(frozen=True, slots=True)
class BlobSchedule:
    """The blob parameters from L1 time `time` on; `target` and `max` in blobs a block."""

    name: str
    time: int
    target: int
    max: int
    update_fraction: int


@dataclass(frozen=True, slots=True)
class L1ChainConfig:
    """An L1 chain. `blob_schedule` is in order of time; of entries with the same time the last one counts."""

    chain_id: int
    blob_schedule: tuple[BlobSchedule, ...]
    prague_time: int | None = None
    osaka_time: int | None = None

    def blob_schedule_at(self, timestamp: int) -> BlobSchedule | None:
        """The parameters of an L1 block of that time; None before blobs."""
        index = bisect_right(self.blob_schedule, timestamp, key=lambda entry: entry.time)
        return self.blob_schedule[index - 1] if index else None

    def update_fraction_at(self, timestamp: int) -> int | None:
        """The blob base fee's update fraction for an L1 block of that time; None before blobs."""
        entry = self.blob_schedule_at(timestamp)
        return None if entry is None else entry.update_fraction

    def to_json(self) -> dict[str, Any]:
        """The inverse of `parse_l1_chain_config`."""
        schedule = [
            {"name": e.name, "time": e.time, "target": e.target, "max": e.max, "update_fraction": e.update_fraction}
            for e in self.blob_schedule
        ]
        result: dict[str, Any] = {"chain_id": self.chain_id, "blob_schedule": schedule}
        if self.prague_time is not None:
            result["prague_time"] = self.prague_time
        if self.osaka_time is not None:
            result["osaka_time"] = self.osaka_time
        return result


def parse_l1_chain_config(json_object: object) -> L1ChainConfig:
    """A recording's `l1_chain_config`, or the chain config of a geth genesis file, which op-node takes too. Raises RollupConfigError, which
    names the field.
    """
    fields = Fields(json_object, "l1_chain_config")
    if isinstance(json_object, dict) and "config" in json_object:
        return _parse_geth_config(Fields(json_object["config"], "config"))
    if isinstance(json_object, dict) and "chainId" in json_object:
        return _parse_geth_config(fields)
    rows = fields.required("blob_schedule")
    if not isinstance(rows, list):
        raise fields.error("blob_schedule", "must be a list")
    schedule = [_parse_entry(Fields(row, fields.path_of(f"blob_schedule[{index}]"))) for index, row in enumerate(rows)]
    return L1ChainConfig(
        chain_id=fields.unsigned("chain_id", maximum=2**256 - 1),
        blob_schedule=tuple(sorted(schedule, key=lambda entry: entry.time)),
        prague_time=fields.optional_unsigned("prague_time"),
        osaka_time=fields.optional_unsigned("osaka_time"),
    )


def _parse_geth_config(fields: Fields) -> L1ChainConfig:
    """Forks with times (`cancunTime`) whose blob parameters are in `blobSchedule`, under the fork's name."""
    times = {name: fields.optional_unsigned(f"{name}Time") for name in _GETH_FORKS}
    schedule = []
    parameters = fields.object("blobSchedule") if any(time is not None for time in times.values()) else fields
    for name, time in times.items():
        if time is None or (name not in _WITH_BLOB_PARAMETERS and not parameters.has(name)):
            continue
        entry = parameters.object(name)
        fraction = entry.unsigned("baseFeeUpdateFraction")
        if fraction == 0:
            raise entry.error("baseFeeUpdateFraction", "must not be 0")
        schedule.append(BlobSchedule(name, time, entry.unsigned("target"), entry.unsigned("max"), fraction))
    return L1ChainConfig(
        chain_id=fields.unsigned("chainId", maximum=2**256 - 1),
        blob_schedule=tuple(sorted(schedule, key=lambda entry: entry.time)),
        prague_time=times["prague"],
        osaka_time=times["osaka"],
    )


def _parse_entry(fields: Fields) -> BlobSchedule:
    fraction = fields.unsigned("update_fraction")
    if fraction == 0:
        raise fields.error("update_fraction", "must not be 0")
    return BlobSchedule(
        fields.text("name"), fields.unsigned("time"), fields.unsigned("target"), fields.unsigned("max"), fraction
    )


def _public_chain(chain_id: int, *, cancun: int, prague: int, osaka: int, bpo1: int, bpo2: int) -> L1ChainConfig:
    schedule = (
        BlobSchedule("cancun", cancun, 3, 6, CANCUN_UPDATE_FRACTION),
        BlobSchedule("prague", prague, 6, 9, 5007716),
        BlobSchedule("osaka", osaka, 6, 9, 5007716),
        BlobSchedule("bpo1", bpo1, 10, 15, 8346193),
        BlobSchedule("bpo2", bpo2, 14, 21, 11684671),
    )
    return L1ChainConfig(chain_id, schedule, prague_time=prague, osaka_time=osaka)


_MAINNET = _public_chain(1, cancun=1710338135, prague=1746612311, osaka=1764798551, bpo1=1765290071, bpo2=1767747671)
_SEPOLIA = _public_chain(
    11155111, cancun=1706655072, prague=1741159776, osaka=1760427360, bpo1=1761017184, bpo2=1761607008
)
_HOLESKY = _public_chain(
    17000, cancun=1707305664, prague=1740434112, osaka=1759308480, bpo1=1759800000, bpo2=1760389824
)
_HOODI = _public_chain(560048, cancun=0, prague=1742999832, osaka=1761677592, bpo1=1762365720, bpo2=1762955544)

L1_CHAINS = {chain.chain_id: chain for chain in (_MAINNET, _SEPOLIA, _HOLESKY, _HOODI)}
"""The public L1 chains, by chain id."""
L1_CHAIN_NAMES = {1: "mainnet", 11155111: "sepolia", 17000: "holesky", 560048: "hoodi"}
