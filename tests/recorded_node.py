"""The command line of a verifier over a served recording."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fake_endpoints import FakeEndpoints, RecordedChains
from tests.shared import shared

RECORDING = "forks-regolith-to-karst"


def forks_chains() -> RecordedChains:
    """The recording; skips the test where it is absent."""
    return RecordedChains(shared(f"recordings/{RECORDING}.jsonl.gz"))


def verifier_words(chains: RecordedChains, server: FakeEndpoints, folder: Path, **others: object) -> list[str]:
    """Options of a node whose datadir is `folder/data`; `others` (with _ for . and -) replace or add some, and None takes one away."""
    rollup, l1 = folder / "rollup.json", folder / "l1.json"
    rollup.write_text(json.dumps(chains.head.rollup_config.to_json()))
    l1.write_text(json.dumps(chains.head.l1_chain_config.to_json()))
    words: dict[str, object] = {
        "rollup_config": rollup,
        "rollup_l1_chain_config": l1,
        "genesis": shared("recordings/forks-genesis.json.gz"),
        "datadir": folder / "data",
        "l1": server.url("l1"),
        "l1_beacon": server.url("beacon"),
        "l1_http_poll_interval": "1s",
        "l1_epoch_poll_interval": "1s",
        "http_port": 0,
        "ws_port": 0,
        "rpc_port": 0,
        "p2p_disable": "true",
    }
    return [f"--{_FLAGS.get(name, name.replace('_', '.'))}={value}" for name, value in (words | others).items() if value is not None]


_FLAGS = {
    "rollup_l1_chain_config": "rollup.l1-chain-config",
    "l1_http_poll_interval": "l1.http-poll-interval",
    "l1_epoch_poll_interval": "l1.epoch-poll-interval",
    "l2_jwt_secret": "l2.jwt-secret",
    "l1_beacon_fallbacks": "l1.beacon-fallbacks",
}
