// @aws-crypto/client-node, streaming, answering the jobs that src/lib.rs describes.
'use strict'

// Where npm put the packages is given from outside: they live in target/, not beside this file.
const { createRequire } = require('node:module')
const path = require('node:path')
const load = createRequire(path.join(process.env.PEERS_NODE_DIR, 'package.json'))
const esdk = load('@aws-crypto/client-node')
const fs = require('node:fs')
const readline = require('node:readline')
const { Readable, Writable } = require('node:stream')
const { pipeline } = require('node:stream/promises')

// What a file gives at a time, too.
const CHUNK_LEN = 64 * 1024
const client = esdk.buildClient(esdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const keyring = new esdk.RawAesKeyringNode({
  keyNamespace: 'bench',
  keyName: 'raw',
  unencryptedMasterKey: new Uint8Array(32).fill(7),
  wrappingSuite: esdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  utf8Sorting: true,
})

let cell
let input

function through(cell) {
  if (cell.direction === 'decrypt') {
    return cell.signed ? client.decryptStream(keyring) : client.decryptUnsignedMessageStream(keyring)
  }
  const suites = esdk.AlgorithmSuiteIdentifier
  return client.encryptStream(keyring, {
    suiteId: cell.signed
      ? suites.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY_ECDSA_P384
      : suites.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
    // No plaintextLength: it counts the rest of a chunk again for each frame, and refuses what is allowed.
    frameLength: cell.frame_len,
  })
}

function* chunks(bytes) {
  for (let start = 0; start < bytes.length; start += CHUNK_LEN) yield bytes.subarray(start, start + CHUNK_LEN)
}

async function prepare(job) {
  cell = job
  input = Buffer.alloc(job.len, Buffer.from(Array.from({ length: 251 }, (_, i) => i)))
  if (job.direction === 'decrypt') {
    const message = []
    const sink = new Writable({ write: (chunk, _, done) => (message.push(chunk), done()) })
    await pipeline(Readable.from(chunks(input)), through({ ...job, direction: 'encrypt' }), sink)
    input = Buffer.concat(message)
  }
  return {}
}

async function run(job) {
  let seconds = 0
  for (let time = 0; time < job.times; time++) seconds += await once()
  return { seconds }
}

async function once() {
  let len = 0
  const sink = new Writable({ write: (chunk, _, done) => ((len += chunk.length), done()) })
  const begun = process.hrtime.bigint()
  await pipeline(Readable.from(chunks(input)), through(cell), sink)
  const took = Number(process.hrtime.bigint() - begun) / 1e9
  if (cell.direction === 'decrypt' && len !== cell.len) throw new Error('the plaintext has another length')
  return took
}

async function copy(job) {
  await pipeline(fs.createReadStream(job.input), through(job), fs.createWriteStream(job.output))
  return {}
}

async function main() {
  const operations = { prepare, run, copy }
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const job = JSON.parse(line)
    let answer
    try {
      answer = await operations[job.op](job)
    } catch (error) {
      answer = { error: String(error) }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

main()
