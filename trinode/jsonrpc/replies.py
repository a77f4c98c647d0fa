"""JSON-RPC objects of execution clients (the `eth_` methods' blocks, transactions and receipts) in consensus encoding.

Nothing is believed: who calls this hashes what comes out. So fields that repeat others (`hash`, `from`, `v` beside `yParity`)
are not compared here; a reply that lies in what counts has another hash or root.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, cast

from trinode.protocol.bloom import BLOOM_SIZE
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE, DepositTransaction, encode_deposit
from trinode.protocol.header import Header
from trinode.protocol.receipt import DEPOSIT_RECEIPT_TYPE, Log, Receipt, encode_receipt
from trinode.protocol.transaction import encode_transaction
from trinode.protocol.transaction_types import (
    AccessListEntry,
    AccessListTransaction,
    Authorization,
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignedTransaction,
)


class RpcJsonError(ValueError):
    """A reply lacks a field, or has a malformed one; `field` is its path, such as `transactions[3].gas`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class AbsentError(RpcJsonError):
    """The reply is right and says that there is no such thing."""


class JsonObject:
    """A JSON object that is read strictly, field by field; `path` goes into errors."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise RpcJsonError(path or "result", f"an object was expected, not {_kind(value)}")
        self._value = cast(Mapping[str, Any], value)
        self._path = path

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._value.get(name) is not None

    def fail(self, name: str, message: str) -> NoReturn:
        """Raise the error for one field."""
        raise RpcJsonError(".".join(part for part in (self._path, name) if part), message)

    def data(self, name: str, size: int | None = None) -> bytes:
        """Bytes in hex, `size` of them if given."""
        text = self._value.get(name)
        if not isinstance(text, str) or text[:2] != "0x":
            self.fail(name, "missing" if text is None else f"0x-prefixed hex was expected, not {_kind(text)}")
        try:
            value = binascii.unhexlify(text[2:])
        except ValueError:
            self.fail(name, f"bad hex {text[:40]!r}")
        if size is not None and len(value) != size:
            self.fail(name, f"{len(value)} bytes, not {size}")
        return value

    def quantity(self, name: str) -> int:
        """A number in hex, at most 32 bytes."""
        text = self._value.get(name)
        if not isinstance(text, str) or not text.startswith("0x") or not 2 < len(text) <= 66 or not text[2:].isalnum():
            self.fail(name, "missing" if text is None else f"a hex number was expected, not {_kind(text)}")
        try:
            return int(text[2:], 16)
        except ValueError:
            self.fail(name, f"bad hex number {text[:40]!r}")

    def optional_quantity(self, name: str) -> int | None:
        """`quantity`, or None where the field is missing or null."""
        return self.quantity(name) if self.has(name) else None

    def optional_data(self, name: str, size: int | None = None) -> bytes | None:
        """`data`, or None where the field is missing or null."""
        return self.data(name, size) if self.has(name) else None

    def flag(self, name: str) -> bool:
        """A boolean; False where the field is missing or null."""
        value = self._value.get(name, False)
        if value is not None and not isinstance(value, bool):
            self.fail(name, f"true or false was expected, not {_kind(value)}")
        return bool(value)

    def items(self, name: str) -> list[Any]:
        """A list; an absent one is an error."""
        value = self._value.get(name)
        if not isinstance(value, list):
            self.fail(name, "missing" if value is None else f"a list was expected, not {_kind(value)}")
        return value

    def objects(self, name: str) -> list[JsonObject]:
        """A list of objects."""
        place = ".".join(part for part in (self._path, name) if part)
        return [JsonObject(value, f"{place}[{index}]") for index, value in enumerate(self.items(name))]

    def words(self, name: str) -> tuple[bytes, ...]:
        """A list of 32-byte strings."""
        place = ".".join(part for part in (self._path, name) if part)
        items = self.items(name)
        return tuple([JsonObject({"": item}, f"{place}[{index}]").data("", 32) for index, item in enumerate(items)])


def _kind(value: object) -> str:
    if isinstance(value, str):
        return repr(value[:40])
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), repr(value)[:40])


def header_of(block: JsonObject) -> Header:
    """The header of a block object (`eth_getBlockByNumber`); raises `RpcJsonError`."""
    return Header(
        parent_hash=block.data("parentHash", 32),
        ommers_hash=block.data("sha3Uncles", 32),
        beneficiary=block.data("miner", 20),
        state_root=block.data("stateRoot", 32),
        transactions_root=block.data("transactionsRoot", 32),
        receipts_root=block.data("receiptsRoot", 32),
        logs_bloom=block.data("logsBloom", BLOOM_SIZE),
        difficulty=block.quantity("difficulty"),
        number=block.quantity("number"),
        gas_limit=block.quantity("gasLimit"),
        gas_used=block.quantity("gasUsed"),
        timestamp=block.quantity("timestamp"),
        extra_data=block.data("extraData"),
        prev_randao=block.data("mixHash", 32),
        nonce=block.data("nonce", 8),
        base_fee_per_gas=block.optional_quantity("baseFeePerGas"),
        withdrawals_root=block.optional_data("withdrawalsRoot", 32),
        blob_gas_used=block.optional_quantity("blobGasUsed"),
        excess_blob_gas=block.optional_quantity("excessBlobGas"),
        parent_beacon_block_root=block.optional_data("parentBeaconBlockRoot", 32),
        requests_hash=block.optional_data("requestsHash", 32),
    )


def raw_transaction_of(tx: JsonObject) -> bytes:
    """The EIP-2718 bytes of a transaction object, types 0 to 4 and 0x7e; raises `RpcJsonError`."""
    kind = tx.optional_quantity("type") or 0
    if kind == DEPOSIT_TRANSACTION_TYPE:
        return encode_deposit(_deposit(tx))
    if kind not in _BY_TYPE:
        tx.fail("type", f"transaction type {kind} is not known")
    try:
        return encode_transaction(_BY_TYPE[kind](tx))
    except (ValueError, OverflowError) as error:
        if isinstance(error, RpcJsonError):
            raise
        tx.fail("type", str(error))


def _deposit(tx: JsonObject) -> DepositTransaction:
    return DepositTransaction(
        source_hash=tx.data("sourceHash", 32),
        sender=tx.data("from", 20),
        to=tx.optional_data("to", 20),
        mint=tx.optional_quantity("mint") or 0,
        value=tx.quantity("value"),
        gas_limit=tx.quantity("gas"),
        is_system_transaction=tx.flag("isSystemTx"),
        data=tx.data("input"),
    )


def _common(tx: JsonObject) -> dict[str, Any]:
    return {
        "nonce": tx.quantity("nonce"),
        "gas_limit": tx.quantity("gas"),
        "value": tx.quantity("value"),
        "data": tx.data("input"),
        "r": tx.quantity("r"),
        "s": tx.quantity("s"),
    }


def _typed(tx: JsonObject) -> dict[str, Any]:
    return {
        **_common(tx),
        "chain_id": tx.quantity("chainId"),
        # Clients before 2023 send only v, which for typed transactions is the parity.
        "y_parity": tx.quantity("yParity" if tx.has("yParity") else "v"),
        "access_list": _access_list(tx),
    }


def _dynamic(tx: JsonObject) -> dict[str, Any]:
    return {
        **_typed(tx),
        "max_priority_fee_per_gas": tx.quantity("maxPriorityFeePerGas"),
        "max_fee_per_gas": tx.quantity("maxFeePerGas"),
    }


def _legacy(tx: JsonObject) -> LegacyTransaction:
    return LegacyTransaction(**_common(tx), gas_price=tx.quantity("gasPrice"), to=tx.optional_data("to", 20), v=tx.quantity("v"))


def _access_list_transaction(tx: JsonObject) -> AccessListTransaction:
    return AccessListTransaction(**_typed(tx), gas_price=tx.quantity("gasPrice"), to=tx.optional_data("to", 20))


def _dynamic_fee(tx: JsonObject) -> DynamicFeeTransaction:
    return DynamicFeeTransaction(**_dynamic(tx), to=tx.optional_data("to", 20))


def _blob(tx: JsonObject) -> BlobTransaction:
    return BlobTransaction(
        **_dynamic(tx),
        to=tx.data("to", 20),
        max_fee_per_blob_gas=tx.quantity("maxFeePerBlobGas"),
        blob_versioned_hashes=tx.words("blobVersionedHashes"),
    )


def _set_code(tx: JsonObject) -> SetCodeTransaction:
    authorizations = tuple(
        Authorization(
            chain_id=item.quantity("chainId"),
            address=item.data("address", 20),
            nonce=item.quantity("nonce"),
            y_parity=item.quantity("yParity" if item.has("yParity") else "v"),
            r=item.quantity("r"),
            s=item.quantity("s"),
        )
        for item in tx.objects("authorizationList")
    )
    return SetCodeTransaction(**_dynamic(tx), to=tx.data("to", 20), authorization_list=authorizations)


_BY_TYPE: dict[int, Callable[[JsonObject], SignedTransaction]] = {
    0: _legacy,
    1: _access_list_transaction,
    2: _dynamic_fee,
    3: _blob,
    4: _set_code,
}


def _access_list(tx: JsonObject) -> tuple[AccessListEntry, ...]:
    if not tx.has("accessList"):
        return ()
    return tuple([AccessListEntry(item.data("address", 20), item.words("storageKeys")) for item in tx.objects("accessList")])


def raw_receipt_of(receipt: JsonObject) -> bytes:
    """The consensus bytes of a receipt object, types 0 to 4 and 0x7e; raises `RpcJsonError`."""
    kind = receipt.optional_quantity("type") or 0
    if kind not in _BY_TYPE and kind != DEPOSIT_RECEIPT_TYPE:
        receipt.fail("type", f"receipt type {kind} is not known")
    post_state = None if receipt.has("status") else receipt.data("root", 32)
    logs = tuple([Log(log.data("address", 20), log.words("topics"), log.data("data")) for log in receipt.objects("logs")])
    version = receipt.optional_quantity("depositReceiptVersion") if kind == DEPOSIT_RECEIPT_TYPE else None
    return encode_receipt(
        Receipt(
            type=kind,
            succeeded=post_state is None and receipt.quantity("status") == 1,
            cumulative_gas_used=receipt.quantity("cumulativeGasUsed"),
            logs_bloom=receipt.data("logsBloom", BLOOM_SIZE),
            logs=logs,
            post_state=post_state,
            # Regolith receipts show the nonce but do not hash it: that came with the version, in Canyon.
            deposit_nonce=receipt.optional_quantity("depositNonce") if version is not None else None,
            deposit_receipt_version=version,
        )
    )
