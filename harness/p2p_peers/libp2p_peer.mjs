// A js-libp2p peer on loopback: noise, yamux or mplex, identify, ping and gossipsub, as the OP Stack sets it.
//
//     node libp2p_peer.mjs '{"muxer": "yamux" | "mplex", "gossip": {options of gossipsub}}'
//
// Told what to do by lines of JSON, [verb, arguments...]; tells what it sees in lines of JSON, {"event": ..., ...}. It ends with its standard input.
import { createHash } from 'node:crypto'
import readline from 'node:readline'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { mplex } from '@libp2p/mplex'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

// node 20 does not have it
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new Promise((a, b) => { resolve = a; reject = b })
  return { promise, resolve, reject }
}
const LARGEST = 12 * 1024 * 1024
const options = JSON.parse(process.argv[2])
const tell = (event, more) => console.log(JSON.stringify({ event, ...more }))
const sha256 = data => createHash('sha256').update(data).digest()

const node = await createLibp2p({
  privateKey: await generateKeyPair('secp256k1'),
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [options.muxer === 'mplex' ? mplex() : yamux()],
  services: {
    identify: identify(),
    ping: ping(),
    pubsub: gossipsub({
      globalSignaturePolicy: 'StrictNoSign',
      allowPublishToZeroTopicPeers: true,
      heartbeatInterval: 500,
      floodPublish: false,
      maxInboundDataLength: LARGEST,
      msgIdFn: message => sha256(message.data).subarray(0, 20),
      ...options.gossip
    })
  }
})
const pubsub = node.services.pubsub
pubsub.addEventListener('gossipsub:message', ({ detail: { msg, propagationSource } }) =>
  tell('message', { topic: msg.topic, size: msg.data.length, hash: sha256(msg.data).toString('hex'), from: propagationSource.toString() }))
node.addEventListener('peer:connect', ({ detail }) => tell('connected', { peer: detail.toString() }))
node.addEventListener('peer:disconnect', ({ detail }) => tell('disconnected', { peer: detail.toString() }))
node.addEventListener('peer:identify', ({ detail }) => tell('identified', {
  peer: detail.peerId.toString(),
  agent: detail.agentVersion,
  protocolVersion: detail.protocolVersion,
  protocols: detail.protocols,
  addresses: detail.listenAddrs.map(String),
  observed: detail.observedAddr?.toString()
}))
const theirs = pubsub.handleReceivedRpc.bind(pubsub)
pubsub.handleReceivedRpc = async (from, rpc) => {
  const count = messages => messages?.length ?? 0
  if (count(rpc.control?.ihave) + count(rpc.control?.iwant) > 0) {
    tell('control', { ihave: count(rpc.control.ihave), iwant: count(rpc.control.iwant) })
  }
  return theirs(from, rpc)
}

const verbs = {
  subscribe: topic => pubsub.subscribe(topic),
  unsubscribe: topic => pubsub.unsubscribe(topic),
  dial: async address => {
    const connection = await node.dial(multiaddr(address))
    tell('dialed', { muxer: connection.multiplexer, encryption: connection.encryption })
  },
  publish: async (topic, hex, size) => {
    const data = Buffer.alloc(size)
    Buffer.from(hex, 'hex').copy(data)
    const { recipients } = await pubsub.publish(topic, data)
    tell('published', { recipients: recipients.length, hash: sha256(data).toString('hex') })
  },
  state: topic => tell('state', { mesh: pubsub.getMeshPeers(topic), subscribers: pubsub.getSubscribers(topic).map(String) }),
  ping: async address => tell('pong', { milliseconds: await node.services.ping.ping(multiaddr(address)) }),
  payloads: async (address, protocol, numbers) => {
    const connection = await node.dial(multiaddr(address))
    await Promise.all(numbers.map(async number => {
      const stream = await connection.newStream(protocol)
      const parts = []
      const reading = (async () => { for await (const part of stream) parts.push(Buffer.from(part.subarray())) })()
      const request = Buffer.alloc(8)
      request.writeBigUInt64LE(BigInt(number))
      stream.send(request)
      await stream.close()
      await reading
      const answer = Buffer.concat(parts)
      tell('payload', { number, result: answer[0], size: answer.length, hash: sha256(answer).toString('hex') })
    }))
    tell('payloads')
  }
}

tell('listening', { address: node.getMultiaddrs()[0].toString() })
readline.createInterface({ input: process.stdin }).on('line', async line => {
  const [verb, ...words] = JSON.parse(line)
  try {
    await verbs[verb](...words)
  } catch (error) {
    tell('failed', { verb, error: String(error) })
  }
}).on('close', () => process.exit(0))
