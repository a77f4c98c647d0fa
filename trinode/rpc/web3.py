"""`web3_` methods, as op-geth answers them."""

from __future__ import annotations

from typing import Any

from trinode.jsonrpc.fields import parse_data
from trinode.jsonrpc.requests import take_params
from trinode.protocol.keccak import keccak256
from trinode.rollup.json_fields import to_hex
from trinode.rpc.dispatch import Handler


class Web3Namespace:
    """`client_version`: name, version and platform in one string."""

    name = "web3"

    def __init__(self, client_version: str) -> None:
        self._client_version = client_version
        self.methods: dict[str, Handler] = {"web3_clientVersion": self._get_client_version, "web3_sha3": self._sha3}

    async def _get_client_version(self, params: list[Any]) -> str:
        take_params(params, 0)
        return self._client_version

    async def _sha3(self, params: list[Any]) -> str:
        (data,) = take_params(params, 1)
        return to_hex(keccak256(parse_data(data, "params[0]")))
