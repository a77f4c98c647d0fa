"""The table of options. A new option is a row here and a field in `model.py`."""

from __future__ import annotations

from trinode.node.config.option import Option
from trinode.node.config.table_p2p import P2P
from trinode.node.config.table_servers import AUTHRPC, CALLS, HTTP, IPC, LOG, METRICS, RPC, WS
from trinode.node.config.values import (
    BLOCK_TIME,
    BOOLEAN,
    COUNT,
    DURATION,
    HEADER,
    KEY,
    NETWORK,
    NUMBER,
    OUTPUT,
    PATH,
    PORT,
    RATE,
    SECRET_FILE,
    SIZE,
    UNIX_TIME,
    URL,
    WEBSOCKET_URL,
    one_of,
)
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

SECTIONS = {
    "general": "General",
    "chain": "The chain",
    "override": "Fork times",
    "l1": "L1",
    "engine": "Execution",
    "storage": "Storage",
    "http": "JSON-RPC over HTTP",
    "ws": "JSON-RPC over WebSocket",
    "calls": "Limits of requests",
    "ipc": "JSON-RPC over a Unix socket",
    "authrpc": "Engine API for other programs",
    "rpc": "The rollup node's RPC (optimism_, admin_)",
    "upstream": "Other nodes that requests go to",
    "txpool": "Transaction pool",
    "sequencer": "Sequencer",
    "batcher": "Batcher",
    "p2p": "Peer-to-peer network",
    "metrics": "Metrics",
    "log": "Log",
}
"""The parts of NodeConfig, and their headings."""

_GENERAL = (
    Option("config", "general.config", PATH, "read options from this TOML file", unset="no file"),
    Option("datadir", "general.datadir", PATH, "folder of everything that the node keeps", default="trinode-data", op_geth=("datadir",)),
)

_CHAIN = (
    Option(
        "network",
        "chain.network",
        NETWORK,
        "a built-in network, by name or chain id; `trinode networks` lists them",
        unset="an embedded devnet, unless rollup.config is given",
        op_node=("network",),
        op_geth=("op-network", "beta.op-network"),
    ),
    Option("rollup.config", "chain.rollup_config", PATH, "rollup.json of a chain that is not built in", op_node=("rollup.config",)),
    Option(
        "rollup.l1-chain-config",
        "chain.l1_chain_config",
        PATH,
        "chain id and blob schedule of an L1 that is not built in, as recordings have them (JSON)",
        unset="the built-in one of the rollup's L1",
    ),
    Option("genesis", "chain.genesis", PATH, "genesis.json of the chain: the state that execution begins with"),
    Option(
        "rollup.halt",
        "chain.halt",
        one_of("none", "major", "minor", "patch"),
        "with authrpc: stop when L1 requires a protocol version that is newer in this part",
        default="none",
        op_node=("rollup.halt",),
        op_geth=("rollup.halt",),
    ),
    Option("block-time", "chain.block_time", BLOCK_TIME, "time between the blocks of the embedded devnet, or instant", default="2s"),
    Option("devnet.l1.port", "chain.devnet_l1_port", PORT, "port of the embedded devnet's L1, which takes deposits; 0: any free one", default="8555"),
)

_OVERRIDABLE = tuple(fork.label for fork in SCHEDULED_FORKS if fork is not Fork.REGOLITH)
_OVERRIDABLE_IN_OP_GETH = tuple(name for name in _OVERRIDABLE if name not in ("delta", "lagoon"))
_OVERRIDES = (
    *(
        Option(
            f"override.{name}",
            f"override.{name}",
            UNIX_TIME,
            f"time of {name.capitalize()} in Unix seconds, instead of the chain's; 0: from genesis",
            unset="as the chain says",
            op_node=(f"override.{name}",),
            op_geth=(f"override.{name}",) if name in _OVERRIDABLE_IN_OP_GETH else ("override.interop",) if name == "lagoon" else (),
        )
        for name in _OVERRIDABLE
    ),
    Option(
        "override.pectrablobschedule",
        "override.pectrablobschedule",
        UNIX_TIME,
        "L1 time of the Pectra blob schedule in Unix seconds, instead of the chain's",
        unset="as the chain says",
        op_node=("override.pectrablobschedule",),
    ),
    Option(
        "override.keep-karst-upgrade-gas",
        "override.keep_karst_upgrade_gas",
        BOOLEAN,
        "whether the gas limit keeps what Karst's activation block added, instead of what the chain says",
        unset="as the chain says",
        op_node=("override.keep-karst-upgrade-gas",),
    ),
)

