// Traces and the pool, which viem reaches by its bare requests.

import assert from 'node:assert/strict'
import { parseEther, toHex, zeroAddress } from 'viem'
import { step, tally } from './day.mjs'
import { reader, user } from './viem_network.mjs'

const { account, wallet } = user(2)
const { abi } = tally
const sent = async (hash) => reader.waitForTransactionReceipt({ hash: await hash })
const { contractAddress: address } = await step('deploy', () => sent(wallet.deployContract({ abi, bytecode: tally.bytecode, args: [7n] })))
const contract = { address, abi }

await step('traces', async () => {
  const receipt = await sent(wallet.writeContract({ ...contract, functionName: 'count', args: [2n, 'traced'] }))
  const trace = await reader.request({ method: 'debug_traceTransaction', params: [receipt.transactionHash, { tracer: 'callTracer', tracerConfig: { withLog: true } }] })
  assert.deepEqual([trace.to, trace.type, BigInt(trace.gasUsed), trace.logs.length], [address.toLowerCase(), 'CALL', receipt.gasUsed, 1])
  const steps = await reader.request({ method: 'debug_traceTransaction', params: [receipt.transactionHash, {}] })
  assert.ok(!steps.failed && steps.structLogs.some((each) => each.op === 'SSTORE'))
  const block = await reader.request({ method: 'debug_traceBlockByHash', params: [receipt.blockHash, { tracer: 'prestateTracer' }] })
  assert.ok(block.some((each) => each.txHash === receipt.transactionHash && address.toLowerCase() in each.result))
})

await step('the pool', async () => {
  const nonce = await reader.getTransactionCount({ address: account.address })
  const hash = await wallet.sendTransaction({ to: zeroAddress, value: parseEther('0.1'), nonce: nonce + 5, gas: 21_000n })
  const status = await reader.request({ method: 'txpool_status' })
  assert.ok(BigInt(status.queued) >= 1n)
  const { queued } = await reader.request({ method: 'txpool_contentFrom', params: [account.address] })
  assert.equal(queued[nonce + 5].hash, hash)
  const waiting = await reader.getTransaction({ hash })
  assert.deepEqual([waiting.blockNumber, waiting.nonce, toHex(waiting.value)], [null, nonce + 5, toHex(parseEther('0.1'))])
})
