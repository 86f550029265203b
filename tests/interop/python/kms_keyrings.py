"""The keyrings of AWS KMS, for worker.py. Every description has `endpoint`: where AWS KMS is.

{"type": "kms", "key": ARN}, also `kms-mrk`
{"type": "kms-multi", "keys": [ARN, ...]}, the first one generates; also `kms-mrk-multi`
{"type": "kms-discovery", "regions": [REGION, ...], "accounts": [ID, ...] or none}, also `kms-mrk-discovery`
{"type": "kms-rsa", "key": ARN, "algorithm": "RSAES_OAEP_SHA_256", "public": NAME OF KEY}
{"type": "kms-ecdh", "schema": "static", "curve": "p256", "key": ARN, "peer": NAME OF KEY}, or `discovery` without peer
"""

import base64

import boto3
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsDiscoveryKeyringInput,
    CreateAwsKmsDiscoveryMultiKeyringInput,
    CreateAwsKmsEcdhKeyringInput,
    CreateAwsKmsKeyringInput,
    CreateAwsKmsMrkDiscoveryKeyringInput,
    CreateAwsKmsMrkDiscoveryMultiKeyringInput,
    CreateAwsKmsMrkKeyringInput,
    CreateAwsKmsMrkMultiKeyringInput,
    CreateAwsKmsMultiKeyringInput,
    CreateAwsKmsRsaKeyringInput,
    DiscoveryFilter,
    KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey,
    KmsEcdhStaticConfigurationsKmsPublicKeyDiscovery,
    KmsPrivateKeyToStaticPublicKeyInput,
    KmsPublicKeyDiscoveryInput,
)
from aws_cryptographic_material_providers.mpl.references import ClientSupplier
from botocore.config import Config

CURVES = {"p256": "ECC_NIST_P256", "p384": "ECC_NIST_P384", "p521": "ECC_NIST_P521"}
CLIENTS = {}


def client(region, endpoint):
    if (region, endpoint) not in CLIENTS:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=20)
        CLIENTS[region, endpoint] = boto3.client("kms", region_name=region, endpoint_url=endpoint, config=config)
    return CLIENTS[region, endpoint]


class Supplier(ClientSupplier):
    """Clients of one endpoint for each region that is asked for."""

    def __init__(self, endpoint):  # noqa: the base class wants what it makes itself
        self.endpoint = endpoint

    def get_client(self, param):
        return client(param.region, self.endpoint)


def make(providers, spec, keys):
    """The keyring that `spec` describes. `keys` are those of the worker, by name."""
    kind, endpoint = spec["type"], spec["endpoint"]
    if kind in ("kms", "kms-mrk"):
        arguments = {"kms_key_id": spec["key"], "kms_client": client(region_of(spec["key"]), endpoint)}
        if kind == "kms":
            return providers.create_aws_kms_keyring(CreateAwsKmsKeyringInput(**arguments))
        return providers.create_aws_kms_mrk_keyring(CreateAwsKmsMrkKeyringInput(**arguments))
    if kind in ("kms-multi", "kms-mrk-multi"):
        generator, *children = spec["keys"]
        arguments = {"generator": generator, "kms_key_ids": children, "client_supplier": Supplier(endpoint)}
        if kind == "kms-multi":
            return providers.create_aws_kms_multi_keyring(CreateAwsKmsMultiKeyringInput(**arguments))
        return providers.create_aws_kms_mrk_multi_keyring(CreateAwsKmsMrkMultiKeyringInput(**arguments))
    if kind in ("kms-discovery", "kms-mrk-discovery"):
        return discovery(providers, spec)
    if kind == "kms-rsa":
        return providers.create_aws_kms_rsa_keyring(
            CreateAwsKmsRsaKeyringInput(
                kms_key_id=spec["key"],
                encryption_algorithm=spec["algorithm"],
                public_key=keys[spec["public"]]["public_spki_pem"].encode(),
                kms_client=client(region_of(spec["key"]), endpoint),
            )
        )
    return providers.create_aws_kms_ecdh_keyring(
        CreateAwsKmsEcdhKeyringInput(
            curve_spec=CURVES[spec["curve"]],
            key_agreement_scheme=schema(spec, keys),
            kms_client=client(region_of(spec["key"]), endpoint),
        )
    )


def discovery(providers, spec):
    regions, accounts = spec["regions"], spec.get("accounts")
    arguments = {"discovery_filter": DiscoveryFilter(account_ids=accounts, partition="aws")} if accounts else {}
    mrk = spec["type"] == "kms-mrk-discovery"
    if len(regions) > 1:
        arguments |= {"regions": regions, "client_supplier": Supplier(spec["endpoint"])}
        if mrk:
            return providers.create_aws_kms_mrk_discovery_multi_keyring(
                CreateAwsKmsMrkDiscoveryMultiKeyringInput(**arguments)
            )
        return providers.create_aws_kms_discovery_multi_keyring(CreateAwsKmsDiscoveryMultiKeyringInput(**arguments))
    arguments["kms_client"] = client(regions[0], spec["endpoint"])
    if mrk:
        return providers.create_aws_kms_mrk_discovery_keyring(
            CreateAwsKmsMrkDiscoveryKeyringInput(region=regions[0], **arguments)
        )
    return providers.create_aws_kms_discovery_keyring(CreateAwsKmsDiscoveryKeyringInput(**arguments))


def schema(spec, keys):
    if spec["schema"] == "discovery":
        return KmsEcdhStaticConfigurationsKmsPublicKeyDiscovery(
            KmsPublicKeyDiscoveryInput(recipient_kms_identifier=spec["key"])
        )
    return KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey(
        KmsPrivateKeyToStaticPublicKeyInput(
            sender_kms_identifier=spec["key"],
            recipient_public_key=base64.b64decode("".join(keys[spec["peer"]]["public_spki_pem"].splitlines()[1:-1])),
        )
    )


def region_of(arn):
    return arn.split(":")[3]
