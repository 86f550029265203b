"""Checks with AWS KMS: FakeKms, which examples/fake_kms_server.rs serves, and moto, which knows fewer keys."""

import base64
import contextlib
import importlib.util
import itertools
import json
import os
import subprocess
import textwrap
import urllib.request

import workers
from parties import CONTEXTS, Failure, pair, plaintext_of, raw_aes, raw_ecdh, refused, refuses

IRELAND, VIRGINIA = "eu-west-1", "us-east-1"
BOTH = [IRELAND, VIRGINIA]
STRANGER = "999988887777"
# Committing or not, signed or not, and one without a derived key.
SUITES = ["0x0578", "0x0478", "0x0378", "0x0178", "0x0014"]
UNSIGNED = ["0x0478", "0x0178", "0x0014"]
CURVES = {"p256": "ECC_NIST_P256", "p384": "ECC_NIST_P384", "p521": "ECC_NIST_P521"}
# What refusals must say: that no key is the right one, or that AWS KMS refused.
NO_KEY = {
    "python": "No Encrypted Data Keys found to match",
    "node": "unencryptedDataKey has not been set",
    "waxseal": 4,
}
REFUSED = {"python": "CollectionOfErrors", "node": "one or more KMS CMKs had an error", "waxseal": 4}
# waxseal was told which pairs to require: it names them.
OTHER_PAIRS = {**REFUSED, "waxseal": 6}
# Whatever the machine says of AWS must not matter.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAINTEROP",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


def settle_environment():
    """For this process and all that it starts."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT)


def call(endpoint, region, operation, **fields):
    """A call of AWS KMS. The region is taken from the signature, which no emulator verifies."""
    scope = f"AWS4-HMAC-SHA256 Credential=AKIAINTEROP/20260101/{region}/kms/aws4_request"
    headers = {
        "Authorization": f"{scope}, SignedHeaders=host, Signature=0",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"TrentService.{operation}",
    }
    request = urllib.request.Request(endpoint, json.dumps(fields).encode(), headers)  # noqa: S310, on loopback
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        return json.load(answer)


def public_pem(endpoint, arn):
    der = call(endpoint, arn.split(":")[3], "GetPublicKey", KeyId=arn)["PublicKey"]
    lines = "\n".join(textwrap.wrap(der, 64))
    return f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"


class FakeKms:
    """The example, as a process. It ends when its input does, so also when this process is killed."""

    def __init__(self, binary):
        self.process = subprocess.Popen([str(binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().strip()

    def ask(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer or answer.startswith("error:"):
            raise Failure(f"the fake AWS KMS refuses {command}: {answer}")
        return answer


@contextlib.contextmanager
def fake(binary):
    server = FakeKms(binary)
    try:
        yield server
    finally:
        end(server.process)


def end(process):
    """Ends what ends with its input."""
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# Ends with its input, so also when this process is killed.
MOTO = """
import os, sys, threading
from moto.server import main
threading.Thread(target=lambda: os._exit(len(sys.stdin.read())), daemon=True).start()
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


