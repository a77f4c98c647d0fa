"""The folder `tests` of ethereum/execution-apis: genesis.json and chain.rlp, which hivechain made, and a file for each case.

chain.rlp is the blocks one after the other, each in RLP. A case is a request (`>> `) and what geth replied (`<< `), or several, below comments
(`//`); the comment `speconly:` says that other replies are right, too, as long as their form is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trinode.execution.genesis import Genesis, parse_genesis
from trinode.protocol.header import Header, decode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import Item, decode_list, encode, split, to_fixed_bytes, to_int
from trinode.protocol.types import Address, Hash32

_SPEC_ONLY = "speconly:"


class CaseFileError(ValueError):
    """A file is not as the suite has them."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


@dataclass(frozen=True, slots=True)
class Case:
    """A test case: requests with their replies, one after the other. `name`: method and file. `spec_only`: replies are held to their form alone."""

    name: str
    exchanges: tuple[tuple[dict[str, Any], dict[str, Any]], ...]
    spec_only: bool

    @property
    def method(self) -> str:
        """What it is about."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What the beacon chain pays (EIP-4895), in gwei."""

    address: Address
    amount: int


@dataclass(frozen=True, slots=True)
class EthereumBlock:
    """A block of Ethereum. `rlp`: of all of it; `transactions`: raw; `ommers`: how many there are."""

    header: Header
    hash: Hash32
    transactions: tuple[bytes, ...]
    ommers: int
    withdrawals: tuple[Withdrawal, ...]
    rlp: bytes


@dataclass(frozen=True, slots=True)
class TestChain:
    """The chain that the cases are about, and the `config` of its genesis.json."""

    genesis: Genesis
    config: dict[str, Any]
    blocks: tuple[EthereumBlock, ...]


def read_chain(folder: Path) -> TestChain:
    """genesis.json and chain.rlp. Raises OSError, GenesisError, DecodingError."""
    genesis = json.loads((folder / "genesis.json").read_bytes())
    return TestChain(parse_genesis(genesis), genesis["config"], tuple(_blocks((folder / "chain.rlp").read_bytes())))


def read_cases(folder: Path) -> list[Case]:
    """All cases, by name. Raises OSError, CaseFileError."""
    return [_read_case(path) for path in sorted(folder.glob("*/*.io"))]


def _read_case(path: Path) -> Case:
    lines = path.read_text().splitlines()
    requests = [line[3:] for line in lines if line.startswith(">> ")]
    replies = [line[3:] for line in lines if line.startswith("<< ")]
    if not requests or len(requests) != len(replies):
        raise CaseFileError(path, f"{len(requests)} requests and {len(replies)} replies")
    spec_only = any(line.startswith("//") and line[2:].strip().startswith(_SPEC_ONLY) for line in lines)
    exchanges = tuple((json.loads(request), json.loads(reply)) for request, reply in zip(requests, replies, strict=True))
    return Case(f"{path.parent.name}/{path.stem}", exchanges, spec_only)


def _blocks(rlp: bytes) -> Iterator[EthereumBlock]:
    offset = 0
    while offset < len(rlp):
        _, _, end = split(rlp, offset)
        yield _block(rlp[offset:end])
        offset = end


def _block(rlp: bytes) -> EthereumBlock:
    header_item, transactions, ommers, *rest = decode_list(rlp)
    header_rlp = encode(header_item)
    return EthereumBlock(
        header=decode_header(header_rlp),
        hash=keccak256(header_rlp),
        transactions=tuple(item if isinstance(item, bytes) else encode(item) for item in _list(transactions)),
        ommers=len(_list(ommers)),
        withdrawals=tuple(_withdrawal(item) for item in _list(rest[0])) if rest else (),
        rlp=rlp,
    )


def _withdrawal(item: Item) -> Withdrawal:
    _, _, address, amount = _list(item)
    return Withdrawal(to_fixed_bytes(address, 20), to_int(amount, 8))


def _list(item: Item) -> list[Item]:
    return decode_list(encode(item)) if not isinstance(item, list) else item
