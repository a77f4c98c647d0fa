"""`trinode p2p`: ids of keys are what op-node v1.19.6 prints (`op-node p2p priv2id`, `pub2id`)."""

from __future__ import annotations

import subprocess

import pytest
from click.testing import CliRunner, Result

from harness.peers.process import find_program
from trinode.cli import main

OF_PRIVATE_KEYS = {
    "2b1063270ced210d888d3617a743f004e11e22054925a29e2709891565621535": "16Uiu2HAkyHcQcjbG9fR9jivCurUEffgAa6yKHyXCKsGy19ALdPWd",
    "0000000000000000000000000000000000000000000000000000000000000001": "16Uiu2HAm3cuhhRL2msUuLF62KRSfneFDx94RsuouyW25Ho42cFMq",
}
GENERATOR = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
OF_GENERATOR = "16Uiu2HAm3cuhhRL2msUuLF62KRSfneFDx94RsuouyW25Ho42cFMq"


def run(command: str, text: str = "") -> Result:
    return CliRunner().invoke(main, ["p2p", command], input=text)


@pytest.mark.parametrize(("key", "expected"), OF_PRIVATE_KEYS.items())
def test_the_id_of_a_private_key(key: str, expected: str) -> None:
    for text in (key, f"0x{key}\n", f"  {key.upper()}\r\n"):
        assert run("priv2id", text).output == expected + "\n"


def test_the_id_of_a_public_key() -> None:
    y = "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
    for text in (f"02{GENERATOR}", f"0x02{GENERATOR}\n", f"04{GENERATOR}{y}"):
        assert run("pub2id", text).output == OF_GENERATOR + "\n"


@pytest.mark.parametrize("command", ["priv2id", "pub2id"])
@pytest.mark.parametrize("text", ["", "xyz", "00" * 32, "ff" * 32, GENERATOR[:-2], "02" * 5000])
def test_what_is_no_key(command: str, text: str) -> None:
    found = run(command, text)
    assert found.exit_code == 2 and "that is no " in found.output and len(found.output) < 100


def test_a_new_key_each_time() -> None:
    keys = {run("genkey").output for _ in range(3)}
    assert len(keys) == 3
    for key in keys:
        assert len(key) == 65 and run("priv2id", key).output.startswith("16Uiu2HA")


@pytest.mark.peers
def test_they_are_what_op_node_prints() -> None:
    program = find_program("op-node")
    if program is None:
        pytest.skip("op-node is neither in the folder TRINODE_PEERS nor on PATH")
    for _ in range(3):
        key = run("genkey").output
        theirs = subprocess.run([program, "p2p", "priv2id"], input=key.encode(), capture_output=True, check=True, timeout=60).stdout
        assert theirs.decode() == run("priv2id", key).output
