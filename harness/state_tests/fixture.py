"""The archive of state tests: a tar of JSON files, each with tests by their ids (execution-spec-tests, "State Tests")."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class FixtureError(Exception):
    """What is no archive of state tests, or a file in it that is no state test."""


class AccountFields(msgspec.Struct):
    """An account of a pre or post state; everything is hex with 0x."""

    nonce: str
    balance: str
    code: str
    storage: dict[str, str]


Alloc: TypeAlias = dict[str, AccountFields]


class EnvironmentFields(msgspec.Struct, rename="camel"):
    """The block of a test. `current_random` since Paris, `current_base_fee` since London, `current_excess_blob_gas` since
    Cancun.
    """

    current_coinbase: str
    current_gas_limit: str
    current_number: str
    current_timestamp: str
    current_base_fee: str = "0x0"
    current_random: str = "0x" + "00" * 32
    current_excess_blob_gas: str = "0x0"


class _TransactionFields(msgspec.Struct):
    sender: str


class _PostFields(msgspec.Struct, rename="camel"):
    hash: str
    logs: str
    txbytes: str
    state: Alloc
    expect_exception: str | None = None


class _BlobScheduleFields(msgspec.Struct, rename="camel"):
    base_fee_update_fraction: str


class _ConfigFields(msgspec.Struct, rename="camel"):
    chainid: str
    blob_schedule: dict[str, _BlobScheduleFields] = {}


class _TestFields(msgspec.Struct):
    env: EnvironmentFields
    pre: Alloc
    transaction: _TransactionFields
    post: dict[str, list[_PostFields]]
    config: _ConfigFields


_DECODER = msgspec.json.Decoder(dict[str, _TestFields])


@dataclass(frozen=True, slots=True)
class StateTest:
    """A transaction on a state, and what becomes of it: one entry of `post` in a file.

    `file`: path in the archive; `name`: the test's id there; `index`: of the entry among those of `fork`. `raw`: the
    signed transaction. `exception`: what must refuse it, None where nothing may. `blob_base_fee_update_fraction`: 0
    before Cancun.
    """

    file: str
    name: str
    fork: str
    index: int
    environment: EnvironmentFields
    chain_id: int
    blob_base_fee_update_fraction: int
    pre: Alloc
    raw: bytes
    sender: Address
    post_root: bytes
    logs_hash: bytes
    post: Alloc
    exception: str | None


def to_bytes(text: str) -> bytes:
    """Bytes of hex with 0x."""
    return bytes.fromhex(text[2:])


def files_of(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of each JSON file, in the archive's order; nothing is written to disk. Raises FixtureError."""
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() and member.name.endswith(".json") else None
                if content is not None:
                    yield member.name, content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FixtureError(f"{archive}: {error}") from error


def is_lfs_pointer(content: bytes) -> bool:
    """Whether the archive was made without the file: git-lfs leaves a pointer in its place."""
    return content.startswith(_LFS_POINTER)


def state_tests_of(file: str, content: bytes) -> Iterator[StateTest]:
    """The tests of a file, in its order. Raises FixtureError."""
    try:
        fields = _DECODER.decode(content)
        for name, test in fields.items():
            for fork, entries in test.post.items():
                for index, entry in enumerate(entries):
                    yield _state_test(file, name, fork, index, test, entry)
    except (msgspec.MsgspecError, ValueError) as error:
        raise FixtureError(f"{file}: {error}") from error


def _state_test(file: str, name: str, fork: str, index: int, test: _TestFields, entry: _PostFields) -> StateTest:
    schedule = test.config.blob_schedule.get(fork)
    return StateTest(
        file=file,
        name=name,
        fork=fork,
        index=index,
        environment=test.env,
        chain_id=int(test.config.chainid, 16),
        blob_base_fee_update_fraction=int(schedule.base_fee_update_fraction, 16) if schedule else 0,
        pre=test.pre,
        raw=to_bytes(entry.txbytes),
        sender=to_bytes(test.transaction.sender),
        post_root=to_bytes(entry.hash),
        logs_hash=to_bytes(entry.logs),
        post=entry.state,
        exception=entry.expect_exception,
    )


def account_of(fields: AccountFields) -> Account:
    """The account without its storage."""
    code = to_bytes(fields.code)
    return Account(int(fields.nonce, 16), int(fields.balance, 16), keccak256(code) if code else EMPTY_CODE_HASH)


def storage_of(fields: AccountFields) -> dict[int, int]:
    """Values by slot."""
    return {int(slot, 16): int(value, 16) for slot, value in fields.storage.items()}


def state_of(alloc: Mapping[str, AccountFields]) -> StateChanges:
    """What makes that state of an empty one."""
    state = StateChanges()
    for key, fields in alloc.items():
        address = to_bytes(key)
        account = state.accounts[address] = account_of(fields)
        if account.code_hash != EMPTY_CODE_HASH:
            state.codes[account.code_hash] = to_bytes(fields.code)
        if fields.storage:
            state.storage[address] = storage_of(fields)
    return state
