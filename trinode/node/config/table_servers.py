"""The part of the table of options that is about what the node serves, and what it says of itself."""

from __future__ import annotations

from trinode.node.config.option import Option
from trinode.node.config.values import ALLOWED, BOOLEAN, COUNT, DURATION, HOST, NUMBER, PATH, PORT, RATE, SECRET_FILE, SIZE, one_of

NAMESPACES = one_of("admin", "debug", "eth", "net", "opp2p", "optimism", "txpool", "web3")


def _server(name: str, title: str, port: str, allowed: tuple[Option, ...]) -> tuple[Option, ...]:
    return (
        Option(name, f"{name}.enabled", BOOLEAN, f"serve {title}", default="true", key=f"{name}.enabled", op_geth=(name,)),
        Option(f"{name}.addr", f"{name}.addr", HOST, "address to listen at", default="127.0.0.1", op_geth=(f"{name}.addr",)),
        Option(f"{name}.port", f"{name}.port", PORT, "port; 0: any free one", default=port, op_geth=(f"{name}.port",)),
        Option(
            f"{name}.api",
            f"{name}.api",
            NAMESPACES,
            "namespaces that are served",
            default="eth,net,optimism,web3",
            many=True,
            op_geth=(f"{name}.api",),
        ),
        *allowed,
    )


HTTP = _server(
    "http",
    "JSON-RPC over HTTP",
    "8545",
    (
        Option(
            "http.vhosts", "http.vhosts", ALLOWED, "Host headers that are answered; *: any", default="localhost", many=True, op_geth=("http.vhosts",)
        ),
        Option("http.corsdomain", "http.corsdomain", ALLOWED, "origins of web pages that may ask; *: any", many=True, op_geth=("http.corsdomain",)),
    ),
)
WS = _server(
    "ws",
    "JSON-RPC over WebSocket",
    "8546",
    (Option("ws.origins", "ws.origins", ALLOWED, "origins of web pages that may connect; *: any", many=True, op_geth=("ws.origins",)),),
)

CALLS = (
    Option(
        "rpc.gascap", "calls.gas_cap", NUMBER, "gas of eth_call and eth_estimateGas at most; 0: no limit", default="50000000", op_geth=("rpc.gascap",)
    ),
    Option("rpc.evmtimeout", "calls.timeout", DURATION, "time of eth_call at most", default="5s", op_geth=("rpc.evmtimeout",)),
    Option(
        "rpc.batch-request-limit",
        "calls.batch_requests",
        COUNT,
        "requests in one batch at most",
        default="1000",
        op_geth=("rpc.batch-request-limit",),
    ),
    Option(
        "rpc.batch-response-max-size",
        "calls.batch_response_bytes",
        SIZE,
        "responses to one batch at most; requests after that are refused",
        default="25MB",
        op_geth=("rpc.batch-response-max-size",),
    ),
    Option(
        "rpc.rangelimit",
        "calls.log_range",
        NUMBER,
        "blocks of one eth_getLogs at most; 0: no limit",
        default="10000",
        op_geth=("rpc.rangelimit",),
    ),
    Option(
        "rpc.logquerylimit",
        "calls.log_choices",
        COUNT,
        "addresses, and topics at one place, of one eth_getLogs at most",
        default="1000",
        op_geth=("rpc.logquerylimit",),
    ),
    Option(
        "rpc.txsync.defaulttimeout",
        "calls.send_sync_timeout",
        DURATION,
        "eth_sendRawTransactionSync waits so long for a receipt, where the caller does not say",
        default="20s",
        op_geth=("rpc.txsync.defaulttimeout",),
    ),
    Option(
        "rpc.txsync.maxtimeout",
        "calls.send_sync_most",
        DURATION,
        "eth_sendRawTransactionSync waits so long at most",
        default="1m",
        op_geth=("rpc.txsync.maxtimeout",),
    ),
    Option("rpc.rate-limit", "calls.rate", RATE, "requests a second from one address, over HTTP and WebSocket; 0: no limit", default="0"),
)

IPC = (
    Option("ipcdisable", "ipc.disabled", BOOLEAN, "serve no Unix socket", default="false", op_geth=("ipcdisable",)),
    Option(
        "ipcpath",
        "ipc.path",
        PATH,
        "Unix socket that serves all namespaces, for the operator's own programs",
        unset="trinode.ipc in the datadir",
        op_geth=("ipcpath",),
    ),
)

AUTHRPC = (
    Option(
        "authrpc",
        "authrpc.enabled",
        BOOLEAN,
        "serve the Engine API: needed only if another rollup node drives this one",
        default="false",
        key="authrpc.enabled",
    ),
    Option("authrpc.addr", "authrpc.addr", HOST, "address to listen at", default="127.0.0.1", op_geth=("authrpc.addr",)),
    Option("authrpc.port", "authrpc.port", PORT, "port; 0: any free one", default="8551", op_geth=("authrpc.port",)),
    Option(
        "authrpc.jwtsecret",
        "authrpc.jwt_secret",
        SECRET_FILE,
        "file of the secret shared with callers, 64 hex digits",
        unset="jwt.hex in the datadir, made if it is not there",
        op_geth=("authrpc.jwtsecret",),
    ),
    Option(
        "authrpc.vhosts",
        "authrpc.vhosts",
        ALLOWED,
        "Host headers that are answered; *: any",
        default="localhost",
        many=True,
        op_geth=("authrpc.vhosts",),
    ),
)

RPC = (
    Option("rpc.addr", "rpc.addr", HOST, "address to listen at", default="127.0.0.1", op_node=("rpc.addr",)),
    Option("rpc.port", "rpc.port", PORT, "port; 0: any free one", default="9545", op_node=("rpc.port",)),
    Option("rpc.enable-admin", "rpc.admin", BOOLEAN, "serve the admin_ namespace there", default="false", op_node=("rpc.enable-admin",)),
)

METRICS = (
    Option("metrics.enabled", "metrics.enabled", BOOLEAN, "serve metrics", default="false", op_node=("metrics.enabled",), op_geth=("metrics",)),
    Option("metrics.addr", "metrics.addr", HOST, "address to listen at", default="127.0.0.1", op_node=("metrics.addr",), op_geth=("metrics.addr",)),
    Option("metrics.port", "metrics.port", PORT, "port; 0: any free one", default="7300", op_node=("metrics.port",), op_geth=("metrics.port",)),
)

LOG = (
    Option(
        "log.level",
        "log.level",
        one_of("trace", "debug", "info", "warn", "error"),
        "the least level that is written",
        default="info",
        op_node=("log.level",),
        op_geth=("verbosity",),
    ),
    Option(
        "log.format",
        "log.format",
        one_of("text", "logfmt", "json"),
        "how lines look",
        default="text",
        op_node=("log.format",),
        op_geth=("log.format",),
    ),
    Option("log.color", "log.color", BOOLEAN, "colours", unset="on a terminal", op_node=("log.color",)),
)
