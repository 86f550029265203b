"""Runs encrypt and decrypt jobs with the official Python packages.

One JSON object per line on standard input, one answer per line on standard output. The first job names the keys:

    {"op": "keys", "keys": {"aes-256-a": {"type": "aes", "material_hex": "..."}, ...}}
    {"op": "encrypt", "keyring": {...}, "suite_id": "0x0478", "frame_length": 128, "encryption_context": {...},
     "required_encryption_context_keys": [...], "plaintext": BASE64}
    {"op": "decrypt", "keyring": {...}, "reproduced_encryption_context": {...}, "commitment_policy": "...",
     "max_encrypted_data_keys": N, "message": BASE64}

`api` chooses `keyring` (the Material Providers Library, the default) or `master-key` (the older interface).
An answer is {"ok": true, ...} or {"ok": false, "error": "..."}; a failed job never ends the process.
"""

import base64
import json
import logging
import sys

import aws_encryption_sdk
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    CreateDefaultCryptographicMaterialsManagerInput,
    CreateMultiKeyringInput,
    CreateRawAesKeyringInput,
    CreateRawEcdhKeyringInput,
    CreateRawRsaKeyringInput,
    CreateRequiredEncryptionContextCMMInput,
    EphemeralPrivateKeyToStaticPublicKeyInput,
    PublicKeyDiscoveryInput,
    RawEcdhStaticConfigurationsEphemeralPrivateKeyToStaticPublicKey,
    RawEcdhStaticConfigurationsPublicKeyDiscovery,
    RawEcdhStaticConfigurationsRawPrivateKeyToStaticPublicKey,
    RawPrivateKeyToStaticPublicKeyInput,
)
from aws_encryption_sdk.identifiers import AlgorithmSuite, CommitmentPolicy, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKey

import kms_keyrings

PROVIDERS = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
AES_KEYRING = {16: "ALG_AES128_GCM_IV12_TAG16", 24: "ALG_AES192_GCM_IV12_TAG16", 32: "ALG_AES256_GCM_IV12_TAG16"}
AES_MASTER_KEY = {
    16: WrappingAlgorithm.AES_128_GCM_IV12_TAG16_NO_PADDING,
    24: WrappingAlgorithm.AES_192_GCM_IV12_TAG16_NO_PADDING,
    32: WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
}
RSA_KEYRING = {
    "pkcs1": "PKCS1",
    "oaep-sha1": "OAEP_SHA1_MGF1",
    "oaep-sha256": "OAEP_SHA256_MGF1",
    "oaep-sha384": "OAEP_SHA384_MGF1",
    "oaep-sha512": "OAEP_SHA512_MGF1",
}
ECDH_CURVE = {"p256": "ECC_NIST_P256", "p384": "ECC_NIST_P384", "p521": "ECC_NIST_P521"}
RSA_MASTER_KEY = {
    "pkcs1": WrappingAlgorithm.RSA_PKCS1,
    "oaep-sha1": WrappingAlgorithm.RSA_OAEP_SHA1_MGF1,
    "oaep-sha256": WrappingAlgorithm.RSA_OAEP_SHA256_MGF1,
    "oaep-sha384": WrappingAlgorithm.RSA_OAEP_SHA384_MGF1,
    "oaep-sha512": WrappingAlgorithm.RSA_OAEP_SHA512_MGF1,
}
KEYS = {}
KEYRINGS = {}


def keyring(spec):
    """The keyring that `spec` describes, made once: loading an RSA key is slow."""
    cached = json.dumps(spec, sort_keys=True)
    if cached not in KEYRINGS:
        KEYRINGS[cached] = make_keyring(spec)
    return KEYRINGS[cached]


def make_keyring(spec):
    if spec["type"] == "multi":
        return PROVIDERS.create_multi_keyring(
            CreateMultiKeyringInput(
                generator=keyring(spec["generator"]) if spec.get("generator") else None,
                child_keyrings=[keyring(child) for child in spec["children"]],
            )
        )
    if spec["type"] == "raw-ecdh":
        return PROVIDERS.create_raw_ecdh_keyring(
            CreateRawEcdhKeyringInput(curve_spec=ECDH_CURVE[spec["curve"]], key_agreement_scheme=schema(spec))
        )
    if spec["type"].startswith("kms"):
        return kms_keyrings.make(PROVIDERS, spec, KEYS)
    key = KEYS[spec["key"]]
    if spec["type"] == "raw-aes":
        material = bytes.fromhex(key["material_hex"])
        return PROVIDERS.create_raw_aes_keyring(
            CreateRawAesKeyringInput(
                key_namespace=spec["namespace"],
                key_name=spec["name"],
                wrapping_key=material,
                wrapping_alg=AES_KEYRING[len(material)],
            )
        )
    return PROVIDERS.create_raw_rsa_keyring(
        CreateRawRsaKeyringInput(
            key_namespace=spec["namespace"],
            key_name=spec["name"],
            padding_scheme=RSA_KEYRING[spec["padding"]],
            public_key=key["public_spki_pem"].encode(),
            private_key=key["private_pkcs8_pem"].encode(),
        )
    )


