"""WETH at its predeploy (specification: predeploys, "WETH9"): our own, with WETH9's functions, events and storage places."""

from __future__ import annotations

from trinode.devnet.assembly import assemble
from trinode.devnet.contracts import push_selector as _on
from trinode.protocol.keccak import keccak256

_BALANCES, _ALLOWANCES = 3, 4
"""The slots of the mappings balanceOf and allowance."""
_UNLIMITED = "0x" + "ff" * 32
_MASK = "0x" + "ff" * 20


def _topic(event: str) -> str:
    return "0x" + keccak256(event.encode()).hex()


def _argument(index: int) -> str:
    return f"{4 + 32 * index} CALLDATALOAD"


def _account(index: int) -> str:
    return f"{_argument(index)} {_MASK} AND"


def _balance_slot(account: str) -> str:
    return f"{account} PUSH0 MSTORE {_BALANCES} 32 MSTORE 64 PUSH0 KECCAK256"


def _allowance_slot(owner: str, spender: str) -> str:
    return f"{owner} PUSH0 MSTORE {_ALLOWANCES} 32 MSTORE 64 PUSH0 KECCAK256 32 MSTORE {spender} PUSH0 MSTORE 64 PUSH0 KECCAK256"


def _text(text: str) -> str:
    word = text.encode().ljust(32, b"\0").hex()
    return f"32 PUSH0 MSTORE {len(text)} 32 MSTORE 0x{word} 64 MSTORE 96 PUSH0 RETURN"


_ANSWER = "PUSH0 MSTORE 32 PUSH0 RETURN"

WETH_CODE = assemble(f"""
    CALLDATASIZE ISZERO @deposit JUMPI
    PUSH0 CALLDATALOAD 224 SHR
    DUP1 {_on("deposit()")} EQ @deposit JUMPI
    CALLVALUE @refuse JUMPI
    DUP1 {_on("withdraw(uint256)")} EQ @withdraw JUMPI
    DUP1 {_on("transfer(address,uint256)")} EQ @transfer JUMPI
    DUP1 {_on("transferFrom(address,address,uint256)")} EQ @transfer_from JUMPI
    DUP1 {_on("approve(address,uint256)")} EQ @approve JUMPI
    DUP1 {_on("balanceOf(address)")} EQ @balance_of JUMPI
    DUP1 {_on("allowance(address,address)")} EQ @allowance JUMPI
    DUP1 {_on("totalSupply()")} EQ @total_supply JUMPI
    DUP1 {_on("decimals()")} EQ @decimals JUMPI
    DUP1 {_on("name()")} EQ @name JUMPI
    DUP1 {_on("symbol()")} EQ @symbol JUMPI
refuse:
    PUSH0 PUSH0 REVERT
deposit:
    {_balance_slot("CALLER")} DUP1 SLOAD CALLVALUE ADD SWAP1 SSTORE
    CALLVALUE PUSH0 MSTORE CALLER {_topic("Deposit(address,uint256)")} 32 PUSH0 LOG2 STOP
withdraw:
    {_argument(0)} {_balance_slot("CALLER")} DUP1 SLOAD              ; amount, slot, balance
    DUP3 DUP2 LT @refuse JUMPI
    DUP3 SWAP1 SUB SWAP1 SSTORE                                      ; amount
    PUSH0 PUSH0 PUSH0 PUSH0 DUP5 CALLER GAS CALL ISZERO @refuse JUMPI
    PUSH0 MSTORE CALLER {_topic("Withdrawal(address,uint256)")} 32 PUSH0 LOG2 STOP
transfer:
    CALLER {_account(0)} {_argument(1)} @move JUMP
transfer_from:
    {_account(0)} {_account(1)} {_argument(2)}                       ; from, to, amount
    DUP3 CALLER EQ @move JUMPI
    {_allowance_slot("DUP3", "CALLER")} DUP1 SLOAD                   ; from, to, amount, slot, allowed
    DUP1 {_UNLIMITED} EQ @unlimited JUMPI
    DUP3 DUP2 LT @refuse JUMPI
    DUP3 SWAP1 SUB SWAP1 SSTORE @move JUMP
unlimited:
    POP POP
move:                                                                ; from, to, amount
    {_balance_slot("DUP3")} DUP1 SLOAD                               ; from, to, amount, slot, balance
    DUP3 DUP2 LT @refuse JUMPI
    DUP3 SWAP1 SUB SWAP1 SSTORE
    {_balance_slot("DUP2")} DUP1 SLOAD DUP3 ADD SWAP1 SSTORE
    PUSH0 MSTORE SWAP1 {_topic("Transfer(address,address,uint256)")} 32 PUSH0 LOG3
    1 {_ANSWER}
approve:
    {_allowance_slot("CALLER", _account(0))} {_argument(1)} SWAP1 SSTORE
    {_argument(1)} PUSH0 MSTORE {_account(0)} CALLER {_topic("Approval(address,address,uint256)")} 32 PUSH0 LOG3
    1 {_ANSWER}
balance_of:
    {_balance_slot(_account(0))} SLOAD {_ANSWER}
allowance:
    {_allowance_slot(_account(0), _account(1))} SLOAD {_ANSWER}
total_supply:
    SELFBALANCE {_ANSWER}
decimals:
    18 {_ANSWER}
name:
    {_text("Wrapped Ether")}
symbol:
    {_text("WETH")}
""")
