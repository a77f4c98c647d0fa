"""What web3.py listens to: new heads, logs and pending transactions, by subscriptions over WebSocket or a Unix socket.

Run by a Python of its own that has web3.py: `python web3_watch.py JSON ws|ipc`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from eth_account import Account  # type: ignore[import-not-found,unused-ignore]
from web3 import AsyncIPCProvider, AsyncWeb3, WebSocketProvider  # type: ignore[import-not-found,unused-ignore]

PLACES, WAY = json.loads(sys.argv[1]), sys.argv[2]
TALLY = json.loads((Path(__file__).parent / "contracts/tally.json").read_text())
MNEMONIC = "test test test test test test test test test test test junk"
PATIENCE = 60.0
"""Seconds until each thing that is listened to must have come."""

Account.enable_unaudited_hdwallet_features()
ME = Account.from_mnemonic(MNEMONIC, account_path="m/44'/60'/0'/0/9")


async def send(w3: Any, transaction: dict[str, Any]) -> Any:
    """Signs and sends; the receipt."""
    nonce = await w3.eth.get_transaction_count(ME.address)
    fields = {"nonce": nonce, "chainId": 901, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**6, "gas": 2_000_000, "value": 0}
    signed = ME.sign_transaction(fields | transaction)
    return await w3.eth.wait_for_transaction_receipt(await w3.eth.send_raw_transaction(signed.raw_transaction), poll_latency=0.1)


async def next_of(listening: Any) -> Any:
    """The next thing that a subscription tells."""
    return (await asyncio.wait_for(anext(listening), PATIENCE))["result"]


async def heads(w3: Any) -> None:
    subscription = await w3.eth.subscribe("newHeads")
    listening = w3.socket.process_subscriptions()
    sent = [await send(w3, {"to": ME.address}) for _ in range(3)]
    blocks = [await next_of(listening)]
    while blocks[-1].number < sent[-1].blockNumber:
        blocks.append(await next_of(listening))
    assert [block.number for block in blocks] == list(range(blocks[0].number, blocks[0].number + len(blocks)))
    assert {block.hash for block in blocks} >= {receipt.blockHash for receipt in sent}
    assert await w3.eth.unsubscribe(subscription)


async def logs(w3: Any) -> None:
    factory = w3.eth.contract(abi=TALLY["abi"], bytecode=TALLY["bytecode"])
    made = await send(w3, {"data": factory.constructor(0).data_in_transaction, "to": b""})
    tally = w3.eth.contract(address=made.contractAddress, abi=TALLY["abi"])
    topics = [tally.events.Counted().topic, None, ["0x" + (11).to_bytes(32, "big").hex(), "0x" + (13).to_bytes(32, "big").hex()]]
    subscription = await w3.eth.subscribe("logs", {"address": tally.address, "topics": topics})
    listening = w3.socket.process_subscriptions()
    for number in (11, 12, 13):
        await send(w3, {"to": tally.address, "data": tally.encode_abi("count", [number, "watched"])})
    heard = [tally.events.Counted().process_log(await next_of(listening)) for _ in range(2)]
    assert [each.args.step for each in heard] == [11, 13]
    assert await w3.eth.unsubscribe(subscription)


async def pending(w3: Any) -> None:
    subscription = await w3.eth.subscribe("newPendingTransactions")
    listening = w3.socket.process_subscriptions()
    receipt = await send(w3, {"to": ME.address})
    while await next_of(listening) != receipt.transactionHash:
        pass
    assert await w3.eth.unsubscribe(subscription)


async def main() -> None:
    """Tells of each step, and ends with status 1 at the first that fails."""
    provider = AsyncIPCProvider(PLACES["ipc"]) if WAY == "ipc" else WebSocketProvider(PLACES["ws"])
    async with AsyncWeb3(provider) as w3:
        for act in (heads, logs, pending):
            try:
                await act(w3)
            except Exception:  # noqa: BLE001 - told, and the end
                print(json.dumps({"failed": act.__name__, "error": traceback.format_exc()[-4000:]}), flush=True)
                sys.exit(1)
            print(json.dumps({"passed": act.__name__}), flush=True)


asyncio.run(main())
