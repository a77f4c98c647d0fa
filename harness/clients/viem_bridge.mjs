// The bridge with viem's OP Stack actions: a deposit from L1, deposits that call and create, and a withdrawal with its proof checked here.

import assert from 'node:assert/strict'
import { concat, encodeFunctionData, getContractAddress, keccak256, parseEther, toHex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { chainConfig, getL2TransactionHashes, getWithdrawals } from 'viem/op-stack'
import { places, step, tally, until } from './day.mjs'
import { blockHash, checkProof, l1Reader, l2, reader, user } from './viem_network.mjs'

const { account, wallet, onL1 } = user(3)
const { abi } = tally
const PASSER = chainConfig.contracts.l2ToL1MessagePasser.address

/** Sends a deposit on L1; its receipt there and its receipt on L2. */
async function deposit(request) {
  const gas = await l1Reader.estimateContractGas(portalCall(request))
  const onItsWay = await l1Reader.waitForTransactionReceipt({ hash: await onL1.depositTransaction({ ...request, gas }) })
  assert.equal(onItsWay.status, 'success')
  const [hash] = getL2TransactionHashes(onItsWay)
  return { l1: onItsWay, l2: await reader.waitForTransactionReceipt({ hash }) }
}

function portalCall({ request: { to, value, mint, gas, isCreation = false, data = '0x' } }) {
  const portalAbi = [{
    type: 'function', name: 'depositTransaction', stateMutability: 'payable', outputs: [],
    inputs: ['address', 'uint256', 'uint64', 'bool', 'bytes'].map((type) => ({ type })),
  }]
  const args = [to ?? `0x${'00'.repeat(20)}`, value ?? mint ?? 0n, gas, isCreation, data]
  return { account, address: places.portal, abi: portalAbi, functionName: 'depositTransaction', args, value: mint }
}

async function rollup(method, ...params) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const answer = await (await fetch(places.rollup, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json()
  assert.equal(answer.error, undefined, JSON.stringify(answer.error))
  return answer.result
}

await step('L1 as viem sees it', async () => {
  assert.equal(await l1Reader.getChainId(), 900)
  const block = await l1Reader.request({ method: 'eth_getBlockByNumber', params: ['latest', false] })
  assert.equal(blockHash(block), block.hash)
  const { maxFeePerGas } = await l1Reader.estimateFeesPerGas()
  assert.ok(maxFeePerGas > 0n)
  assert.ok((await l1Reader.getBalance({ address: account.address })) > parseEther('100'))
})

await step('a deposit of ether', async () => {
  const to = privateKeyToAccount(generatePrivateKey()).address
  const request = await reader.buildDepositTransaction({ account, mint: parseEther('2'), to })
  const receipts = await deposit(request)
  assert.deepEqual([receipts.l2.status, receipts.l2.type], ['success', '0x7e'])
  assert.equal(await reader.getBalance({ address: to }), parseEther('2'))
  assert.equal((await reader.getTransaction({ hash: receipts.l2.transactionHash })).mint, parseEther('2'))
})

await step('logs of the portal', async () => {
  const logs = await l1Reader.getLogs({ address: places.portal, fromBlock: 0n, toBlock: 'latest' })
  assert.ok(logs.length >= 1)
  const [again] = await l1Reader.getLogs({ address: places.portal, blockHash: logs[0].blockHash })
  assert.deepEqual(again.topics, logs[0].topics)
  const topic = logs[0].topics[0]
  assert.equal((await l1Reader.request({ method: 'eth_getLogs', params: [{ fromBlock: '0x0', topics: [[topic], null] }] })).length, logs.length)
  assert.deepEqual(await l1Reader.getLogs({ address: account.address, fromBlock: 0n }), [])
})

await step('deposits that create and call', async () => {
  const { nonce } = await reader.getProof({ address: account.address, storageKeys: [] })
  const initCode = concat([tally.bytecode, toHex(4, { size: 32 })])
  const made = await deposit(await reader.buildDepositTransaction({ account, isCreation: true, data: initCode, gas: 2_000_000n }))
  assert.equal(made.l2.status, 'success')
  const address = getContractAddress({ from: account.address, nonce: BigInt(nonce) })
  assert.equal(made.l2.contractAddress.toLowerCase(), address.toLowerCase())
  const data = encodeFunctionData({ abi, functionName: 'count', args: [3n, 'from L1'] })
  const called = await deposit(await reader.buildDepositTransaction({ account, to: address, data, gas: 500_000n }))
  assert.equal(called.l2.status, 'success')
  assert.equal(await reader.readContract({ abi, address, functionName: 'total' }), 7n)
  const refused = encodeFunctionData({ abi, functionName: 'count', args: [300n, ''] })
  assert.equal((await deposit(await reader.buildDepositTransaction({ account, to: address, data: refused, gas: 500_000n }))).l2.status, 'reverted')
})

await step('a withdrawal and its proof', async () => {
  const request = await l1Reader.buildInitiateWithdrawal({ account, to: account.address, value: parseEther('1'), gas: 100_000n })
  const receipt = await reader.waitForTransactionReceipt({ hash: await wallet.initiateWithdrawal(request) })
  assert.equal(receipt.status, 'success')
  const [withdrawal] = getWithdrawals(receipt)
  assert.equal(withdrawal.value, parseEther('1'))
  const output = await until(async () => {
    const { safe_l2: safe } = await rollup('optimism_syncStatus')
    return BigInt(safe.number) >= receipt.blockNumber && rollup('optimism_outputAtBlock', toHex(safe.number))
  })
  const l2BlockNumber = BigInt(output.blockRef.number)
  const built = await reader.buildProveWithdrawal({ account, withdrawal, output: { outputIndex: 0n, outputRoot: output.outputRoot, timestamp: 0n, l2BlockNumber } })
  const { version, stateRoot, messagePasserStorageRoot, latestBlockhash } = built.outputRootProof
  assert.equal(keccak256(concat([version, stateRoot, messagePasserStorageRoot, latestBlockhash])), output.outputRoot)
  assert.equal(messagePasserStorageRoot, output.withdrawalStorageRoot)
  const block = await reader.request({ method: 'eth_getBlockByNumber', params: [toHex(l2BlockNumber), false] })
  assert.deepEqual([blockHash(block), block.withdrawalsRoot], [latestBlockhash, messagePasserStorageRoot])
  const slot = keccak256(concat([withdrawal.withdrawalHash, toHex(0, { size: 32 })]))
  const proof = await reader.getProof({ address: PASSER, storageKeys: [slot], blockNumber: l2BlockNumber })
  checkProof(stateRoot, proof)
  assert.deepEqual([proof.storageHash, proof.storageProof[0].value], [messagePasserStorageRoot, 1n])
  assert.deepEqual(built.withdrawalProof.slice(0, proof.storageProof[0].proof.length), proof.storageProof[0].proof)
  assert.equal(built.targetChain, l2)
})
