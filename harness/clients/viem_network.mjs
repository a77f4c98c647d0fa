// viem's view of the devnet: its two chains, clients for both, and accounts.

import { createPublicClient, createWalletClient, defineChain, fromRlp, http, keccak256, toRlp, webSocket } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { ipc } from 'viem/node'
import { chainConfig, publicActionsL1, publicActionsL2, walletActionsL1, walletActionsL2 } from 'viem/op-stack'
import { MNEMONIC, places } from './day.mjs'
import { proofChecks } from './trie.mjs'

const nativeCurrency = { name: 'Ether', symbol: 'ETH', decimals: 18 }

export const l1 = defineChain({ id: 900, name: 'devnet L1', nativeCurrency, rpcUrls: { default: { http: [places.l1] } } })
export const l2 = defineChain({
  ...chainConfig,
  id: 901,
  name: 'devnet',
  sourceId: 900,
  nativeCurrency,
  rpcUrls: { default: { http: [places.http] } },
  contracts: { ...chainConfig.contracts, portal: { 900: { address: places.portal } } },
})

const pollingInterval = 200

/** The account of that number, with a wallet on L2 and one on L1. */
export function user(index) {
  const account = mnemonicToAccount(MNEMONIC, { addressIndex: index })
  return {
    account,
    wallet: createWalletClient({ account, chain: l2, transport: http(), pollingInterval }).extend(walletActionsL2()),
    onL1: createWalletClient({ account, chain: l1, transport: http(), pollingInterval }).extend(walletActionsL1()),
  }
}

export const reader = createPublicClient({ chain: l2, transport: http(), pollingInterval }).extend(publicActionsL2())
export const l1Reader = createPublicClient({ chain: l1, transport: http(), pollingInterval }).extend(publicActionsL1())

/** A client of its own over WebSocket or, `overIpc`, a Unix socket, and what closes it. */
export async function listener(overIpc = false) {
  const transport = overIpc ? ipc(places.ipc, { reconnect: false }) : webSocket(places.ws, { reconnect: false })
  const client = createPublicClient({ chain: l2, transport })
  return { client, close: async () => (await client.transport.getRpcClient()).close() }
}

export const { blockHash, checkProof } = proofChecks({ keccak: keccak256, encode: (value) => toRlp(value), decode: (bytes) => fromRlp(bytes, 'hex') })
