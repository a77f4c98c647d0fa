// A @chainsafe/discv5 node on loopback, with the `opstack` entry of a chain in its record.
//
//     node discv5_peer.mjs '{"port": UDP and TCP, "opstack": HEX, "bootnodes": [ENR, ...]}'
//
// It asks its bootnodes, and then looks for random nodes without end. It tells in lines of JSON what it sees, and ends with its standard input.
import { Discv5 } from '@chainsafe/discv5'
import { ENR, SignableENR } from '@chainsafe/enr'
import { generateKeyPair } from '@libp2p/crypto/keys'

Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new Promise((a, b) => { resolve = a; reject = b })
  return { promise, resolve, reject }
}
const options = JSON.parse(process.argv[2])
const tell = (event, more) => console.log(JSON.stringify({ event, ...more }))

const privateKey = await generateKeyPair('secp256k1')
const enr = SignableENR.createFromPrivateKey(privateKey)
enr.ip = '127.0.0.1'
enr.udp = options.port
enr.tcp = options.port
enr.set('opstack', Uint8Array.from(Buffer.from(options.opstack, 'hex')))
// of the version of multiaddr that these packages have
const address = enr.getLocationMultiaddr('udp4')
const discv5 = Discv5.create({ enr, privateKey, bindAddrs: { ip4: address }, config: { lookupTimeout: 5000, pingInterval: 2000 } })
discv5.on('discovered', record => tell('discovered', { record: record.encodeTxt() }))
await discv5.start()
tell('listening', { record: discv5.enr.encodeTxt() })
for (const text of options.bootnodes) {
  const record = ENR.decodeTxt(text)
  discv5.addEnr(record)
  try {
    const { enrSeq, addr: { ip, port } } = await discv5.sendPing(record)
    tell('pong', { seq: String(enrSeq), ip: [...ip.octets], port })
    const answer = await discv5.sendTalkReq(record, Buffer.from('hello'), 'nobody')
    tell('talk', { answer: Buffer.from(answer).toString('hex') })
  } catch (error) {
    tell('failed', { error: String(error) })
  }
}
setInterval(async () => {
  const found = await discv5.findRandomNode()
  tell('lookup', { records: found.map(record => record.encodeTxt()), table: discv5.kadValues().map(record => record.encodeTxt()) })
}, 1000)
process.stdin.resume().on('end', () => process.exit(0))
