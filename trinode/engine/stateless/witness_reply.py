"""Answers to `debug_executionWitness`, as op-geth and op-reth give them.

Both give `state`, `codes` and `headers`: lists of hex, or objects of hex by hash; headers are RLP in hex, or objects as in a block. What
`keys` lists is of no use here.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from trinode.jsonrpc.replies import JsonObject, RpcJsonError, header_of
from trinode.protocol.block import KnownHeader
from trinode.protocol.header import Header, HeaderDecodingError, decode_header, encode_header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Hash32


@dataclass(frozen=True, slots=True)
class RemoteWitness:
    """A witness: nodes, codes and RLP of headers by their hashes. `headers`: those that came with it, the last one first.

    Each is what its hash says; whether they are what is needed shows when they are used. `size` in bytes.
    """

    preimages: dict[Hash32, bytes]
    headers: tuple[KnownHeader, ...]
    size: int


NO_WITNESS = RemoteWitness({}, (), 0)


def read_witness(result: object) -> RemoteWitness:
    """Hashes all that is in an answer. Raises RpcJsonError with the field that is malformed or not what it is said to be."""
    if not isinstance(result, dict):
        raise RpcJsonError("result", "no witness")
    preimages: dict[Hash32, bytes] = {}
    for name in ("state", "codes"):
        if result.get(name) is None and name == "state":
            raise RpcJsonError(name, "missing")
        preimages.update(_preimages(result.get(name) or [], name))
    headers = _headers(result.get("headers") or [])
    for known in headers:
        preimages[known.hash] = encode_header(known.header)
    return RemoteWitness(preimages, headers, sum(map(len, preimages.values())))


def _preimages(value: object, name: str) -> Iterator[tuple[Hash32, bytes]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            data = _bytes(item, f"{name}[{index}]")
            yield keccak256(data), data
    elif isinstance(value, dict):
        for key, item in value.items():
            field = f"{name}[{key[:66]}]"
            data = _bytes(item, field)
            if (digest := keccak256(data)) != _bytes(key, field):
                raise RpcJsonError(field, f"these {len(data)} bytes hash to 0x{digest.hex()}")
            yield digest, data
    else:
        raise RpcJsonError(name, "neither a list nor an object")


def _bytes(text: object, field: str) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise RpcJsonError(field, "0x-prefixed hex was expected")
    try:
        return binascii.unhexlify(text[2:])
    except ValueError:
        raise RpcJsonError(field, f"bad hex {text[:40]!r}") from None


def _headers(value: object) -> tuple[KnownHeader, ...]:
    """A chain of headers, the last one first, whichever way it came."""
    if not isinstance(value, list):
        raise RpcJsonError("headers", "a list was expected")
    found = [(f"headers[{index}]", _header(item, f"headers[{index}]")) for index, item in enumerate(value)]
    found.sort(key=lambda each: -each[1].header.number)
    for (_, child), (field, parent) in pairwise(found):
        if child.header.parent_hash != parent.hash:
            expected = f"the parent of block {child.header.number} is 0x{child.header.parent_hash.hex()}"
            raise RpcJsonError(field, f"hashes to 0x{parent.hash.hex()}, {expected}")
    return tuple(known for _, known in found)


def _header(item: object, field: str) -> KnownHeader:
    if isinstance(item, dict):
        header = header_of(JsonObject(item, field))
        return KnownHeader(header, hash_of(header, field))
    rlp = _bytes(item, field)
    try:
        return KnownHeader(decode_header(rlp), keccak256(rlp))
    except HeaderDecodingError as error:
        raise RpcJsonError(field, str(error)) from error


def hash_of(header: Header, field: str) -> Hash32:
    """The header's hash. Raises RpcJsonError for fields that no block has together."""
    try:
        return header_hash(header)
    except (ValueError, OverflowError) as error:
        raise RpcJsonError(field, str(error)) from error
