"""`python -m harness.served RECORDING`: the recording as an L1 on a port of loopback, whose address is printed, until it is stopped."""

from __future__ import annotations

import argparse
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from harness.recording import open_recording
from harness.served.app import ServedApp
from harness.served.chain import ServedChain
from trinode.jsonrpc.server import serve_app


async def _serve(app: ServedApp, port: int) -> None:
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(partial(serve_app, app, "127.0.0.1", port))
        print(addresses[0], flush=True)


def main() -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(prog="harness.served", description="Serve a recording as an L1: JSON-RPC, and the beacon API.")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0: any free one (%(default)s)")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds before each answer (%(default)s)")
    parser.add_argument("--blocks", type=int, help="how many blocks are there at first; recording_show shows more (all)")
    options = parser.parse_args()
    with open_recording(options.recording, check=False) as reader:
        chain = ServedChain(reader.head, list(reader))
    chain.show(options.blocks)
    with suppress(KeyboardInterrupt):
        trio.run(_serve, ServedApp(chain, options.latency / 1000), options.port)


main()
