"""A developer's day with web3.py: deploy, call, logs, estimates, revert reasons, EIP-7702, proofs; over HTTP or a Unix socket.

Run by a Python of its own that has web3.py, with the places and the way as arguments: `python web3_day.py JSON http|ipc`.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rlp  # type: ignore[import-untyped,unused-ignore]
from eth_account import Account  # type: ignore[import-not-found,unused-ignore]
from web3 import HTTPProvider, IPCProvider, Web3  # type: ignore[import-not-found,unused-ignore]
from web3.exceptions import (  # type: ignore[import-not-found,unused-ignore]
    ContractCustomError,
    ContractLogicError,
    ContractPanicError,
    Web3RPCError,
)

PLACES, WAY = json.loads(sys.argv[1]), sys.argv[2]
TALLY = json.loads((Path(__file__).parent / "contracts/tally.json").read_text())
MNEMONIC = "test test test test test test test test test test test junk"
NOBODY = "0x" + "00" * 20
ACCOUNTS = {"http": 7, "ipc": 8}
"""Each way has one of its own."""

Account.enable_unaudited_hdwallet_features()
ME = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{ACCOUNTS[WAY]}")


w3: Any = Web3(IPCProvider(PLACES["ipc"]) if WAY == "ipc" else HTTPProvider(PLACES["http"]))
STEPS: list[tuple[str, Callable[[], None]]] = []
made: dict[str, Any] = {}


def step(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """The steps run in the order in which they stand here."""

    def add(act: Callable[[], None]) -> Callable[[], None]:
        STEPS.append((name, act))
        return act

    return add


def send(transaction: dict[str, Any]) -> Any:
    """Signs and sends; the receipt."""
    signed = ME.sign_transaction({"nonce": w3.eth.get_transaction_count(ME.address), "chainId": 901} | transaction)
    return w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction), poll_latency=0.1)


def transact(function: Any, **fields: Any) -> Any:
    """The receipt of a call of the contract."""
    return send(function.build_transaction({"from": ME.address, "nonce": w3.eth.get_transaction_count(ME.address)} | fields))


def expect(kind: type[Exception], act: Callable[[], Any]) -> Exception:
    """What `act` raises, which must be of that kind."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


@step("the network")
def network() -> None:
    assert w3.eth.chain_id == 901 and w3.is_connected()
    assert "trinode" in w3.client_version
    assert w3.net.version == "901"
    latest = w3.eth.get_block("latest", full_transactions=True)
    assert latest.transactions[0].type == 0x7E
    assert w3.eth.get_block("finalized").number <= w3.eth.get_block("safe").number <= w3.eth.block_number


@step("deploy")
def deploy() -> None:
    factory = w3.eth.contract(abi=TALLY["abi"], bytecode=TALLY["bytecode"])
    receipt = transact(factory.constructor(7))
    assert receipt.status == 1 and len(w3.eth.get_code(receipt.contractAddress)) > 100
    made["tally"] = w3.eth.contract(address=receipt.contractAddress, abi=TALLY["abi"])
    made["block"] = receipt.blockNumber


@step("read and write")
def read_and_write() -> None:
    tally = made["tally"]
    assert tally.functions.total().call() == 7
    assert tally.functions.count(5, "five").call({"from": ME.address}) == 12
    receipt = transact(tally.functions.count(5, "five"), value=3)
    [event] = tally.events.Counted().process_receipt(receipt)
    assert dict(event.args) == {"by": ME.address, "step": 5, "total": 12, "note": "five"}
    assert tally.functions.counted(ME.address).call() == 5
    assert tally.functions.total().call(block_identifier=made["block"]) == 7
    assert w3.eth.get_balance(tally.address) == 3
    transaction = w3.eth.get_transaction(receipt.transactionHash)
    assert (transaction["from"], transaction.blockHash) == (ME.address, receipt.blockHash)
    assert w3.eth.get_raw_transaction(receipt.transactionHash)[0] == 2
    assert len(w3.eth.get_block_receipts(receipt.blockNumber)) == w3.eth.get_block_transaction_count(receipt.blockNumber)


@step("logs")
def logs() -> None:
    tally = made["tally"]
    for number in (1, 2, 3):
        transact(tally.functions.count(number, "more"))
    found = tally.events.Counted().get_logs(from_block=made["block"])
    assert [each.args.step for each in found] == [5, 1, 2, 3]
    found = tally.events.Counted().get_logs(from_block=0, argument_filters={"step": [2, 3]})
    assert [each.args.step for each in found] == [2, 3]
    assert tally.events.Counted().get_logs(block_hash=found[0].blockHash)