_L1 = (
    Option(
        "l1",
        "l1.endpoints",
        URL,
        "RPC of an L1 execution client; several: others take over when one fails or lies",
        many=True,
        key="l1.rpc",
        op_node=("l1",),
    ),
    Option(
        "l1.rpc-rate-limit", "l1.rate_limit", RATE, "requests a second to each endpoint; 0: no limit", default="0", op_node=("l1.rpc-rate-limit",)
    ),
    Option(
        "l1.max-concurrency", "l1.max_concurrency", COUNT, "requests under way at once, each endpoint", default="10", op_node=("l1.max-concurrency",)
    ),
    Option("l1.rpc-max-batch-size", "l1.max_batch_size", COUNT, "calls in one request", default="20", op_node=("l1.rpc-max-batch-size",)),
    Option(
        "l1.http-poll-interval", "l1.head_interval", DURATION, "how often the L1 head is asked for", default="12s", op_node=("l1.http-poll-interval",)
    ),
    Option(
        "l1.epoch-poll-interval",
        "l1.epoch_interval",
        DURATION,
        "how often the safe and finalized L1 blocks are asked for",
        default="6m24s",
        op_node=("l1.epoch-poll-interval",),
    ),
    Option("l1.ws", "l1.websocket", WEBSOCKET_URL, "WebSocket of an L1 execution client: tells of new heads sooner than polling does"),
    Option("l1.beacon", "l1.beacon", URL, "REST API of an L1 beacon node: blobs come from it", op_node=("l1.beacon",)),
    Option(
        "l1.beacon-fallbacks",
        "l1.beacon_fallbacks",
        URL,
        "where blobs are asked for next, such as archives of pruned ones",
        many=True,
        op_node=("l1.beacon-fallbacks", "l1.beacon-archiver"),
    ),
    Option("l1.beacon-header", "l1.beacon_header", HEADER, "HTTP header for the beacon node, 'Name: value'", op_node=("l1.beacon-header",)),
    Option(
        "verifier.l1-confs",
        "l1.confirmations",
        NUMBER,
        "how far derivation stays behind the L1 head, in L1 blocks",
        default="0",
        op_node=("verifier.l1-confs",),
    ),
    Option("l1.cache-size", "l1.cache_bytes", SIZE, "memory for L1 blocks and receipts", default="256MiB"),
)

_ENGINE = (
    Option(
        "engine",
        "engine.kind",
        one_of("embedded", "external", "stateless"),
        "who executes blocks: this process, the execution client at l2, or this process from witnesses without a state; l2 and l2.witness imply it",
        default="embedded",
    ),
    Option("l2", "engine.endpoint", URL, "Engine API of an external execution client", key="l2.rpc", op_node=("l2",)),
    Option("l2.jwt-secret", "engine.jwt_secret", SECRET_FILE, "file of the secret shared with it, 64 hex digits", op_node=("l2.jwt-secret",)),
    Option("l2.engine-rpc-timeout", "engine.timeout", DURATION, "for one answer of it", default="10s", op_node=("l2.engine-rpc-timeout",)),
    Option(
        "l2.witness",
        "engine.witness",
        URL,
        "RPC of an execution client that serves debug_executionWitness, for the stateless engine; several: others take over",
        many=True,
    ),
    Option(
        "l2.trusted-output",
        "engine.trusted_output",
        OUTPUT,
        "output root of the L2 block that the stateless engine begins with: NUMBER:ROOT, or l1 for the one that L1's bridge holds for proved",
        unset="it begins at the rollup's genesis",
    ),
)

_STORAGE = (
    Option("gcmode", "storage.gcmode", one_of("full", "archive"), "archive keeps every block's state", default="full", op_geth=("gcmode",)),
    Option(
        "history.state",
        "storage.history_blocks",
        NUMBER,
        "how many blocks before the head keep their states; 0: all",
        default="90000",
        op_geth=("history.state",),
    ),
    Option("cache", "storage.cache_bytes", SIZE, "memory for the database's cache", default="64MiB", op_geth=("cache",)),
    Option(
        "safedb.path",
        "storage.safedb",
        PATH,
        "folder that keeps the safe head of each L1 block, and where derivation goes on after a restart",
        unset="derivation in the datadir",
        op_node=("safedb.path",),
    ),
)


