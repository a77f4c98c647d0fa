"""Which versions of the Engine API's methods take blocks of which fork (OP Stack specification: exec-engine, "Engine API"; Karst
takes engine_getPayloadV5 as Osaka does, with a payload as in V4).

forkchoiceUpdated, newPayload and getPayload do not go up together.
"""

from __future__ import annotations

from typing import NamedTuple

from trinode.rollup.fork import Fork

FORKCHOICE_UPDATED = "engine_forkchoiceUpdatedV"
GET_PAYLOAD = "engine_getPayloadV"
NEW_PAYLOAD = "engine_newPayloadV"
EXCHANGE_CAPABILITIES = "engine_exchangeCapabilities"
CLIENT_VERSION = "engine_getClientVersionV1"
BODIES_BY_HASH = "engine_getPayloadBodiesByHashV1"
BODIES_BY_RANGE = "engine_getPayloadBodiesByRangeV1"
SIGNAL_SUPERCHAIN = "engine_signalSuperchainV1"


class Methods(NamedTuple):
    """The methods for blocks of one fork."""

    forkchoice_updated: str
    get_payload: str
    new_payload: str


# Since which fork a version is the one; V1 is as good as V2 until Canyon brings withdrawals.
_VERSIONS = {
    FORKCHOICE_UPDATED: {Fork.BEDROCK: 2, Fork.ECOTONE: 3},
    GET_PAYLOAD: {Fork.BEDROCK: 2, Fork.ECOTONE: 3, Fork.ISTHMUS: 4, Fork.KARST: 5},
    NEW_PAYLOAD: {Fork.BEDROCK: 2, Fork.ECOTONE: 3, Fork.ISTHMUS: 4},
}

LATEST_FORKCHOICE_UPDATED = FORKCHOICE_UPDATED + "3"
"""Without attributes, its versions do not differ."""

VERSIONED_METHODS = tuple(
    method + str(version) for method, versions in _VERSIONS.items() for version in range(1, max(versions.values()) + 1)
)
"""All versions of the three."""


class UnsupportedFork(Exception):
    """The method's version is not the one for the block's fork (-38005)."""


def methods_of(fork: Fork) -> Methods:
    """The methods that take blocks of `fork`."""
    choose, get, new = (f"{method}{_version_for(method, fork)}" for method in (FORKCHOICE_UPDATED, GET_PAYLOAD, NEW_PAYLOAD))
    return Methods(choose, get, new)


def check_version(method: str, version: int, fork: Fork) -> None:
    """`method` is one of the three names without a version. Raises UnsupportedFork."""
    wanted = _version_for(method, fork)
    if version != wanted and not (version == 1 and fork < Fork.CANYON):
        raise UnsupportedFork(f"{method}{version} does not take {fork.label} blocks; {method}{wanted} does")


def _version_for(method: str, fork: Fork) -> int:
    versions = _VERSIONS[method]
    return versions[max(since for since in versions if since <= fork)]
