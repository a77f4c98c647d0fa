// What ethers 6 listens to: subscriptions over WebSocket and a Unix socket, and filters that it polls over HTTP.

import assert from 'node:assert/strict'
import { ContractFactory, HDNodeWallet, IpcSocketProvider, JsonRpcProvider, WebSocketProvider, ZeroAddress } from 'ethers'
import { Heard, MNEMONIC, places, step, tally, withinPatience } from './day.mjs'

const sender = new JsonRpcProvider(places.http, 901, { staticNetwork: true, pollingInterval: 200, cacheTimeout: -1 })
const wallet = HDNodeWallet.fromPhrase(MNEMONIC, undefined, "m/44'/60'/0'/0/6").connect(sender)
const contract = await step('deploy', async () => (await new ContractFactory(tally.abi, tally.bytecode, wallet).deploy(0n)).waitForDeployment())

const settled = () => new Promise((resolve) => setTimeout(resolve, 1_000))
const overHttp = (options) => () => new JsonRpcProvider(places.http, 901, { staticNetwork: true, pollingInterval: 200, cacheTimeout: -1, ...options })
const BY_POLLING = 'HTTP, by polling'
const ways = [
  ['WebSocket', () => new WebSocketProvider(places.ws, 901)],
  ['a Unix socket', () => new IpcSocketProvider(places.ipc, 901)],
  ['HTTP, by filters', overHttp({})],
  [BY_POLLING, overHttp({ polling: true })],
]

for (const [name, connect] of ways) {
  await step(`blocks and events over ${name}`, async () => {
    const provider = connect()
    const [blocks, events] = [new Heard(), new Heard()]
    const heard = contract.connect(provider)
    await provider.on('block', blocks.push)
    await heard.on(heard.filters.Counted(wallet.address, [11n, 13n]), ({ args, log }) => events.push([args.step, args.note, log.removed]))
    await settled()
    for (const number of [11n, 12n, 13n]) await (await contract.count(number, 'watched')).wait()
    const all = await withinPatience(events.wait((told) => told.some(([number]) => number === 13n)), name)
    // by polling alone, ethers asks for the next blocks before it has noted the last ones, and tells of some logs twice
    const once = name === BY_POLLING ? all.filter((each, index) => index === all.findIndex(([number]) => number === each[0])) : all
    assert.deepEqual(once, [[11n, 'watched', false], [13n, 'watched', false]])
    const numbers = await withinPatience(blocks.wait(3), name)
    assert.deepEqual(numbers, numbers.map((_, index) => numbers[0] + index))
    await heard.removeAllListeners()
    await provider.removeAllListeners()
    await settled() // it waits for no answer when it unsubscribes
    await provider.destroy()
  })
}

await step('pending transactions over WebSocket', async () => {
  const provider = new WebSocketProvider(places.ws, 901)
  const hashes = new Heard()
  await provider.on('pending', hashes.push)
  await settled()
  const { hash } = await wallet.sendTransaction({ to: ZeroAddress, value: 1n })
  await withinPatience(hashes.wait((all) => all.includes(hash)), 'a pending transaction')
  await sender.waitForTransaction(hash)
  await provider.removeAllListeners()
  await settled()
  await provider.destroy()
})

process.exit(0)
