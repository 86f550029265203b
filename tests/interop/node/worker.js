// Runs encrypt and decrypt jobs with the official JavaScript package; the protocol is that of python/worker.py.
'use strict'

// Where npm put the packages is given from outside: they live in target/, not beside this file.
const { createRequire } = require('node:module')
const path = require('node:path')
const load = createRequire(path.join(process.env.INTEROP_NODE_DIR ?? __dirname, 'package.json'))
const esdk = load('@aws-crypto/client-node')
const { constants } = require('node:crypto')
const readline = require('node:readline')

const JOB_TIMEOUT_MS = 20_000
const keys = {}
const keyrings = new Map()

function keyring(spec) {
  const cached = JSON.stringify(spec)
  if (!keyrings.has(cached)) keyrings.set(cached, makeKeyring(spec))
  return keyrings.get(cached)
}

function makeKeyring(spec) {
  if (spec.type === 'multi') {
    return new esdk.MultiKeyringNode({
      generator: spec.generator ? keyring(spec.generator) : undefined,
      children: spec.children.map(keyring),
    })
  }
  if (spec.type.startsWith('kms')) return kmsKeyring(spec)
  const key = keys[spec.key]
  if (spec.type === 'raw-aes') {
    // An isolated copy: the package insists that the key fills its own ArrayBuffer.
    const material = new Uint8Array(Buffer.from(key.material_hex, 'hex'))
    const suites = esdk.RawAesWrappingSuiteIdentifier
    return new esdk.RawAesKeyringNode({
      keyNamespace: spec.namespace,
      keyName: spec.name,
      unencryptedMasterKey: material,
      wrappingSuite: {
        16: suites.AES128_GCM_IV12_TAG16_NO_PADDING,
        24: suites.AES192_GCM_IV12_TAG16_NO_PADDING,
        32: suites.AES256_GCM_IV12_TAG16_NO_PADDING,
      }[material.length],
      // Without it the context is sorted by UTF-16 units and other implementations cannot open the message.
      utf8Sorting: true,
    })
  }
  const pkcs1 = spec.padding === 'pkcs1'
  return new esdk.RawRsaKeyringNode({
    keyNamespace: spec.namespace,
    keyName: spec.name,
    rsaKey: { publicKey: key.public_spki_pem, privateKey: key.private_pkcs8_pem },
    padding: pkcs1 ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: pkcs1 ? undefined : spec.padding.slice('oaep-'.length),
  })
}

// The keyrings of AWS KMS, described as in python/kms_keyrings.py.
function kmsKeyring(spec) {
  const clientProvider = esdk.getClient(esdk.KMS, { endpoint: spec.endpoint, maxAttempts: 1 })
  if (spec.type.endsWith('discovery')) {
    const { regions, accounts } = spec
    const discoveryFilter = accounts ? { accountIDs: accounts, partition: 'aws' } : undefined
    if (spec.type === 'kms-mrk-discovery') {
      return esdk.buildAwsKmsMrkAwareDiscoveryMultiKeyringNode({ regions, clientProvider, discoveryFilter })
    }
    const limited = esdk.limitRegions(regions, clientProvider)
    return new esdk.KmsKeyringNode({ discovery: true, discoveryFilter, clientProvider: limited })
  }
  const [generatorKeyId, ...keyIds] = spec.keys ?? [spec.key]
  const input = { generatorKeyId, keyIds, clientProvider }
  return spec.type.startsWith('kms-mrk')
    ? esdk.buildAwsKmsMrkAwareStrictMultiKeyringNode(input)
    : new esdk.KmsKeyringNode(input)
}

async function encrypt(job) {
  const suiteId = parseInt(job.suite_id, 16)
  const commits = suiteId === 0x0478 || suiteId === 0x0578
  const client = esdk.buildClient(
    commits
      ? esdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
      : esdk.CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
  )
  const plaintext = Buffer.from(job.plaintext, 'base64')
  const { result, messageHeader } = await client.encrypt(keyring(job.keyring), plaintext, {
    suiteId,
    frameLength: job.frame_length,
    encryptionContext: job.encryption_context,
    plaintextLength: plaintext.length,
  })
  return { message: result.toString('base64'), encryption_context: { ...messageHeader.encryptionContext } }
}

async function decrypt(job) {
  if (job.reproduced_encryption_context) throw new Error('this package has no reproduced encryption context')
  const client = esdk.buildClient({
    commitmentPolicy: esdk.CommitmentPolicy[job.commitment_policy ?? 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'],
    maxEncryptedDataKeys: job.max_encrypted_data_keys ?? false,
  })
  const { plaintext, messageHeader } = await client.decrypt(keyring(job.keyring), Buffer.from(job.message, 'base64'))
  return { plaintext: plaintext.toString('base64'), encryption_context: { ...messageHeader.encryptionContext } }
}

async function setKeys(job) {
  Object.assign(keys, job.keys)
  return {}
}

const operations = { keys: setKeys, encrypt, decrypt }

// A broken message can leave the package's stream waiting for ever.
function withTimeout(promise) {
  let timer
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer: the stream never ended')), JOB_TIMEOUT_MS)
  })
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer))
}

// Some failures surface a second time outside the promise.
process.on('uncaughtException', (error) => console.error('after the job:', error.message))
process.on('unhandledRejection', (error) => console.error('after the job:', error?.message))

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const job = JSON.parse(line)
    let answer
    try {
      answer = { ok: true, ...(await withTimeout(operations[job.op](job))) }
    } catch (error) {
      answer = { ok: false, error: `${error.name}: ${error.message}`.slice(0, 1000) }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

main()
