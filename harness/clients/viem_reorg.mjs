// A reorg as viem sees it: this script is the engine's rollup node too. It lets the engine build a block with an event, makes another block on
// the same parent the head, and then goes back to the first. Subscribers must hear of all three.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { toHex } from 'viem'
import { Heard, places, step, tally, withinPatience } from './day.mjs'
import { listener, reader, user } from './viem_network.mjs'

const { account, wallet } = user(1)
const { abi } = tally
const NONE = `0x${'00'.repeat(32)}`
const base64 = (text) => Buffer.from(text).toString('base64url')

/** One call of the Engine API, with a token of this moment. */
async function engine(method, ...params) {
  const signed = `${base64('{"typ":"JWT","alg":"HS256"}')}.${base64(JSON.stringify({ iat: Math.floor(Date.now() / 1000) }))}`
  const token = `${signed}.${createHmac('sha256', Buffer.from(places.secret, 'hex')).update(signed).digest('base64url')}`
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const answer = await (await fetch(places.engine, { method: 'POST', headers, body })).json()
  assert.equal(answer.error, undefined, JSON.stringify(answer.error))
  return answer.result
}

async function choose(headBlockHash, attributes = null) {
  const result = await engine('engine_forkchoiceUpdatedV3', { headBlockHash, safeBlockHash: NONE, finalizedBlockHash: NONE }, attributes)
  assert.equal(result.payloadStatus.status, 'VALID')
  return result.payloadId
}

/** A new block on a parent, with what waits in the pool or without; its hash. It is not the head yet. */
async function build(parent, { pool = true, salt = 0 } = {}) {
  const attributes = {
    timestamp: toHex(parent.timestamp + 2n),
    prevRandao: toHex(salt, { size: 32 }),
    suggestedFeeRecipient: '0x4200000000000000000000000000000000000011',
    withdrawals: [],
    parentBeaconBlockRoot: NONE,
    transactions: [places.l1Attributes],
    noTxPool: !pool,
    gasLimit: toHex(parent.gasLimit),
    eip1559Params: '0x0000000000000000',
    minBaseFee: '0x0',
  }
  const id = await choose(parent.hash, attributes)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const { executionPayload, parentBeaconBlockRoot } = await engine('engine_getPayloadV5', id)
  assert.equal((await engine('engine_newPayloadV4', executionPayload, [], parentBeaconBlockRoot, [])).status, 'VALID')
  return executionPayload.blockHash
}

const latest = () => reader.getBlock({ blockTag: 'latest' })

const address = await step('deploy', async () => {
  const hash = await wallet.deployContract({ abi, bytecode: tally.bytecode, args: [0n], gas: 2_000_000n })
  await choose(await build(await latest()))
  return (await reader.getTransactionReceipt({ hash })).contractAddress
})

await step('a reorg takes a log back, and brings it again', async () => {
  const { client, close } = await listener()
  const [heads, logs] = [new Heard(), new Heard()]
  const onError = (error) => { throw error }
  const stops = [client.watchBlocks({ onBlock: heads.push, onError }), client.watchEvent({ address, onLogs: (found) => found.forEach(logs.push), onError })]
  const filter = await reader.createContractEventFilter({ address, abi })
  await new Promise((resolve) => setTimeout(resolve, 500))

  const parent = await latest()
  const hash = await wallet.writeContract({ address, abi, functionName: 'count', args: [5n, 'here and gone'], gas: 200_000n })
  const first = await build(parent)
  await choose(first)
  await withinPatience(logs.wait(1), 'the log')
  assert.equal(await reader.readContract({ address, abi, functionName: 'total' }), 5n)

  const second = await build(parent, { pool: false, salt: 1 })
  await choose(second)
  await withinPatience(logs.wait(2), 'the log that is taken back')
  assert.equal(await reader.readContract({ address, abi, functionName: 'total' }), 0n)
  await assert.rejects(reader.getTransactionReceipt({ hash }), /could not be found/)

  await choose(first)
  await withinPatience(logs.wait(3), 'the log that comes again')
  assert.equal((await reader.getTransactionReceipt({ hash })).blockHash, first)
  const told = logs.things.map((log) => [log.blockHash, log.transactionHash, log.removed])
  assert.deepEqual(told, [[first, hash, false], [first, hash, true], [first, hash, false]])
  await heads.wait(3)
  assert.deepEqual(heads.things.map((block) => block.hash), [first, second, first])
  const changes = await reader.getFilterChanges({ filter })
  assert.deepEqual(changes.map((log) => log.removed), [false, true, false])
  stops.forEach((stop) => stop())
  await close()
})

await step('a transaction that lost its block waits for another', async () => {
  const parent = await latest()
  const hash = await wallet.sendTransaction({ account, to: account.address, value: 1n, gas: 21_000n })
  await choose(await build(parent))
  assert.equal((await reader.getTransactionReceipt({ hash })).status, 'success')
  await choose(await build(parent, { pool: false, salt: 2 }))
  assert.equal((await reader.getTransaction({ hash })).blockNumber, null)
  const sibling = await latest()
  await choose(await build(sibling))
  assert.equal((await reader.getTransactionReceipt({ hash })).blockNumber, sibling.number + 1n)
})
