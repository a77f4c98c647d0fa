"""`optimism_` methods: what the node knows as a rollup node, as op-node answers it (OP Stack specification: rollup-node, "L2 Output RPC
method").
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from trinode.jsonrpc.fields import parse_quantity
from trinode.jsonrpc.requests import SERVER_ERROR, RpcError, take_params
from trinode.protocol.block import L1BlockRef
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex
from trinode.rollup.l2_block import L2BlockRef
from trinode.rpc.dispatch import Handler
from trinode.rpc.node import Rollup, SyncStatus

_VERSION_0 = to_hex(bytes(32))
_NO_L1 = L1BlockRef(bytes(32), 0, bytes(32), 0)
_NO_L2 = L2BlockRef(bytes(32), 0, bytes(32), 0, BlockId(0, bytes(32)), 0)


class OptimismNamespace:
    """The methods over the node. `version`: of our software."""

    name = "optimism"

    def __init__(self, rollup: Rollup, config: RollupConfig, version: str) -> None:
        self._rollup = rollup
        self._config = config
        self._our_version = version
        self.methods: dict[str, Handler] = {
            "optimism_outputAtBlock": self._output_at_block,
            "optimism_safeHeadAtL1Block": self._safe_head_at_l1_block,
            "optimism_syncStatus": self._sync_status,
            "optimism_rollupConfig": self._rollup_config,
            "optimism_version": self._version,
        }

    async def _output_at_block(self, params: list[Any]) -> dict[str, Any]:
        (number,) = take_params(params, 1)
        try:
            output = await self._rollup.output_at_block(parse_quantity(number, "params[0]"))
        except LookupError as error:
            raise _not_told(error) from error
        return {
            "version": _VERSION_0,
            "outputRoot": to_hex(output.output_root),
            "blockRef": l2_ref_json(output.block_ref),
            "withdrawalStorageRoot": to_hex(output.withdrawal_storage_root),
            "stateRoot": to_hex(output.state_root),
            "syncStatus": sync_status_json(self._rollup.sync_status()),
        }

    async def _safe_head_at_l1_block(self, params: list[Any]) -> dict[str, Any]:
        (number,) = take_params(params, 1)
        try:
            found = await self._rollup.safe_head_at_l1(parse_quantity(number, "params[0]"))
        except LookupError as error:
            raise _not_told(error) from error
        if found is None:
            raise RpcError(SERVER_ERROR, "not found")
        l1_block, safe_head = found
        return {"l1Block": _id_json(l1_block), "safeHead": _id_json(safe_head)}

    async def _sync_status(self, params: list[Any]) -> dict[str, Any]:
        take_params(params, 0)
        return sync_status_json(self._rollup.sync_status())

    async def _rollup_config(self, params: list[Any]) -> dict[str, Any]:
        take_params(params, 0)
        return self._config.to_json()

    async def _version(self, params: list[Any]) -> str:
        take_params(params, 0)
        return self._our_version


def sync_status_json(status: SyncStatus) -> dict[str, Any]:
    """op-node's object. What is not known yet is the zero block, as there. Our safe head is local and cross-safe in one: no interop."""
    result: dict[str, Any] = {}
    for field in fields(status):
        ref = getattr(status, field.name)
        result[field.name] = _l1_ref_json(ref or _NO_L1) if field.name.endswith("_l1") or "_l1_" in field.name else l2_ref_json(ref or _NO_L2)
    return result | {"local_safe_l2": result["safe_l2"]}


def l2_ref_json(ref: L2BlockRef) -> dict[str, Any]:
    """op-node's L2BlockRef."""
    return {
        "hash": to_hex(ref.hash),
        "number": ref.number,
        "parentHash": to_hex(ref.parent_hash),
        "timestamp": ref.timestamp,
        "l1origin": _id_json(ref.l1_origin),
        "sequenceNumber": ref.sequence_number,
    }


def _l1_ref_json(ref: L1BlockRef) -> dict[str, Any]:
    return {"hash": to_hex(ref.hash), "number": ref.number, "parentHash": to_hex(ref.parent_hash), "timestamp": ref.timestamp}


def _id_json(block: BlockId) -> dict[str, Any]:
    return {"hash": to_hex(block.hash), "number": block.number}


def _not_told(error: LookupError) -> RpcError:
    """A LookupError shows its reason as it is, where a KeyError would show it in quotes."""
    return RpcError(SERVER_ERROR, str(error.args[0]) if error.args else "not found")