@step("estimates and fees")
def estimates() -> None:
    fill = made["tally"].functions.fill(30_000, 20)
    gas = fill.estimate_gas({"from": ME.address})
    receipt = transact(fill, gas=gas)
    assert receipt.status == 1 and receipt.gasUsed <= gas < receipt.gasUsed * 1.02
    assert w3.eth.estimate_gas({"from": ME.address, "to": NOBODY, "value": 1}) == 21_000
    assert w3.eth.gas_price > 0 and w3.eth.max_priority_fee >= 0
    assert len(w3.eth.fee_history(2, "latest", [50.0])["reward"]) <= 2
    access = w3.eth.create_access_list({"from": ME.address, "to": made["tally"].address, "data": "0x2ddbd13a"})  # total()
    assert [entry["address"] for entry in access["accessList"]] == [made["tally"].address]


@step("revert reasons")
def reverts() -> None:
    functions = made["tally"].functions
    error = expect(ContractCustomError, functions.count(101, "").call)
    assert "0x" + Web3.keccak(text="TooMuch(uint256,uint256)")[:4].hex() in str(error)
    assert "a step of nothing" in str(expect(ContractLogicError, functions.count(0, "").call))
    assert "0x12" in str(expect(ContractPanicError, functions.share(0).call))
    expect(ContractCustomError, functions.count(101, "").estimate_gas)
    assert transact(functions.count(101, ""), gas=100_000).status == 0
    refused = expect(Web3RPCError, lambda: send({"to": NOBODY, "nonce": 0, "gas": 21_000, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1}))
    assert "nonce too low" in str(refused)


@step("EIP-7702")
def set_code() -> None:
    tally, authority = made["tally"], Account.create()
    authorization = authority.sign_authorization({"chainId": 901, "address": tally.address, "nonce": 0})
    fields = {"to": authority.address, "authorizationList": [authorization], "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**6, "type": 4}
    receipt = send(fields | {"gas": 300_000, "value": 0, "data": tally.encode_abi("count", [9, "as myself"])})
    assert (receipt.status, receipt.type) == (1, 4)
    assert w3.eth.get_code(authority.address) == bytes.fromhex("ef0100") + bytes.fromhex(tally.address[2:])
    assert w3.eth.contract(address=authority.address, abi=TALLY["abi"]).functions.total().call() == 9
    assert w3.eth.get_transaction(receipt.transactionHash).authorizationList[0].address == tally.address


def value_in_trie(root: bytes, key: bytes, nodes: list[bytes]) -> bytes | None:
    """What the trie of this root has at a hashed key (yellow paper, appendix D); None where the nodes prove that there is nothing."""
    path, expected, left = Web3.keccak(key).hex().removeprefix("0x"), root, list(nodes)
    while True:
        if isinstance(expected, bytes):
            encoded = bytes(left.pop(0))
            assert Web3.keccak(encoded) == expected
            node = rlp.decode(encoded)
        else:
            node = expected
        if len(node) == 17:
            expected, path = node[int(path[0], 16)], path[1:]
        else:
            prefix = node[0].hex()
            nibbles = prefix[1:] if int(prefix[0], 16) & 1 else prefix[2:]
            if not path.startswith(nibbles):
                assert not left
                return None
            if int(prefix[0], 16) & 2:
                assert not left and path == nibbles
                return bytes(node[1])
            expected, path = node[1], path[len(nibbles) :]
        if expected == b"":
            assert not left
            return None


@step("proofs, verified here")
def proofs() -> None:
    block = w3.eth.get_block("latest")
    address = made["tally"].address
    proof = w3.eth.get_proof(address, [0, 999], block.number)
    account = value_in_trie(block.stateRoot, bytes.fromhex(address[2:]), proof.accountProof)
    assert account is not None
    nonce, balance, storage_root, code_hash = rlp.decode(account)
    assert (int.from_bytes(nonce, "big"), int.from_bytes(balance, "big")) == (proof.nonce, proof.balance)
    assert (storage_root, code_hash) == (proof.storageHash, proof.codeHash) and code_hash == Web3.keccak(w3.eth.get_code(address))
    total = value_in_trie(storage_root, (0).to_bytes(32, "big"), proof.storageProof[0].proof)
    assert total is not None and int.from_bytes(rlp.decode(total), "big") == made["tally"].functions.total().call(block_identifier=block.number)
    assert value_in_trie(storage_root, (999).to_bytes(32, "big"), proof.storageProof[1].proof) is None


@step("a simulation")
def simulation() -> None:
    call = {"from": ME.address, "to": made["tally"].address, "data": made["tally"].encode_abi("count", [101, ""])}
    blocks = w3.eth.simulate_v1({"blockStateCalls": [{"calls": [call, call | {"data": "0x2ddbd13a"}]}]}, "latest")
    first, second = blocks[0]["calls"]
    assert (first["status"], second["status"]) == (0, 1)
    assert int.from_bytes(second["returnData"], "big") == made["tally"].functions.total().call()


def main() -> None:
    """Tells of each step, and ends with status 1 at the first that fails."""
    for name, act in STEPS:
        try:
            act()
        except Exception:  # noqa: BLE001 - told, and the end
            print(json.dumps({"failed": name, "error": traceback.format_exc()[-4000:]}), flush=True)
            sys.exit(1)
        print(json.dumps({"passed": name}), flush=True)


main()
