"""Blobs from beacon nodes: `/eth/v1/beacon/blobs/{slot}`, else the older `/eth/v1/beacon/blob_sidecars/{slot}` (beacon API).

A node drops blobs after some 18 days (`MIN_EPOCHS_FOR_BLOB_SIDECARS_REQUESTS`), so that archivers stand behind it.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import trio

from trinode.jsonrpc.endpoint import Endpoint, EndpointError, HttpStatusError, NotFoundError, Read, Retries, WrongAnswerError
from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.kzg.commitments import KzgError
from trinode.l1.blob_hasher import BlobHasher
from trinode.l1.pool import AllFailedError, EndpointPool, Notice
from trinode.protocol.blob import BLOB_SIZE
from trinode.protocol.types import Hash32

_NO_BLOB: Hash32 = b""
"""Stands for the versioned hash of bytes that have none."""


class BlobsMissingError(EndpointError):
    """No beacon endpoint has a blob; the message names slot, blob, what each endpoint said, and the remedy."""


class Beacon:
    """Finds blobs by the time of their block and their versioned hashes; the order and number of what comes is not trusted.

    `endpoints`: the node first, then archivers, which are asked for what is still missing. `seconds_per_slot`: where no endpoint
    has `/eth/v1/config/spec`. `rounds`: how often all endpoints are asked again where one did not answer.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        hasher: BlobHasher,
        seconds_per_slot: int | None = None,
        *,
        rounds: Retries | None = None,
        notice: Notice | None = None,
    ) -> None:
        self._pool = EndpointPool([_BeaconNode(endpoint, hasher) for endpoint in endpoints], rounds=rounds or Retries(1), notice=notice)
        self._notice = notice
        self._seconds_per_slot = seconds_per_slot
        self._genesis_time: int | None = None
        self._clock_lock = trio.Lock()

    async def blobs(self, timestamp: int, hashes: Sequence[Hash32]) -> dict[Hash32, bytes]:
        """The blobs of these versioned hashes in the L1 block of that time, each checked by its commitment.

        Raises BlobsMissingError where every endpoint answered and none has a blob, or another EndpointError.
        """
        slot = await self._slot(timestamp)
        found: dict[Hash32, bytes] = {}

        async def gather(node: _BeaconNode) -> None:
            missing = [name for name in hashes if name not in found]
            found.update(await node.blobs(slot, missing, found))

        try:
            await self._pool.ask(gather)
        except AllFailedError as error:
            if not error.not_found:
                raise
            remedy = "pruned? then add a blob archiver to the beacon endpoints, with l1.beacon-fallbacks"
            missing = BlobsMissingError(error.endpoint, error.method, error.field, f"{error.message} ({remedy})")
            if self._notice is not None:
                self._notice(missing)  # the pool does not: to have nothing is no failure of an endpoint
            raise missing from error
        return {name: found[name] for name in hashes}

    async def _slot(self, timestamp: int) -> int:
        async with self._clock_lock:
            if self._genesis_time is None:
                self._genesis_time = await self._pool.ask(_genesis_time)
            if self._seconds_per_slot is None:
                self._seconds_per_slot = await self._pool.ask(_spec_seconds_per_slot)
        slot, rest = divmod(timestamp - self._genesis_time, self._seconds_per_slot)
        if rest or slot < 0:
            message = f"L1 time {timestamp} is no slot after {self._genesis_time} by {self._seconds_per_slot} s: is this L1's beacon node?"
            raise EndpointError(self._pool.members[0].endpoint.name, "genesis", "genesis_time", message)
        return slot


