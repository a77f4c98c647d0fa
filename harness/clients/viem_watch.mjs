// viem's watchers: subscriptions over WebSocket and a Unix socket, and filters that it polls over HTTP.

import assert from 'node:assert/strict'
import { parseEther, toHex, zeroAddress } from 'viem'
import { Heard, step, tally, withinPatience } from './day.mjs'
import { listener, reader, user } from './viem_network.mjs'

const { account, wallet } = user(4)
const { abi } = tally
const sent = async (hash) => reader.waitForTransactionReceipt({ hash: await hash })
const { contractAddress: address } = await step('deploy', () => sent(wallet.deployContract({ abi, bytecode: tally.bytecode, args: [0n] })))
const contract = { address, abi }
const count = (number) => sent(wallet.writeContract({ ...contract, functionName: 'count', args: [number, 'watched'] }))
const onError = (error) => { throw error }

await step('new heads over WebSocket', async () => {
  const { client, close } = await listener()
  const heads = new Heard()
  const stop = client.watchBlocks({ onBlock: (block) => heads.push(block), onError, emitMissed: true })
  await new Promise((resolve) => setTimeout(resolve, 500))
  for (const number of [1n, 2n, 3n]) await count(number)
  const [first, second, third] = await heads.wait(3)
  assert.deepEqual([second.number, third.number], [first.number + 1n, first.number + 2n])
  assert.equal((await reader.getBlock({ blockNumber: second.number })).hash, second.hash)
  stop()
  await close()
})

const ways = [
  ['WebSocket', () => listener()],
  ['a Unix socket', () => listener(true)],
  ['HTTP, by a filter', async () => ({ client: reader, close: async () => {} })],
]

for (const [name, over] of ways) {
  await step(`events over ${name}`, async () => {
    const { client, close } = await over()
    const events = new Heard()
    const onLogs = (logs) => logs.forEach((log) => events.push(log))
    const stop = client.watchContractEvent({ ...contract, eventName: 'Counted', args: { by: account.address, step: [11n, 13n] }, onLogs, onError })
    await new Promise((resolve) => setTimeout(resolve, 500))
    for (const number of [11n, 12n, 13n]) await count(number)
    const heard = await withinPatience(events.wait(2), name)
    assert.deepEqual(heard.map((log) => [log.args.step, log.removed ?? false]), [[11n, false], [13n, false]])
    stop()
    await close()
  })

  await step(`pending transactions over ${name}`, async () => {
    const { client, close } = await over()
    const hashes = new Heard()
    const stop = client.watchPendingTransactions({ onTransactions: (found) => found.forEach(hashes.push), onError })
    await new Promise((resolve) => setTimeout(resolve, 500))
    const hash = await wallet.sendTransaction({ to: zeroAddress, value: parseEther('0.01') })
    await withinPatience(hashes.wait((all) => all.includes(hash)), name)
    await sent(hash)
    stop()
    await close()
  })
}

await step('filters by hand', async () => {
  const blocks = await reader.createBlockFilter()
  const events = await reader.createContractEventFilter({ ...contract, eventName: 'Counted', fromBlock: 0n })
  await count(21n)
  const hashes = await reader.getFilterChanges({ filter: blocks })
  assert.equal(hashes.at(-1), (await reader.getBlock({ blockHash: hashes.at(-1) })).hash)
  assert.equal((await reader.getFilterChanges({ filter: events })).at(-1).args.step, 21n)
  assert.deepEqual((await reader.getFilterLogs({ filter: events })).at(-1).args.step, 21n)
  assert.deepEqual(await Promise.all([blocks, events].map((filter) => reader.uninstallFilter({ filter }))), [true, true])
  await assert.rejects(reader.getFilterChanges({ filter: events }), /filter not found/)
})

await step('a block that is taken back by hand', async () => {
  const { client, close } = await listener()
  const events = new Heard()
  const stop = client.watchEvent({ address, onLogs: (logs) => logs.forEach(events.push), onError })
  await new Promise((resolve) => setTimeout(resolve, 500))
  const { blockNumber, transactionHash } = await count(31n)
  await withinPatience(events.wait(1), 'the log')
  await reader.request({ method: 'debug_setHead', params: [toHex(blockNumber - 1n)] })
  await withinPatience(events.wait(3), 'the log that comes again') // from the batch if it was posted already, or from the pool
  assert.deepEqual(events.things.map((log) => [log.transactionHash, log.removed]), [false, true, false].map((removed) => [transactionHash, removed]))
  assert.equal((await reader.waitForTransactionReceipt({ hash: transactionHash })).status, 'success')
  stop()
  await close()
})
