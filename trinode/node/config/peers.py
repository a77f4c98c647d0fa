"""Flags of op-node and op-geth that have no counterpart here, and why; and those whose values are written differently.

Facts of op-node v1.19.6 and op-geth v1.101702 (what `--help` lists). A name that ends in `?` is a boolean: its value never is the
next word of a command line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from trinode.node.config.option import FLAG_PREFIXES, ConfigError, Option, nearest, variable_part
from trinode.node.config.table import OPTIONS
from trinode.node.config.table_servers import NAMESPACES
from trinode.node.config.values import BOOLEAN

OP_NODE, OP_GETH = FLAG_PREFIXES

_NO_PEERS = "op-geth's own network passes on transactions and states, which is not done here; blocks come by the p2p options"
_PROFILER = "there is no Go profiler here"
_POOL = "the pool's limits are txpool.globalslots and txpool.accountslots"
_VERIFIED = "every header, receipt and blob is verified, whoever sends it"
_NO_MINER = "payload attributes and L1 say how blocks are built"
_PRUNING = "one layout with full history of blocks; gcmode and history.state say which states are kept"

_WITHOUT_COUNTERPART: dict[str, dict[str, str]] = {
    OP_NODE: {
        "l1.trustrpc? l1.beacon.fetch-all-sidecars?": _VERIFIED,
        "l1.rpckind": "which methods an endpoint has is found out by asking it",
        "l1.cache-size": "counts blocks there; here it is in bytes (l1.cache-size, default 256MiB)",
        "l1.beacon.ignore?": "blobs are needed since Ecotone",
        "l1.beacon.slot-duration-override l1.runtime-config-reload-interval": "taken from L1 and the built-in L1 schedules",
        "rollup.l1-chain-config": "another form: write the blob schedule as a recording has it, and give it with rollup.l1-chain-config",
        "rollup.load-protocol-versions?": "rollup.halt alone says whether they matter",
        "l2.enginekind": "what the Engine API offers is found out by asking it",
        "l2.follow.source l2.follow.source.rpc-timeout": "a node derives its chain itself, and follows nobody",
        "fetch-withdrawal-root-from-state? finality.delay finality.lookback sequencer.sealing-duration": "a detail of op-node's inside",
        "syncmode syncmode.offset-el-safe syncmode.req-resp?": "blocks are derived from L1; to begin from a state, import a snapshot",
        "rpc.admin-state": "whether the sequencer runs is kept in the datadir",
        "experimental.sequencer-api?": "experimental there, and not offered here",
        "conductor.enabled? conductor.rpc conductor.rpc-timeout": "there is no sequencer failover in this version",
        "signer.address signer.endpoint signer.header signer.tls.ca signer.tls.cert signer.tls.enabled? signer.tls.key": "keys are read here "
        "(p2p.sequencer.key, batcher.key), not from a remote signer",
        "altda.da-server altda.da-service? altda.enabled? altda.get-timeout altda.max-concurrent-da-requests altda.put-timeout "
        "altda.verify-on-read?": "alternative data availability is not supported: batches are read from L1",
        "interop.dependency-set interop.jwt-secret interop.rpc.addr interop.rpc.port": "interop is not supported in this version",
        "log.pid?": "log lines have no process id",
        "pprof.addr pprof.enabled? pprof.path pprof.port pprof.type": _PROFILER,
        "p2p.nat?": "no router is asked; discovery learns the address from peers, or set p2p.advertise.ip",
        "p2p.security": "connections are secured by Noise, which all nodes speak; TLS and plain text are not offered",
    },
    OP_GETH: {
        "config": "op-geth's TOML is not read: import its flags",
        "keystore lightkdf? password pcscdpath signer usb?": "the node holds no accounts",
        "graphql? graphql.corsdomain graphql.vhosts exec header jspath preload": "JSON-RPC only",
        "http.rpcprefix ws.rpcprefix": "served at / only",
        "rpc.allow-unprotected-txs? rpc.txfeecap": "not configurable in this version",
        "rpc.telemetry? rpc.telemetry.endpoint rpc.telemetry.instance-id rpc.telemetry.password rpc.telemetry.sample-ratio rpc.telemetry.tags "
        "rpc.telemetry.username ethstats metrics.influxdb? metrics.influxdb.bucket metrics.influxdb.database metrics.influxdb.endpoint "
        "metrics.influxdb.interval metrics.influxdb.organization metrics.influxdb.password metrics.influxdb.tags metrics.influxdb.token "
        "metrics.influxdb.username metrics.influxdbv2? metrics.expensive?": "metrics are served for Prometheus, and pushed to nobody",
        "beacon.api beacon.api.header beacon.checkpoint beacon.checkpoint.file beacon.config beacon.genesis.gvroot beacon.genesis.time "
        "beacon.nofilter? beacon.threshold": "a light client of Ethereum itself; L1 is read from l1 and l1.beacon",
        "dev? dev.gaslimit dev.period": "without network and rollup.config an embedded devnet runs; see block-time",
        "holesky? hoodi? mainnet? sepolia? networkid eth.requiredblocks": "the chain comes from network or rollup.config",
        "override.bpo1 override.bpo2 override.osaka override.verkle override.genesis": "a fork of Ethereum, not of the OP Stack",
        "rollup.superchain-upgrades? beta.rollup.superchain-upgrades?": "fork times are built in; override.<fork> changes one",
        "rollup.disabletxpoolgossip? rollup.txpool.disable-gossip? rollup.txpool.netrestrict rollup.txpool.trusted-peers-only?": _NO_PEERS,
        "rollup.enabletxpooladmission? rollup.txpool.enable-admission?": "with rollup.sequencerhttp transactions are passed on",
        "rollup.computependingblock?": "the pending block is the latest one",
        "rollup.interoprpc rollup.interopmempoolfiltering?": "interop is not supported in this version",
        "rollup.sequencertxconditionalcostratelimit": "one request's cost is limited, not their rate",
        "datadir.ancient datadir.era datadir.minfreedisk db.engine remotedb snapshot? state.scheme state.size-tracking? history.chain history.logs "
        "history.logs.disable? history.logs.export history.transactions history.trienode history.trienode.full-value-checkpoint": _PRUNING,
        "cache.blocklogs cache.database cache.gc cache.noprefetch? cache.preimages? cache.snapshot cache.trie crypto.kzg fdlimit": "a detail of "
        "op-geth's inside; cache is the memory of all",
        "syncmode synctarget exitwhensynced?": "blocks are derived from L1; to begin from a state, import a snapshot",
        "stateless-self-validation? vmdebug? vmtrace vmtrace.jsonconfig vmwitnessstats? debug.logslowblock go-execution-trace": "a tool for "
        "op-geth's developers; see debug_trace* and debug_executionWitness",
        "gpo.blocks gpo.ignoreprice gpo.maxprice gpo.minsuggestedpriorityfee gpo.percentile": "not configurable in this version",
        "log.compress? log.file log.maxage log.maxbackups log.maxsize log.rotate? log.vmodule": "the log goes to standard error",
        "pprof? pprof.addr pprof.blockprofilerate pprof.cpuprofile pprof.memprofilerate pprof.port pyroscope? pyroscope.password "
        "pyroscope.server pyroscope.tags pyroscope.username": _PROFILER,
        "miner.effectivegaslimit miner.extradata miner.gaslimit miner.gasprice miner.maxblobs miner.pending.feeRecipient miner.recommit": _NO_MINER,
        "bootnodes discovery.dns discovery.port discovery.v4? discv4? discovery.v5? discv5? identity maxpeers maxpendpeers nat netrestrict nodekey "
        "nodekeyhex nodiscover? port": _NO_PEERS,
        "blobpool.datacap blobpool.datadir blobpool.pricebump": "L2 has no blob transactions",
        "txpool.accountqueue txpool.globalqueue txpool.journal txpool.journalremotes? txpool.lifetime txpool.locals txpool.maxtxgas "
        "txpool.nolocals? txpool.rejournal": _POOL,
    },
}

_OTHER_VARIABLES = {
    OP_NODE: {
        "L1_ETH_RPC": "l1",
        "L2_ENGINE_RPC": "l2",
        "L2_ENGINE_AUTH": "l2.jwt-secret",
        "L2_ENGINE_KIND": "l2.enginekind",
        "L1_RPC_KIND": "l1.rpckind",
        "L1_TRUST_RPC": "l1.trustrpc",
        "P2P_PEER_BANNING": "p2p.ban.peers",
        "P2P_PEER_BANNING_DURATION": "p2p.ban.duration",
        "P2P_PEER_BANNING_THRESHOLD": "p2p.ban.threshold",
        "P2P_LISTEN_TCP_PORT": "p2p.listen.tcp",
        "P2P_LISTEN_UDP_PORT": "p2p.listen.udp",
        "P2P_PEER_SCORING": "p2p.scoring",
    },
    OP_GETH: {},
}
"""Environment variables, without their prefix, that are not spelled like their flag."""


class PeerFlag(NamedTuple):
    """A flag of another program: the option that means the same, or the reason why there is none."""

    name: str
    is_boolean: bool
    option: Option | None
    reason: str


def _flags_of(program: str) -> dict[str, PeerFlag]:
    flags = {}
    for names, reason in _WITHOUT_COUNTERPART[program].items():
        for name in names.split():
            flags[name.rstrip("?")] = PeerFlag(name.rstrip("?"), name.endswith("?"), None, reason)
    for option in OPTIONS:
        for name in option.op_node if program == OP_NODE else option.op_geth:
            flags[name] = PeerFlag(name, option.kind is BOOLEAN, option, "")
    return flags


FLAGS = {program: _flags_of(program) for program in FLAG_PREFIXES}
VARIABLES = {
    program: {variable_part(name): flag for name, flag in flags.items()}
    | {variable: flags[name] for variable, name in _OTHER_VARIABLES[program].items()}
    for program, flags in FLAGS.items()
}


def find_flag(program: str, name: str) -> PeerFlag:
    """Raises ConfigError, with the nearest flag, if the program has none of that name."""
    if name not in FLAGS[program]:
        raise ConfigError(f"{program} has no flag --{name}{nearest('--' + name, ['--' + known for known in FLAGS[program]])}")
    return FLAGS[program][name]


def find_variable(program: str, variable: str) -> PeerFlag:
    """The flag that an environment variable stands for; ConfigError as in `find_flag`."""
    prefix = FLAG_PREFIXES[program]
    flag = VARIABLES[program].get(variable.removeprefix(prefix))
    if flag is None:
        known = [prefix + name for name in VARIABLES[program]]
        raise ConfigError(f"{program} has no environment variable {variable}{nearest(variable, known)}")
    return flag


def _verbosity(text: str) -> str:
    levels = ("error", "error", "warn", "info", "debug", "trace")
    if text not in "012345" or len(text) != 1:
        raise ConfigError(f"--verbosity: {text!r} is not 0 to 5")
    return levels[int(text)]


def _log_level(text: str) -> str:
    lower = text.lower()
    return {"crit": "error", "eror": "error", "dbug": "debug", "trce": "trace"}.get(lower, lower)


def _log_format(text: str) -> str:
    return {"terminal": "text", "json-pretty": "json", "jsonms": "json", "logfmtms": "logfmt"}.get(text.lower(), text)


def _megabytes(text: str) -> str:
    return f"{text}MiB"


CONVERSIONS: dict[tuple[str, str], Callable[[str], str]] = {
    (OP_GETH, "verbosity"): _verbosity,
    (OP_GETH, "cache"): _megabytes,
    (OP_GETH, "log.format"): _log_format,
    (OP_NODE, "log.format"): _log_format,
    (OP_NODE, "log.level"): _log_level,
}


def without_unknown_namespaces(elements: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The namespaces that are served here, and the others."""
    known = tuple(element for element in elements if element.lower() in NAMESPACES.choices)
    return known, tuple(element for element in elements if element.lower() not in NAMESPACES.choices)