class _BeaconNode:
    """One beacon endpoint."""

    def __init__(self, endpoint: Endpoint, hasher: BlobHasher) -> None:
        self.endpoint = endpoint
        self._hasher = hasher
        self._has_blobs_route = True

    async def blobs(self, slot: int, hashes: Sequence[Hash32], partly: dict[Hash32, bytes]) -> dict[Hash32, bytes]:
        """All of these blobs; raises EndpointError, after it put those that it has into `partly`."""
        newer: dict[Hash32, bytes] = {}
        if self._has_blobs_route:
            query = "&".join(f"versioned_hashes=0x{name.hex()}" for name in hashes)
            with suppress(HttpStatusError):
                newer = await self._fetch(f"blobs/{slot}", "?" + query, _read_blobs)
            partly.update({name: newer[name] for name in hashes if name in newer})
            if all(name in partly for name in hashes):
                return partly
        method = f"blob_sidecars/{slot}"
        try:
            found = await self._fetch(method, "", _read_sidecars)
        except HttpStatusError as error:
            self._refuse_others(f"blobs/{slot}", newer, hashes)
            message = f"{error.message}, and blobs/{slot} has not all blobs either"
            raise NotFoundError(self.endpoint.name, method, "", message) from error
        partly.update({name: found[name] for name in hashes if name in found})
        missing = next((name for name in hashes if name not in partly), None)
        if missing is not None:
            self._refuse_others(method, found, hashes)
            raise NotFoundError(self.endpoint.name, method, "data", _none_has(missing, found))
        # The sidecars have what the newer route had not: it is missing, and need not be asked first again.
        self._has_blobs_route = False
        return partly

    def _refuse_others(self, method: str, found: Mapping[Hash32, bytes], hashes: Sequence[Hash32]) -> None:
        """Blobs, but not those that L1 names: the node lies or follows another chain. Raises WrongAnswerError."""
        if found and not any(name in found for name in hashes):
            raise WrongAnswerError(self.endpoint.name, method, "data", _none_has(hashes[0], found))

    async def _fetch(self, method: str, query: str, read: Read[list[bytes]]) -> dict[Hash32, bytes]:
        blobs = await self.endpoint.get(f"/eth/v1/beacon/{method}{query}", method, read)
        return await trio.to_thread.run_sync(self._by_versioned_hash, blobs)

    def _by_versioned_hash(self, blobs: list[bytes]) -> dict[Hash32, bytes]:
        futures = [self._hasher.submit(blob) for blob in blobs]
        found: dict[Hash32, bytes] = {}
        for blob, future in zip(blobs, futures, strict=True):
            try:
                found[future.result()] = blob
            except KzgError:
                found[_NO_BLOB] = blob  # no blob at all; if it was a wanted one, that is missing
        return found


def _none_has(name: Hash32, found: Mapping[Hash32, bytes]) -> str:
    return f"{len(found)} blobs, none has versioned hash 0x{name.hex()}"


async def _genesis_time(node: _BeaconNode) -> int:
    return await node.endpoint.get("/eth/v1/beacon/genesis", "genesis", _read_genesis_time)


async def _spec_seconds_per_slot(node: _BeaconNode) -> int:
    try:
        return await node.endpoint.get("/eth/v1/config/spec", "config/spec", _read_seconds_per_slot)
    except HttpStatusError as error:
        message = f"{error.message}; say --seconds-per-slot"
        raise NotFoundError(error.endpoint, error.method, "SECONDS_PER_SLOT", message) from error


def _decimal(value: Any, field: str) -> int:
    if not isinstance(value, str) or not value.isdecimal() or len(value) > 20:
        raise RpcJsonError(field, f"a decimal number in a string was expected, not {str(value)[:40]!r}")
    return int(value)


def _data(reply: Any) -> Any:
    return reply.get("data") if isinstance(reply, dict) else None


def _read_genesis_time(reply: Any) -> int:
    data = _data(reply)
    return _decimal(data.get("genesis_time") if isinstance(data, dict) else None, "data.genesis_time")


def _read_seconds_per_slot(reply: Any) -> int:
    data = _data(reply)
    seconds = _decimal(data.get("SECONDS_PER_SLOT") if isinstance(data, dict) else None, "data.SECONDS_PER_SLOT")
    if not seconds:
        raise RpcJsonError("data.SECONDS_PER_SLOT", "0")
    return seconds


def _blob(text: Any, field: str) -> bytes:
    if not isinstance(text, str) or len(text) != 2 + 2 * BLOB_SIZE or not text.startswith("0x"):
        raise RpcJsonError(field, f"{BLOB_SIZE} bytes in hex were expected")
    try:
        return binascii.unhexlify(text[2:])
    except ValueError as error:
        raise RpcJsonError(field, "bad hex") from error


def _read_blobs(reply: Any) -> list[bytes]:
    data = _data(reply)
    if not isinstance(data, list):
        raise RpcJsonError("data", "a list was expected")
    return [_blob(item, f"data[{index}]") for index, item in enumerate(data)]


def _read_sidecars(reply: Any) -> list[bytes]:
    data = _data(reply)
    if not isinstance(data, list):
        raise RpcJsonError("data", "a list was expected")
    fields = [JsonObject(item, f"data[{index}]") for index, item in enumerate(data)]
    return [sidecar.data("blob", BLOB_SIZE) for sidecar in fields]