def schema(spec):
    """The key agreement schema of a raw ECDH keyring. Static: `sender` is whose keyring it is, whoever wrote the message."""

    def private(party):
        return KEYS[spec[party]]["private_pkcs8_pem"].encode()

    def public(party):
        return base64.b64decode("".join(KEYS[spec[party]]["public_spki_pem"].splitlines()[1:-1]))

    if spec["schema"] == "static":
        return RawEcdhStaticConfigurationsRawPrivateKeyToStaticPublicKey(
            RawPrivateKeyToStaticPublicKeyInput(
                sender_static_private_key=private("sender"), recipient_public_key=public("recipient")
            )
        )
    if spec["schema"] == "ephemeral":
        return RawEcdhStaticConfigurationsEphemeralPrivateKeyToStaticPublicKey(
            EphemeralPrivateKeyToStaticPublicKeyInput(recipient_public_key=public("recipient"))
        )
    return RawEcdhStaticConfigurationsPublicKeyDiscovery(
        PublicKeyDiscoveryInput(recipient_static_private_key=private("recipient"))
    )


def master_key(spec):
    """The same as a provider of the older interface. A multi keyring becomes its generator with the children added."""
    if spec["type"] == "multi":
        first = master_key(spec["generator"])
        for child in spec["children"]:
            first.add_master_key_provider(master_key(child))
        return first
    key = KEYS[spec["key"]]
    if spec["type"] == "raw-aes":
        material = bytes.fromhex(key["material_hex"])
        wrapping = WrappingKey(AES_MASTER_KEY[len(material)], material, EncryptionKeyType.SYMMETRIC)
    else:
        # A private key wraps too: the public half is taken from it.
        wrapping = WrappingKey(
            RSA_MASTER_KEY[spec["padding"]], key["private_pkcs8_pem"].encode(), EncryptionKeyType.PRIVATE
        )
    return RawMasterKey(provider_id=spec["namespace"], key_id=spec["name"].encode(), wrapping_key=wrapping)


def keys_argument(job):
    if job.get("api", "keyring") == "master-key":
        return {"key_provider": master_key(job["keyring"])}
    return {"keyring": keyring(job["keyring"])}


def encrypt(job):
    suite = AlgorithmSuite.get_by_id(int(job["suite_id"], 16))
    policy = (
        CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
        if suite.is_committing()
        else CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
    )
    client = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=policy)
    arguments = keys_argument(job)
    if job.get("required_encryption_context_keys"):
        default = PROVIDERS.create_default_cryptographic_materials_manager(
            CreateDefaultCryptographicMaterialsManagerInput(keyring=arguments["keyring"])
        )
        arguments = {
            "materials_manager": PROVIDERS.create_required_encryption_context_cmm(
                CreateRequiredEncryptionContextCMMInput(
                    underlying_cmm=default,
                    required_encryption_context_keys=job["required_encryption_context_keys"],
                )
            )
        }
    message, header = client.encrypt(
        source=base64.b64decode(job["plaintext"]),
        algorithm=suite,
        frame_length=job["frame_length"],
        encryption_context=job["encryption_context"],
        **arguments,
    )
    return {"message": base64.b64encode(message).decode(), "encryption_context": header.encryption_context}


def decrypt(job):
    limit = {}
    if job.get("max_encrypted_data_keys"):
        limit["max_encrypted_data_keys"] = job["max_encrypted_data_keys"]
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy[job.get("commitment_policy") or "REQUIRE_ENCRYPT_ALLOW_DECRYPT"], **limit
    )
    arguments = keys_argument(job)
    if job.get("reproduced_encryption_context") is not None:
        arguments["encryption_context"] = job["reproduced_encryption_context"]
    plaintext, header = client.decrypt(source=base64.b64decode(job["message"]), **arguments)
    return {"plaintext": base64.b64encode(plaintext).decode(), "encryption_context": header.encryption_context}


def set_keys(job):
    KEYS.update(job["keys"])
    return {}


def told(error):
    """An error with those that it was made from."""
    causes = [*getattr(error, "list", []), *(cause for cause in error.args if isinstance(cause, Exception))]
    causes = [told(cause) for cause in causes]
    return f"{type(error).__name__}: {error}" + (f" [{'; '.join(causes)}]" if causes else "")


def main():
    logging.disable(logging.CRITICAL)
    operations = {"keys": set_keys, "encrypt": encrypt, "decrypt": decrypt}
    # Packages that print must not break the protocol.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = {"ok": True, **operations[job["op"]](job)}
        except Exception as error:  # noqa: BLE001, a failed job is an answer
            answer = {"ok": False, "error": told(error)[:1000]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