def emulators():
    """The comparison with emulators, for its pins and what it does with servers. Installs those."""
    path = workers.ROOT / "tests" / "emulators" / "run.py"
    spec = importlib.util.spec_from_file_location("emulators", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.TARGET.mkdir(parents=True, exist_ok=True)
    module.install()
    return module


@contextlib.contextmanager
def moto():
    """The endpoint of moto, installed with the pins of the comparison with emulators."""
    start = emulators()
    port = start.free_port()
    log = workers.TARGET / "moto.log"
    command = [start.SCRIPTS / "python", "-c", MOTO, str(port)]
    with open(log, "wb") as output:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=workers.TARGET)
    try:
        start.wait_until_ready(server, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(server)


class Keys:
    """Keyrings of one AWS KMS, as described in python/kms_keyrings.py."""

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def one(self, key, kind="kms"):
        return {"type": kind, "key": key, "endpoint": self.endpoint}

    def several(self, *keys, kind="kms-multi"):
        return {"type": kind, "keys": keys, "endpoint": self.endpoint}

    def discovery(self, *regions, accounts=None, kind="kms-discovery"):
        return {"type": kind, "regions": regions, "accounts": accounts, "endpoint": self.endpoint}

    def rsa(self, key, public, algorithm):
        return {"type": "kms-rsa", "key": key, "public": public, "algorithm": algorithm, "endpoint": self.endpoint}

    def ecdh(self, curve, key, public, peer=None):
        schema = "static" if peer else "discovery"
        more = {"schema": schema, "curve": curve, "public": public, "peer": peer}
        return {"type": "kms-ecdh", "key": key, "endpoint": self.endpoint, **more}


def symmetric(keys, ireland, virginia, alias):
    """Kinds of keyrings over two keys: what encrypts, what decrypts."""
    account = ireland.split(":")[4]
    both, raw = keys.several(ireland, virginia), raw_aes("aes-256-a")
    kms_then_raw = {"type": "multi", "generator": keys.one(ireland), "children": [raw]}
    raw_then_kms = {"type": "multi", "generator": raw, "children": [keys.one(ireland), keys.one(virginia)]}
    return {
        "one key": (keys.one(ireland), keys.one(ireland)),
        "one key by discovery": (keys.one(ireland), keys.discovery(IRELAND)),
        "one key by discovery in its account": (keys.one(virginia), keys.discovery(*BOTH, accounts=[account])),
        "an alias by its key": (keys.one(alias), keys.one(ireland)),
        "two keys by the first": (both, keys.one(ireland)),
        "two keys by the second": (both, keys.one(virginia)),
        "two keys by both": (both, both),
        "two keys by discovery": (both, keys.discovery(VIRGINIA)),
        "AWS KMS and raw by AWS KMS": (kms_then_raw, keys.one(ireland)),
        "AWS KMS and raw by raw": (kms_then_raw, raw),
        "raw and AWS KMS by both": (raw_then_kms, raw_then_kms),
        "raw and AWS KMS by AWS KMS": (raw_then_kms, keys.one(virginia)),
    }


def faults(report, ends, keys, ireland):
    """What the others open, and the Python package should. If it does, these belong to the others."""
    account, raw = ireland.split(":")[4], raw_aes("aes-256-a")
    kms_then_raw = {"type": "multi", "generator": keys.one(ireland), "children": [raw]}
    two_accounts = (keys.one(ireland), keys.discovery(IRELAND, accounts=[STRANGER, account]))
    by_discovery = (kms_then_raw, keys.discovery(IRELAND))
    kinds = {
        "one key by discovery in two accounts": (two_accounts, "No Encrypted Data Keys found to match"),
        "AWS KMS and raw by discovery": (by_discovery, "provider info is not UTF8"),
    }
    for (writer, reader), (kind, (keyrings, words)) in itertools.product(ends, kinds.items()):
        if reader.name == "python":
            contexts = [CONTEXTS["one"]] * 2
            refused(report, writer, reader, f"a fault of it: {kind}", "0x0578", keyrings, contexts, {"python": words})
        else:
            each_way(report, [(writer, reader)], "AWS KMS", {kind: keyrings}, SUITES[:2])


def multi_region(keys, primary, replica, single):
    def mrk(key):
        return keys.one(key, kind="kms-mrk")

    def discovery(*regions, accounts=None):
        return keys.discovery(*regions, accounts=accounts, kind="kms-mrk-discovery")

    several = keys.several(single, primary, kind="kms-mrk-multi")
    return {
        "multi-Region key": (mrk(primary), mrk(primary)),
        "multi-Region key by its replica": (mrk(primary), mrk(replica)),
        "replica by its primary": (mrk(replica), mrk(primary)),
        "strict, by its replica": (keys.one(primary), mrk(replica)),
        "multi-Region key, strict": (mrk(primary), keys.one(primary)),
        "single-Region key, aware": (mrk(single), mrk(single)),
        "several, by a replica": (several, mrk(replica)),
        "several, by several with a replica": (several, keys.several(replica, single, kind="kms-mrk-multi")),
        "discovery where the replica is": (mrk(primary), discovery(VIRGINIA)),
        "discovery in its account": (mrk(primary), discovery(VIRGINIA, accounts=[primary.split(":")[4]])),
        "discovery in both regions": (mrk(replica), discovery(*BOTH)),
        "single-Region key by discovery": (mrk(single), discovery(*BOTH)),
    }


def each_way(report, ends, title, kinds, suites):
    contexts = itertools.cycle(CONTEXTS.items())
    for (writer, reader), (kind, keyrings), suite in itertools.product(ends, kinds.items(), suites):
        context_name, context = next(contexts)
        pair(report, writer, reader, f"{suite} {title}, {kind} context={context_name}", suite, 200, keyrings, context)


def refusals(report, ends, title, kinds, expected=NO_KEY, suite="0x0578"):
    for (writer, reader), (kind, keyrings) in itertools.product(ends, kinds.items()):
        contexts = [CONTEXTS["one"]] * 2
        refused(report, writer, reader, f"{title}, {kind}", suite, keyrings, contexts, expected)


def required_context(report, ends, title, keys, key):
    """Context that is not stored. JavaScript knows none: it must refuse such messages."""
    context = {"tenant": "42", "region": "eu", "schlüssel": "\U0001f511"}
    wrong = {**context, "tenant": "43"}
    keyrings = (keys.one(key), keys.one(key))
    for writer, reader in ends:
        if writer.name == "node":
            continue
        for suite in SUITES if writer.name == "python" else ["0x0578"]:
            for count in (1, 3):
                required = list(context)[:count]
                more = {"required_encryption_context_keys": required}
                kind = f"{suite} {title}, {count} of 3 context pairs only authenticated"
                if reader.name != "node":
                    pair(report, writer, reader, kind, suite, 200, keyrings, context, required=required, **more)
                    against = {"another value": (wrong, required, OTHER_PAIRS), "no value": ({}, (), REFUSED)}
                else:
                    against = {"no value": ({}, (), REFUSED)}
                for why, (given, names, expected) in against.items():
                    contexts = [context, given]
                    case = f"{kind}, {why}"
                    refused(report, writer, reader, case, suite, keyrings, contexts, expected, names, **more)


def disabled(report, parties, server, keys):
    """A key that is disabled opens nothing, wraps nothing, and is as good as before when it is enabled."""
    key = server.ask(f"key {IRELAND} SYMMETRIC_DEFAULT")
    keyring, context, text = keys.one(key), CONTEXTS["one"], plaintext_of(200)
    cannot = {"python": "is disabled", "node": "is disabled", "waxseal": 4}
    messages = {}

    def write(party):
        messages[party.name] = party.encrypt(keyring, "0x0578", 128, context, text)

    def read(party):
        for writer, message in messages.items():
            if party.decrypt(keyring, "0x0578", context, message) != text:
                raise Failure(f"{party.name} opens what {writer} wrote to another plaintext")

    def read_nothing(party):
        for message in messages.values():
            refuses(party, cannot, lambda m=message: party.decrypt(keyring, "0x0578", context, m))

    for party in parties:
        report.check(f"{party.name}  key that will be disabled: encrypts", lambda party=party: write(party))
    server.ask(f"disable {key}")
    for party in parties:
        report.check(f"{party.name}  disabled key: opens nothing", lambda party=party: read_nothing(party))
        report.check(
            f"{party.name}  disabled key: wraps nothing",
            lambda party=party: refuses(party, cannot, lambda: write(party)),
        )
    server.ask(f"enable {key}")
    for party in parties:
        report.check(f"{party.name}  key that is enabled again: opens", lambda party=party: read(party))


def rsa(report, waxseal, python, server, keys):
    ends = [(waxseal, python), (python, waxseal)]
    for bits, algorithm in itertools.product((2048, 3072, 4096), ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")):
        key = server.ask(f"key {IRELAND} RSA_{bits}")
        name = f"kms-rsa-{bits}-{algorithm}"
        publish(name, public_pem(keys.endpoint, key), waxseal, python)
        keyring = keys.rsa(key, name, algorithm)
        kinds = {f"{bits} {algorithm}": (keyring, keyring)}
        each_way(report, ends, "RSA", kinds, UNSIGNED if bits == 2048 else ["0x0478"])
        if bits != 2048:
            continue
        other = keys.rsa(key, name, "RSAES_OAEP_SHA_1" if algorithm.endswith("256") else "RSAES_OAEP_SHA_256")
        kinds = {f"what {algorithm} wrapped, by the other hash": (keyring, other)}
        refusals(report, ends, "RSA", kinds, REFUSED, "0x0478")
        for party in (waxseal, python):
            report.check(
                f"{party.name}  RSA {algorithm} refuses to wrap for a suite that signs",
                lambda party=party, keyring=keyring: refuses(
                    party,
                    {"python": "signing", "waxseal": 4},
                    lambda: party.encrypt(keyring, "0x0578", 128, {}, b""),
                ),
            )


def publish(name, pem, waxseal, python):
    """Gives both a key of AWS KMS, of which they know the public half."""
    key = {"type": "public", "public_spki_pem": pem}
    waxseal.write_public_key(name, key)
    python.add_key(name, key)


def ecdh(report, waxseal, python, server, keys):
    """Two keys in AWS KMS, and one of these with a raw key: raw or in AWS KMS, a party opens the same messages."""
    ends = [(waxseal, python), (python, waxseal)]
    for curve, spec in CURVES.items():
        here, there = (server.ask(f"key {IRELAND} {spec}") for _ in range(2))
        names = [f"kms-{curve}-{who}" for who in ("here", "there")]
        ours, theirs = names
        for name, key in zip(names, (here, there), strict=True):
            publish(name, public_pem(keys.endpoint, key), waxseal, python)
        made, pair_of_keys = waxseal.keygen(f"ec-{curve}", suffix="-kms")
        python.add_key(made, pair_of_keys)
        to_there, to_here = keys.ecdh(curve, here, ours, peer=theirs), keys.ecdh(curve, there, theirs, peer=ours)
        with_raw, from_raw = keys.ecdh(curve, here, ours, peer=made), raw_ecdh("static", curve, made, ours)
        kinds = {
            "two keys": (to_there, to_here),
            "two keys by its writer": (to_there, to_there),
            "two keys by discovery": (to_there, keys.ecdh(curve, there, theirs)),
            "raw by AWS KMS": (from_raw, with_raw),
            "raw by discovery": (from_raw, keys.ecdh(curve, here, ours)),
            "raw and ephemeral by discovery": (
                raw_ecdh("ephemeral", curve, made, ours),
                keys.ecdh(curve, here, ours),
            ),
            "AWS KMS by raw": (with_raw, from_raw),
            "AWS KMS by raw discovery": (with_raw, raw_ecdh("discovery", curve, ours, made)),
        }
        each_way(report, ends, f"ECDH {curve}", kinds, ["0x0578", "0x0178"])
        kinds = {
            "another peer": (to_there, with_raw),
            "discovery with another key": (from_raw, keys.ecdh(curve, there, theirs)),
        }
        # The package cannot print public keys, and so not what it looked for.
        refusals(report, ends, f"ECDH {curve}", kinds, {**NO_KEY, "python": "Could not decode input from Dafny Bytes"})


class World:
    """Both services with their keys, and the checks of each pair of parties."""

    def __init__(self, server, moto):
        self.server, self.fake, self.moto = server, Keys(server.endpoint), Keys(moto)
        self.ireland = server.ask(f"key {IRELAND} SYMMETRIC_DEFAULT")
        self.virginia = server.ask(f"key {VIRGINIA} SYMMETRIC_DEFAULT")
        self.other = server.ask(f"key {IRELAND} SYMMETRIC_DEFAULT")
        self.primary = server.ask(f"multi-region-key {IRELAND} SYMMETRIC_DEFAULT")
        self.replica = server.ask(f"replicate {self.primary} {VIRGINIA}")
        self.alias = server.ask(f"alias {IRELAND} alias/interop {self.ireland}")
        self.at_moto = [call(moto, region, "CreateKey")["KeyMetadata"]["Arn"] for region in BOTH]
        alias = "alias/interop"
        call(moto, IRELAND, "CreateAlias", AliasName=alias, TargetKeyId=self.at_moto[0])
        self.alias_at_moto = f"{self.at_moto[0].rsplit(':', 1)[0]}:{alias}"

    def both_ways(self, report, one, other):
        """All that both packages know."""
        ends = [(one, other), (other, one)]
        fake = self.fake
        kinds = symmetric(fake, self.ireland, self.virginia, self.alias)
        each_way(report, ends, "AWS KMS", kinds, SUITES)
        faults(report, ends, fake, self.ireland)
        each_way(report, ends, "AWS KMS", multi_region(fake, self.primary, self.replica, self.ireland), SUITES[:3])
        required_context(report, ends, "AWS KMS", fake, self.ireland)
        wrapped, aware = fake.one(self.ireland), fake.one(self.primary, kind="kms-mrk")
        none_fits = {
            "another key": (wrapped, fake.one(self.other)),
            "discovery in another account": (wrapped, fake.discovery(IRELAND, accounts=[STRANGER])),
            "replica, strict": (aware, fake.one(self.replica)),
        }
        none_fits_aware = {
            "aware discovery in another account": (
                aware,
                fake.discovery(VIRGINIA, accounts=[STRANGER], kind="kms-mrk-discovery"),
            ),
            "aware discovery, single-Region key of another region": (
                wrapped,
                fake.discovery(VIRGINIA, kind="kms-mrk-discovery"),
            ),
        }
        elsewhere = {
            "discovery in another region": (wrapped, fake.discovery(VIRGINIA)),
            "replica by discovery, strict": (aware, fake.discovery(VIRGINIA)),
        }
        refusals(report, ends, "AWS KMS", none_fits)
        refusals(report, ends, "AWS KMS", none_fits_aware, {**NO_KEY, "node": "child keyrings had an error"})
        refusals(report, ends, "AWS KMS", elsewhere, {**REFUSED, "node": NO_KEY["node"]})
        each_way(report, ends, "moto", symmetric(self.moto, *self.at_moto, self.alias_at_moto), SUITES[:3])
        required_context(report, ends, "moto", self.moto, self.at_moto[0])
        wrapped = self.moto.one(self.at_moto[0])
        elsewhere = (wrapped, self.moto.discovery(IRELAND, accounts=[STRANGER]))
        refusals(report, ends, "moto", {"discovery in another account": elsewhere})

    def asymmetric(self, report, waxseal, python):
        rsa(report, waxseal, python, self.server, self.fake)
        ecdh(report, waxseal, python, self.server, self.fake)

    def disabled(self, report, parties):
        disabled(report, parties, self.server, self.fake)


@contextlib.contextmanager
def world(server_binary):
    with fake(server_binary) as server, moto() as endpoint:
        yield World(server, endpoint)
