"""Whether there is history before Bedrock, and whether the endpoint has ours."""

from __future__ import annotations

from typing import Any

from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex
from trinode.rpc.historical.legacy import Legacy

OPTION = "rollup.historicalrpc"


class WrongHistoryError(Exception):
    """The endpoint is of another chain, or lacks what it is there for; one line."""


def check_has_history(config: RollupConfig) -> None:
    """Raises ValueError where no block is before Bedrock, so that the endpoint would never be asked."""
    if config.genesis.l2.number == 0:
        raise ValueError(f"{OPTION}: chain {config.l2_chain_id} has no history before Bedrock, its first block is block 0; leave the option out")


async def check_legacy(legacy: Legacy, config: RollupConfig, bedrock_parent: Hash32 | None) -> str | None:
    """Whether its chain is ours, and ends where Bedrock begins. `bedrock_parent`: the hash that our first block names as its parent, where
    that block is here.

    None: it is so. A line: the endpoint does not say, which may pass. Raises WrongHistoryError if it is not so.
    """
    last = config.genesis.l2.number - 1
    try:
        chain_id = await legacy.ask("eth_chainId", [], lambda result: JsonObject({"chainId": result}, "").quantity("chainId"))
        if chain_id != config.l2_chain_id:
            raise WrongHistoryError(f"{OPTION}: {legacy.name} is of chain {chain_id}, not {config.l2_chain_id}")
        block_hash = await legacy.ask("eth_getBlockByNumber", [hex(last), False], _read_hash)
    except RpcError as error:
        return f"{OPTION}: not checked: {error.message}"
    if block_hash is None:
        raise WrongHistoryError(f"{OPTION}: {legacy.name} lacks block {last}, the last one before Bedrock")
    if bedrock_parent is not None and block_hash != bedrock_parent:
        raise WrongHistoryError(
            f"{OPTION}: {legacy.name} has block {to_hex(block_hash)} as block {last}, before Bedrock comes {to_hex(bedrock_parent)}"
        )
    return None


def _read_hash(block: Any) -> Hash32 | None:
    if block is None:
        return None
    if not isinstance(block, dict):
        raise RpcJsonError("result", "a block was expected")
    return JsonObject(block, "result").data("hash", 32)