_UPSTREAM = (
    Option(
        "rollup.sequencerhttp", "upstream.sequencer", URL, "the sequencer's RPC: transactions are passed on to it", op_geth=("rollup.sequencerhttp",)
    ),
    Option(
        "rollup.historicalrpc",
        "upstream.historical",
        URL,
        "Legacy Geth: requests about the state before Bedrock go there",
        op_geth=("rollup.historicalrpc",),
    ),
    Option(
        "rollup.historicalrpctimeout",
        "upstream.historical_timeout",
        DURATION,
        "for one answer of it",
        default="5s",
        op_geth=("rollup.historicalrpctimeout",),
    ),
    Option(
        "rollup.sequencertxconditionalenabled",
        "upstream.conditional",
        BOOLEAN,
        "serve eth_sendRawTransactionConditional",
        default="false",
        op_geth=("rollup.sequencertxconditionalenabled",),
    ),
)

_TXPOOL = (
    Option("txpool.globalslots", "txpool.global_slots", COUNT, "transactions in the pool at most", default="5120", op_geth=("txpool.globalslots",)),
    Option(
        "txpool.accountslots",
        "txpool.account_slots",
        COUNT,
        "transactions of one sender that keep their place when the pool is full; a sender may have more while there is room",
        default="16",
        op_geth=("txpool.accountslots",),
    ),
    Option("txpool.pricelimit", "txpool.price_limit", NUMBER, "least tip in wei that is taken", default="1", op_geth=("txpool.pricelimit",)),
    Option(
        "txpool.pricebump",
        "txpool.price_bump",
        NUMBER,
        "by how many percent a replacement must pay more",
        default="10",
        op_geth=("txpool.pricebump",),
    ),
)

_SEQUENCER = (
    Option("sequencer.enabled", "sequencer.enabled", BOOLEAN, "build blocks", default="false", op_node=("sequencer.enabled",)),
    Option("sequencer.stopped", "sequencer.stopped", BOOLEAN, "wait for admin_startSequencer", default="false", op_node=("sequencer.stopped",)),
    Option(
        "sequencer.max-safe-lag",
        "sequencer.max_safe_lag",
        NUMBER,
        "build no block that is further ahead of the safe head, in L2 blocks; 0: no limit",
        default="0",
        op_node=("sequencer.max-safe-lag",),
    ),
    Option(
        "sequencer.l1-confs",
        "sequencer.confirmations",
        NUMBER,
        "how old an L1 origin must be, in L1 blocks",
        default="4",
        op_node=("sequencer.l1-confs",),
    ),
    Option(
        "sequencer.recover",
        "sequencer.recover",
        BOOLEAN,
        "build empty blocks on the next L1 origin, until the chain has caught up with L1",
        default="false",
        op_node=("sequencer.recover",),
    ),
    Option(
        "p2p.sequencer.key",
        "sequencer.key",
        KEY,
        "private key that signs blocks; better in the environment than in a flag",
        op_node=("p2p.sequencer.key",),
    ),
)


_BATCHER = (
    Option("batcher.key", "batcher.key", SECRET_FILE, "file of the private key that signs batcher transactions", unset="no batches are posted"),
    Option(
        "batcher.data-availability-type",
        "batcher.data_availability",
        one_of("blobs", "calldata", "auto"),
        "where batches go on L1; auto: where it costs less",
        default="blobs",
    ),
    Option("batcher.batch-type", "batcher.batch_type", one_of("span", "singular"), "one batch for many blocks, or for each", default="span"),
    Option(
        "batcher.max-channel-duration",
        "batcher.max_channel_duration",
        NUMBER,
        "L1 blocks after which a channel is posted; 0: only when it is full",
        default="1",
    ),
    Option("batcher.target-num-frames", "batcher.target_num_frames", COUNT, "blobs, or calldata transactions, that a channel fills", default="6"),
    Option("batcher.sub-safety-margin", "batcher.sub_safety_margin", NUMBER, "L1 blocks that a channel is posted before it is late", default="10"),
    Option("batcher.max-pending-tx", "batcher.max_pending", NUMBER, "L1 transactions under way at once; 0: no limit", default="4"),
    Option("batcher.resubmission-timeout", "batcher.resubmission_timeout", DURATION, "before a stuck one is sent with higher fees", default="48s"),
    Option("batcher.num-confirmations", "batcher.confirmations", COUNT, "L1 blocks until one is watched no more", default="10"),
)


OPTIONS: tuple[Option, ...] = (
    *_GENERAL,
    *_CHAIN,
    *_OVERRIDES,
    *_L1,
    *_ENGINE,
    *_STORAGE,
    *HTTP,
    *WS,
    *CALLS,
    *IPC,
    *AUTHRPC,
    *RPC,
    *_UPSTREAM,
    *_TXPOOL,
    *_SEQUENCER,
    *_BATCHER,
    *P2P,
    *METRICS,
    *LOG,
)

BY_NAME = {option.name: option for option in OPTIONS}
