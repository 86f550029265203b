#!/usr/bin/env python3
"""Makes tests/vectors anew: keys, plaintexts, messages of the official packages, and broken messages made from them.

Run `python3 tests/interop/make_vectors.py`. It installs the pinned packages below target/interop, replaces the
contents of tests/vectors except its README.md, and stops with an error when an official package or the checker in
message.py disagrees with what the manifest would say. Data keys, message ids and signatures are random, so every run
gives other bytes; `--keep-keys` at least keeps keys.json.
"""

import argparse
import base64
import collections
import hashlib
import json
import os
import pathlib
import shutil
import sys

import workers

VECTORS = workers.ROOT / "tests" / "vectors"
NAMESPACE = "waxseal.tests"
SUITES = ["0x0014", "0x0046", "0x0078", "0x0114", "0x0146", "0x0178", "0x0214", "0x0346", "0x0378", "0x0478", "0x0578"]
COMMITTING = {"0x0478", "0x0578"}
PADDINGS = ["pkcs1", "oaep-sha1", "oaep-sha256", "oaep-sha384", "oaep-sha512"]
PYTHON = {"package": "aws-encryption-sdk", "version": "4.0.7", "registry": "pypi", "language": "python"}
NODE = {"package": "@aws-crypto/client-node", "version": "5.0.2", "registry": "npm", "language": "javascript"}
OWN = {"package": "tests/interop/make_vectors.py", "language": "python"}
PRODUCERS = {"py": PYTHON, "js": NODE}
PYTHON_KEYRING = "aws-encryption-sdk 4.0.7 with aws-cryptographic-material-providers 1.11.3"
PYTHON_MASTER_KEY = "aws-encryption-sdk 4.0.7 with master keys"
NODE_NAME = "@aws-crypto/client-node 5.0.2"
CHECKER = "tests/interop/message.py"

CONTEXTS = {
    "none": {},
    "one": {"purpose": "waxseal test vector"},
    "empty-value": {"empty": "", "next": "not empty"},
    "unicode": {"grüße": "Zürich", "名前": "値", "مفتاح": "قيمة", "e\u0301": "decomposed", "\u00e9": "composed"},
    # By UTF-16 units, U+1F511 (a surrogate pair, D83D ...) would come before U+FF21; by UTF-8 bytes it comes after.
    "surrogate-sorting": {"\uff21": "full width", "\U0001f511": "key", "\ue000": "private use", "z": "ascii"},
    "many": {f"name-{i:03}": f"value {i * i}" for i in range(90)},
    "long": {"long": "0123456789abcdef" * 300},
    "prefixes": {"a": "1", "aa": "2", "aB": "3", "A": "4", "a ": "5", "": "empty name"},
}


def aes(key, name=None, namespace=NAMESPACE):
    return {"type": "raw-aes", "key": key, "namespace": namespace, "name": name or f"name of {key}"}


def rsa(key, padding, name=None):
    return {"type": "raw-rsa", "key": key, "padding": padding, "namespace": NAMESPACE, "name": name or f"name of {key}"}


def multi(generator, *children):
    return {"type": "multi", "generator": generator, "children": list(children)}


AES_256 = aes("aes-256-a")


def make_keys():
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys

    keys = {}
    for name in ["aes-128-a", "aes-192-a", "aes-256-a", "aes-256-b", "aes-256-c"]:
        bits = int(name.split("-")[1])
        keys[name] = {"type": "aes", "bits": bits, "material_hex": os.urandom(bits // 8).hex()}
    for name in ["rsa-2048-a", "rsa-2048-b", "rsa-4096-a"]:
        bits = int(name.split("-")[1])
        private = rsa_keys.generate_private_key(public_exponent=65537, key_size=bits)
        keys[name] = {
            "type": "rsa",
            "bits": bits,
            "private_pkcs8_pem": private.private_bytes(
                s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()
            ).decode(),
            "public_spki_pem": private.public_key()
            .public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
            .decode(),
        }
    return keys


def policy_of(suite):
    return "REQUIRE_ENCRYPT_REQUIRE_DECRYPT" if suite in COMMITTING else "FORBID_ENCRYPT_ALLOW_DECRYPT"


class Maker:
    def __init__(self, keys):
        self.keys = keys
        self.workers = {"py": workers.python_worker(keys), "js": workers.node_worker(keys)}
        self.cases = []
        self.files = {}
        self.messages = {}
        self.dropped = []

    def plaintext(self, length):
        """The same bytes for the same length on every run, and not compressible."""
        path = f"plaintexts/{length}.bin"
        self.files[path] = hashlib.shake_128(f"waxseal plaintext {length}".encode()).digest(length)
        return path, self.files[path]

    # Messages that must open.

    def produce(
        self, category, name, by, suite, frame_length, length, keyring, context=CONTEXTS["one"], opened_by=None, **more
    ):
        """Has one package encrypt, everything else open, and adds a case for each keyring in `opened_by`."""
        request = {key: more[key] for key in ("api", "required_encryption_context_keys") if key in more}
        _, plaintext = self.plaintext(length)
        answer = self.workers[by].encrypt(keyring, suite, frame_length, context, plaintext, **request)
        if not answer["ok"]:
            raise SystemExit(f"{category} {name} {by}: {answer['error']}")
        variants = opened_by or {None: keyring}
        stem = f"{category}-{name}-{by}"
        for variant, decrypt_keyring in variants.items():
            case = {
                "id": f"own-{stem}" + (f"-by-{variant}" if variant else ""),
                "category": category,
                "producer": PRODUCERS[by],
                "synthesised": False,
                "suite_id": suite,
                "keyring": keyring,
                "decrypt_keyring": decrypt_keyring,
                "encryption_context": context,
                "required_encryption_context_keys": more.get("required_encryption_context_keys"),
                "reproduced_encryption_context": more.get("reproduced"),
                "max_encrypted_data_keys": more.get("max_encrypted_data_keys"),
            }
            self.add_success(case, stem, answer["message"], length, by)

    def add_success(self, case, stem, data, length, by=None):
        import message as m

        path, plaintext = self.plaintext(length)
        parsed = m.Message(data)
        required = case["required_encryption_context_keys"]
        case = {
            "kind": "esdk",
            **case,
            "message_version": parsed.version,
            "content_type": "framed" if parsed.framed else "unframed",
            "frame_length": parsed.frame_length,
            "frame_count": len(parsed.frames),
            "message_id_hex": parsed.message_id.hex(),
            "edk_count": len(parsed.edks),
            "edk_providers": [provider.decode() for provider, _, _ in parsed.edks],
            "header_encryption_context": parsed.context,
            "header_length_without_auth": len(parsed.header_body),
            "signed": parsed.signature is not None,
            "commitment_policy": policy_of(case["suite_id"]),
            "plaintext": path,
            "plaintext_len": length,
            "plaintext_sha256": hashlib.sha256(plaintext).hexdigest(),
            "expected": {"result": "success"},
        }
        results = self.open_everywhere(case, data)
        results[CHECKER] = self.check(case, data)
        expected_context = {k: v for k, v in case["encryption_context"].items() if k not in (required or [])}
        case["verified_by"], case["observed_rejections"] = [], {}
        for name, (opened, detail) in results.items():
            if opened is None:
                continue
            if not opened:
                case["observed_rejections"][name] = detail
                continue
            got, context = detail
            if got != plaintext or not expected_context.items() <= context.items():
                raise SystemExit(f"{case['id']}: {name} opened it to something else")
            language = {NODE_NAME: "js", CHECKER: None}.get(name, "py")
            case["verified_by"].append({"package": name, "different_from_producer": by is None or language != by})
        others = [one for one in case["verified_by"] if one["different_from_producer"]]
        if CHECKER not in [one["package"] for one in case["verified_by"]] or not others:
            raise SystemExit(f"{case['id']}: not confirmed: {case['observed_rejections']}")
        self.store(case, stem, data)

    def check(self, case, data):
        import message as m

        try:
            parsed = m.Message(data)
            opened = parsed.open(case["decrypt_keyring"], self.keys, case["reproduced_encryption_context"])
        except Exception as error:  # noqa: BLE001, whatever went wrong is the answer
            return False, f"{type(error).__name__}: {error}"
        return True, (opened, parsed.context)

    def open_everywhere(self, case, data):
        """What each official package says: (True, (plaintext, context)), (False, error), or (None, why not asked)."""
        limits = {
            "commitment_policy": case["commitment_policy"],
            "max_encrypted_data_keys": case["max_encrypted_data_keys"],
        }
        reproduced = case["reproduced_encryption_context"]
        keyring = case["decrypt_keyring"]

        def ask(worker, **more):
            answer = self.workers[worker].decrypt(keyring, data, **limits, **more)
            if answer["ok"]:
                return True, (answer["plaintext"], answer["encryption_context"])
            return False, answer["error"][:120]

        results = {PYTHON_KEYRING: ask("py", reproduced_encryption_context=reproduced)}
        if reproduced is None:
            results[PYTHON_MASTER_KEY] = ask("py", api="master-key")
            results[NODE_NAME] = ask("js")
        else:
            results[PYTHON_MASTER_KEY] = results[NODE_NAME] = (None, "has no reproduced encryption context")
        return results

    # Messages that must not open.

    def reject(self, mutation, base, kinds, data=None, note=None, strict=False, **settings):
        """Adds a case that must fail; `strict` keeps it although an official package accepts it."""
        origin = next(case for case in self.cases if case["id"] == base)
        case = {
            "id": f"own-neg-{mutation}--{base.removeprefix('own-')}",
            "kind": "esdk",
            "category": "negative-key-or-config" if data is None else "negative",
            "producer": OWN,
            "synthesised": True,
            "derived_from": base,
            "mutation": mutation,
            "suite_id": origin["suite_id"],
            "decrypt_keyring": origin["decrypt_keyring"],
            "required_encryption_context_keys": origin["required_encryption_context_keys"],
            "reproduced_encryption_context": origin["reproduced_encryption_context"],
            "max_encrypted_data_keys": origin["max_encrypted_data_keys"],
            "commitment_policy": origin["commitment_policy"],
            **settings,
            "expected": {"result": "error", "kind": kinds},
        }
        if data is None:
            stem = pathlib.PurePosixPath(origin["ciphertext"]).stem
            data = self.messages[base]
        else:
            stem = case["id"].removeprefix("own-")
            if data == self.messages[base]:
                raise SystemExit(f"{case['id']}: changed nothing")
        results = self.open_everywhere(case, data)
        checked = settings.keys() <= {"decrypt_keyring", "reproduced_encryption_context"} and origin["edk_count"] == 1
        if checked and self.check(case, data)[0]:
            raise SystemExit(f"{case['id']}: the checker opens it")
        accept = [name for name, (opened, _) in results.items() if opened]
        refuse = [name for name, (opened, _) in results.items() if opened is False]
        case["observed"] = {
            name: "accepted" if opened else f"rejected: {detail}" if opened is False else f"not asked: {detail}"
            for name, (opened, detail) in results.items()
        }
        case["verified_by"] = [{"package": name} for name in refuse]
        if checked:
            case["verified_by"].append({"package": CHECKER})
        if accept:
            case["implementations_that_accept"] = accept
            case["strictness"] = "required by the specification, not enforced by every official package"
        if note:
            case["note"] = note
        if accept and not strict:
            self.dropped.append(f"{case['id']}: accepted by {', '.join(accept)}")
            return
        self.store(case, stem, data)

    def store(self, case, stem, data):
        path = f"messages/{stem}.bin"
        if self.files.setdefault(path, data) != data or case["id"] in self.messages:
            raise SystemExit(f"{case['id']}: twice")
        self.messages[case["id"]] = data
        sums = {
            "ciphertext": path,
            "ciphertext_len": len(data),
            "ciphertext_sha256": hashlib.sha256(data).hexdigest(),
        }
        self.cases.append({**case, **sums})
        print(f"{case['expected']['result']:8}{case['id']}", flush=True)

    def write(self):
        for folder in ("messages", "plaintexts"):
            shutil.rmtree(VECTORS / folder, ignore_errors=True)
            (VECTORS / folder).mkdir(parents=True)
        for path, data in self.files.items():
            (VECTORS / path).write_bytes(data)
        manifest = {
            "format": "envelope-interop-fixtures",
            "format_version": 1,
            "set": "own",
            "keys": "keys.json",
            "case_count": len(self.cases),
            "cases": self.cases,
        }
        (VECTORS / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        used = {
            "set": "own",
            "note": "TEST KEYS, published in this repository: never use them for anything else.",
            "keys": self.keys,
        }
        (VECTORS / "keys.json").write_text(json.dumps(used, indent=1) + "\n")


def make_messages(maker):
    both = ("py", "js")
    for suite in SUITES:
        for by in both:
            for length in (0, 300):
                maker.produce("suite", f"{suite[2:]}-{length}", by, suite, 128, length, AES_256)

    # The final frame of a plaintext that fills its frames may be full or empty: both packages, many frame lengths.
    boundaries = [("py", 128), ("py", 1024), ("js", 1), ("js", 16), ("js", 100), ("js", 1000)]
    for turn, (by, frame) in enumerate(boundaries):
        suite = ["0x0478", "0x0578", "0x0178"][turn % 3]
        for length in sorted({0, 1, frame - 1, frame, frame + 1, 2 * frame, 3 * frame + 5}):
            maker.produce("boundary", f"{suite[2:]}-f{frame}-n{length}", by, suite, frame, length, AES_256)
    # The default frame length, and a frame that is longer than any buffer one would take for small messages.
    for by in both:
        maker.produce("boundary", "0478-f4096-n12293", by, "0x0478", 4096, 12293, AES_256)
        maker.produce("boundary", "0578-f65536-n70000", by, "0x0578", 65536, 70000, AES_256)

    for by in both:
        for suite in ("0x0478", "0x0214"):
            for bits in (128, 192, 256):
                keyring = aes(f"aes-{bits}-a")
                maker.produce("raw-aes", f"{bits}-{suite[2:]}", by, suite, 128, 100, keyring)
        for bits in (2048, 4096):
            for padding in PADDINGS:
                suite = "0x0578" if bits == 4096 else "0x0478"
                keyring = rsa(f"rsa-{bits}-a", padding)
                maker.produce("raw-rsa", f"{bits}-{padding}-{suite[2:]}", by, suite, 128, 100, keyring)

    for by in both:
        keys = {
            "aes-256": AES_256,
            "aes-128": aes("aes-128-a"),
            "rsa-oaep-sha256": rsa("rsa-2048-a", "oaep-sha256"),
            "rsa-pkcs1": rsa("rsa-2048-b", "pkcs1"),
        }
        whole = multi(*keys.values())
        maker.produce("multi", "four-0578", by, "0x0578", 128, 200, whole, opened_by={**keys, "all": whole})
        keys = {"rsa-oaep-sha512": rsa("rsa-4096-a", "oaep-sha512"), "aes-192": aes("aes-192-a")}
        whole = multi(*keys.values())
        maker.produce("multi", "two-0178", by, "0x0178", 128, 200, whole, opened_by=keys)
        ten = multi(AES_256, *(aes("aes-256-b", f"child {i}") for i in range(9)))
        last = {"last": ten["children"][-1]}
        maker.produce("multi", "ten-0478", by, "0x0478", 128, 100, ten, opened_by=last, max_encrypted_data_keys=10)

    for by in both:
        for name, context in CONTEXTS.items():
            for suite in ("0x0478", "0x0578"):
                maker.produce("context", f"{name}-{suite[2:]}", by, suite, 128, 50, AES_256, context)
        context = CONTEXTS["unicode"]
        maker.produce("context", "unicode-rsa-0378", by, "0x0378", 128, 50, rsa("rsa-2048-a", "oaep-sha1"), context)
        keyring = aes("aes-256-b", name="schlüssel-鍵-\U0001f511", namespace="räume")
        maker.produce("key-name", "unicode-0478", by, "0x0478", 128, 50, keyring)
        # A name that another key's name starts with.
        keyring = multi(aes("aes-256-b", name="key"), aes("aes-256-c", name="key-2"))
        names = {"short": keyring["generator"], "long": keyring["children"][0]}
        maker.produce("key-name", "prefix-0478", by, "0x0478", 128, 50, keyring, opened_by=names)
        # Both encrypted data keys look like the one that is wanted; a reader must go on after the first has failed.
        keyring = multi(aes("aes-256-b", name="same"), aes("aes-256-c", name="same"))
        names = {"second": keyring["children"][0]}
        maker.produce("key-name", "same-0478", by, "0x0478", 128, 50, keyring, opened_by=names)

    context = {"tenant": "42", "region": "eu", "bücher": "\U0001f511"}
    for suite in ("0x0178", "0x0378", "0x0478", "0x0578"):
        for count in (1, 3):
            names = list(context)[:count]
            maker.produce(
                "required-context",
                f"{count}-{suite[2:]}",
                "py",
                suite,
                128,
                200,
                AES_256,
                context,
                required_encryption_context_keys=names,
                reproduced={name: context[name] for name in names},
            )

    for suite in ("0x0014", "0x0046", "0x0178", "0x0214", "0x0378", "0x0478", "0x0578"):
        for length in (0, 1, 500):
            maker.produce("unframed", f"{suite[2:]}-{length}", "py", suite, 0, length, AES_256)
    maker.produce("unframed", "master-key-0078-500", "py", "0x0078", 0, 500, AES_256, api="master-key")
    maker.produce("unframed", "context-0346-500", "py", "0x0346", 0, 500, AES_256, CONTEXTS["surrogate-sorting"])


def make_sealed(maker):
    """Messages sealed by message.py: authentic in every byte, so that only the rule in question is broken (or none)."""
    import message as m

    data_key, message_id = os.urandom(32), os.urandom(32)
    material = bytes.fromhex(maker.keys["aes-256-a"]["material_hex"])
    aad = m.serialize_context(CONTEXTS["one"])
    edk = m.wrap_aes(NAMESPACE, AES_256["name"], material, data_key, aad)
    header, key = m.seal_header_v2(0x0478, message_id, aad, [edk], 50, data_key)
    _, text = maker.plaintext(150)
    parts = [text[0:50], text[50:100], text[100:150]]

    def frames(*wanted):
        return b"".join(m.seal_frame(key, message_id, sequence, part, final) for sequence, part, final in wanted)

    one, two, three = parts
    _, fifty = maker.plaintext(50)
    good = {
        "full-final-frame": (frames((1, one, False), (2, two, False), (3, three, True)), 150),
        "empty-final-frame": (frames((1, one, False), (2, two, False), (3, three, False), (4, b"", True)), 150),
        "only-a-full-final-frame": (frames((1, fifty, True)), 50),
    }
    for name, (body, length) in good.items():
        case = {
            "id": f"own-sealed-{name}",
            "category": "sealed",
            "producer": OWN,
            "synthesised": True,
            "suite_id": "0x0478",
            "keyring": AES_256,
            "decrypt_keyring": AES_256,
            "encryption_context": CONTEXTS["one"],
            "required_encryption_context_keys": None,
            "reproduced_encryption_context": None,
            "max_encrypted_data_keys": None,
        }
        maker.add_success(case, f"sealed-{name}", header + body, length)

    control = "own-sealed-full-final-frame"
    order = ["frame_sequence"]
    broken = {
        "sequence-starts-at-0": (frames((0, one, False), (1, two, False), (2, three, True)), order),
        "sequence-starts-at-2": (frames((2, one, False), (3, two, False), (4, three, True)), order),
        "sequence-gap": (frames((1, one, False), (3, two, False), (4, three, True)), order),
        "sequence-repeats": (frames((1, one, False), (1, two, False), (2, three, True)), order),
        "sequence-reversed": (frames((2, one, False), (1, two, False), (3, three, True)), order),
        "sequence-of-final-repeats": (frames((1, one, False), (2, two, False), (2, three, True)), order),
        "sequence-of-final-skips": (frames((1, one, False), (2, two, False), (9, three, True)), order),
        "no-final-frame": (
            frames((1, one, False), (2, two, False), (3, three, False)),
            ["truncated", "malformed", "frame_sequence", "body_auth", "footer"],
        ),
        "final-longer-than-frame-length": (frames((1, one, False), (2, two + three, True)), ["malformed"]),
        "two-final-frames": (
            frames((1, one, False), (2, two, True), (3, three, True)),
            ["trailing_data", "malformed", "frame_sequence"],
        ),
    }
    for name, (body, kinds) in broken.items():
        strict = name == "two-final-frames"
        note = TRAILING if strict else None
        maker.reject(f"sealed-{name}", control, kinds, header + body, strict=strict, note=note)

    twice = b"\x00\x02" + 2 * (m.counted(b"a") + m.counted(b"1"))
    edk = m.wrap_aes(NAMESPACE, AES_256["name"], material, data_key, twice)
    other, key = m.seal_header_v2(0x0478, message_id, twice, [edk], 50, data_key)
    maker.reject(
        "sealed-context-name-twice", control, ["malformed", "no_decryptable_edk"], other + frames((1, one, True))
    )
    bad = b"\x00\x01" + m.counted(b"a") + m.counted(b"\xff\xfe")
    edk = m.wrap_aes(NAMESPACE, AES_256["name"], material, data_key, bad)
    other, key = m.seal_header_v2(0x0478, message_id, bad, [edk], 50, data_key)
    maker.reject(
        "sealed-context-not-utf8", control, ["malformed", "no_decryptable_edk"], other + frames((1, one, True))
    )


TRAILING = "The specification forbids bytes after the end of the message; packages that accept them ignore them."
TRUNCATED = ["truncated", "malformed", "footer", "signature", "body_auth", "header_auth", "no_decryptable_edk"]


def flip(data, at, bit=1):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def put(data, at, value):
    return data[:at] + value + data[at + len(value) :]


def make_broken(maker):
    import message as m

    unsigned, signed = "own-boundary-0478-f16-n53-js", "own-boundary-0578-f100-n305-js"
    version_1, version_1_signed = "own-suite-0178-300-js", "own-suite-0378-300-py"
    unframed, unframed_signed = "own-unframed-0178-500-py", "own-unframed-0578-500-py"

    def on(base):
        data = maker.messages[base]
        return data, m.Message(data)

    def broken(mutation, base, kinds, data, **more):
        maker.reject(mutation, base, kinds, data, **more)

    # The header, in both versions.
    other_suite = [
        "header_auth", "no_decryptable_edk", "unsupported_suite", "malformed", "commitment_mismatch", "truncated",
        "policy", "signature",
    ]  # fmt: skip
    context = ["no_decryptable_edk", "header_auth", "malformed", "signature"]
    lengths = ["malformed", "no_decryptable_edk", "truncated", "header_auth"]
    for base in (unsigned, version_1):
        data, at = on(base)[0], on(base)[1].at
        version = ["unsupported_version", "malformed"]
        broken("version-00", base, version, put(data, 0, b"\x00"))
        broken("version-03", base, version, put(data, 0, b"\x03"))
        swapped = version + ["unsupported_suite", "truncated", "header_auth", "no_decryptable_edk"]
        broken("version-swap", base, swapped, flip(data, 0, 3))
        unknown = ["unsupported_suite", "malformed"]
        broken("suite-unknown", base, unknown, put(data, at["suite"], b"\xff\xff"))
        to = b"\x05\x78" if base == unsigned else b"\x03\x78"
        broken("suite-signed", base, other_suite, put(data, at["suite"], to))
        broken("message-id-flip", base, ["header_auth", "commitment_mismatch"], flip(data, at["message_id"]))
        broken("context-value-flip", base, context, flip(data, at["edk_count"] - 1))
        broken("context-count-plus-1", base, lengths, put(data, at["context_length"] + 2, b"\x00\x02"))
        broken("context-length-plus-1", base, lengths, flip(data, at["context_length"] + 1))
        broken("edk-count-0", base, lengths, put(data, at["edk_count"], b"\x00\x00"))
        broken("edk-count-2", base, lengths, put(data, at["edk_count"], b"\x00\x02"))
        broken("edk-provider-flip", base, ["no_decryptable_edk", "malformed"], flip(data, at["edk_count"] + 4))
        broken("edk-ciphertext-flip", base, ["no_decryptable_edk"], flip(data, at["content_type"] - 20))
        swapped = ["malformed", "header_auth", "truncated"]
        broken("content-type-swap", base, swapped, flip(data, at["content_type"], 3))
        broken("content-type-03", base, ["malformed"], put(data, at["content_type"], b"\x03"))
        wrong = ["header_auth", "malformed"]
        broken("frame-length-flip", base, wrong, flip(data, at["frame_length"] + 3))
        broken("frame-length-huge", base, wrong + ["truncated"], put(data, at["frame_length"], b"\xff" * 4))
        broken("frame-length-0", base, wrong, put(data, at["frame_length"], bytes(4)))
        broken("header-tag-flip", base, ["header_auth"], flip(data, at["header_tag"]))
    data, parsed = on(unsigned)
    commitment = ["commitment_mismatch", "header_auth"]
    broken("commit-key-flip", unsigned, commitment, flip(data, parsed.at["commit_key"]))
    broken("commit-key-zero", unsigned, commitment, put(data, parsed.at["commit_key"], bytes(32)))
    start, end = parsed.edk_spans[0]
    doubled = put(data[:end], parsed.at["edk_count"], b"\x00\x02") + data[start:end] + data[end:]
    broken("edk-twice", unsigned, ["header_auth", "no_decryptable_edk"], doubled)
    data, parsed = on(version_1)
    broken("type-00", version_1, ["malformed"], put(data, parsed.at["type"], b"\x00"))
    broken("reserved-1", version_1, ["malformed", "header_auth"], flip(data, parsed.at["reserved"] + 3))
    broken("iv-length-13", version_1, ["malformed", "header_auth"], put(data, parsed.at["iv_length"], b"\x0d"))
    broken("header-iv-flip", version_1, ["header_auth"], flip(data, parsed.at["header_auth"]))

    # The frames.
    order = ["frame_sequence", "body_auth"]
    for base in (unsigned, signed):
        data, parsed = on(base)
        first, final, cut = parsed.frames[0], parsed.frames[-1], parsed.footer
        pieces = [parsed.frame_bytes(index) for index in range(len(parsed.frames))]
        head, tail = data[: first.start], data[cut:]

        def body(*wanted, head=head, tail=tail, pieces=pieces):
            return head + b"".join(pieces[index] for index in wanted) + tail

        marker = ["frame_sequence", "body_auth", "truncated", "malformed"]
        broken("final-marker-flip", base, marker, flip(data, final.start))
        broken("final-marker-on-first", base, marker, put(data, first.start, b"\xff" * 4))
        broken("final-sequence-flip", base, order, flip(data, final.start + 7))
        broken("final-length-minus-1", base, ["body_auth", "signature", "trailing_data", "footer", "malformed"],
               flip(data, final.length + 3))  # fmt: skip
        broken("final-length-max", base, ["malformed", "truncated"], put(data, final.length, b"\xff" * 4))
        broken("final-content-flip", base, ["body_auth"], flip(data, final.content))
        broken("final-tag-flip", base, ["body_auth"], flip(data, final.tag + 15))
        broken("frame-1-sequence-flip", base, order, flip(data, first.start + 3, 2))
        broken("frame-1-iv-flip", base, ["body_auth"], flip(data, first.iv + 11))
        broken("frame-1-content-flip", base, ["body_auth"], flip(data, first.content))
        broken("frame-1-tag-flip", base, ["body_auth"], flip(data, first.tag))
        broken("frame-1-removed", base, order, body(1, 2, 3))
        broken("frame-1-twice", base, order, body(0, 0, 1, 2, 3))
        broken("frames-1-2-swapped", base, order, body(1, 0, 2, 3))
        broken("last-regular-frame-removed", base, order, body(0, 1, 3))
        broken("final-frame-removed", base, marker + ["footer", "signature"], body(0, 1, 2))
        broken("final-frame-first", base,
               ["trailing_data", "frame_sequence", "body_auth", "footer", "signature", "malformed"],
               body(3, 0, 1, 2))  # fmt: skip

    # The unframed body.
    data, parsed = on(unframed)
    block = parsed.frames[0]
    broken("body-iv-flip", unframed, ["body_auth"], flip(data, block.iv))
    broken("body-content-flip", unframed, ["body_auth"], flip(data, block.content))
    broken("body-tag-flip", unframed, ["body_auth"], flip(data, block.tag))
    broken("body-length-flip", unframed, ["body_auth", "trailing_data", "signature", "footer", "malformed", "truncated"],
           flip(data, block.length + 7))  # fmt: skip
    broken("body-length-max", unframed, ["truncated", "malformed"], put(data, block.length, b"\xff" * 8))

    # The footer.
    data, parsed = on(signed)
    cut = parsed.footer
    count = len(parsed.signature)
    wrong = ["footer", "signature", "truncated", "malformed"]
    longer, shorter = (count + 1).to_bytes(2, "big"), (count - 1).to_bytes(2, "big")
    broken("footer-length-plus-1", signed, wrong, put(data, cut, longer))
    broken("footer-length-minus-1", signed, wrong + ["trailing_data"], put(data, cut, shorter))
    broken("footer-length-0", signed, wrong + ["trailing_data"], put(data, cut, b"\x00\x00"))
    broken("signature-flip-last", signed, ["signature"], flip(data, len(data) - 1))
    broken("signature-not-der", signed, wrong, put(data, cut + 2, b"\x31"))
    broken("signature-zeros", signed, wrong, put(data, cut + 2, bytes(count)))
    other, other_parsed = on("own-boundary-0578-f100-n200-js")
    broken("signature-of-other-message", signed, ["signature"], data[:cut] + other[other_parsed.footer :])
    for base in (signed, version_1_signed, unframed_signed):
        data, parsed = on(base)
        broken("footer-missing", base, ["footer", "signature", "truncated"], data[: parsed.footer])
    data, parsed = on(version_1_signed)
    broken("footer-only-length", version_1_signed, ["footer", "signature", "truncated"], data[: parsed.footer + 2])
    broken("signature-flip-mid", version_1_signed, ["signature", "footer"], flip(data, parsed.footer + 40))

    # Truncated everywhere, and followed by something.
    for base in (unsigned, signed, unframed):
        data, parsed = on(base)
        at, last = parsed.at, parsed.frames[-1]
        for name, length in {
            "empty": 0,
            "1": 1,
            "in-message-id": at["message_id"] + 5,
            "in-context": at["context_length"] + 9,
            "in-edk": at["content_type"] - 3,
            "before-header-auth": at["header_auth"],
            "in-header-tag": at["header_tag"] + 8,
            "after-header": at["body"],
            "in-content": last.content + (last.tag - last.content) // 2,
            "in-tag": last.tag + 15,
            "last-byte": len(data) - 1,
        }.items():
            if name == "last-byte" and length == last.tag + 15:
                continue
            if base != unsigned and length < at["header_auth"]:
                continue
            broken(f"truncated-{name}", base, TRUNCATED, data[:length])
    for base in (unsigned, signed, unframed):
        data, parsed = on(base)
        kinds = ["trailing_data"] if not parsed.signature else ["trailing_data", "footer", "signature", "malformed"]
        more = {"strict": True, "note": TRAILING}
        broken("trailing-00", base, kinds, data + b"\x00", **more)
        broken("trailing-message", base, kinds, data + data, **more)
    data, _ = on(unsigned)
    broken("base64", unsigned, ["unsupported_version", "malformed"], base64.b64encode(data) + b"\n")
    broken("prefix-00", unsigned, ["unsupported_version", "malformed"], b"\x00" + data)

    # Good messages, wrong key or settings.
    no_key = ["no_decryptable_edk"]
    for base in (unsigned, signed):
        maker.reject("wrong-key", base, no_key, decrypt_keyring=aes("aes-256-b", AES_256["name"]))
    maker.reject("wrong-name", unsigned, no_key, decrypt_keyring=aes("aes-256-a", "another name"))
    maker.reject("wrong-namespace", unsigned, no_key, decrypt_keyring=aes("aes-256-a", AES_256["name"], "elsewhere"))
    maker.reject("wrong-key-size", unsigned, no_key, decrypt_keyring=aes("aes-128-a", AES_256["name"]))
    for padding, wrong in (("oaep-sha256", "oaep-sha1"), ("oaep-sha1", "pkcs1"), ("pkcs1", "oaep-sha256")):
        base = f"own-raw-rsa-2048-{padding}-0478-js"
        if padding != "oaep-sha1":
            other = rsa("rsa-2048-b", padding, "name of rsa-2048-a")
            maker.reject("wrong-rsa-key", base, no_key, decrypt_keyring=other)
        maker.reject("wrong-rsa-padding", base, no_key, decrypt_keyring=rsa("rsa-2048-a", wrong))
    maker.reject("too-many-keys", "own-multi-ten-0478-py-by-last", ["too_many_edks"], max_encrypted_data_keys=9)
    for base in (version_1, version_1_signed, unframed):
        policy = {"commitment_policy": "REQUIRE_ENCRYPT_REQUIRE_DECRYPT"}
        maker.reject("policy-require-decrypt", base, ["commitment_policy"], **policy)
    mismatch = ["ec_mismatch", "no_decryptable_edk", "header_auth"]
    for base in ("own-required-context-1-0478-py", "own-required-context-3-0578-py"):
        good = next(case for case in maker.cases if case["id"] == base)["reproduced_encryption_context"]
        wrong = {**good, "tenant": "43"}
        maker.reject("reproduced-wrong", base, mismatch, reproduced_encryption_context=wrong)
        maker.reject("reproduced-missing", base, mismatch, reproduced_encryption_context=None)
    conflict = {"tenant": "42", "region": "us"}
    base = "own-required-context-1-0478-py"
    maker.reject("reproduced-conflicts-with-header", base, mismatch, reproduced_encryption_context=conflict)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep-keys", action="store_true", help="use the keys of tests/vectors/keys.json again")
    options = parser.parse_args()
    workers.install()
    if pathlib.Path(sys.prefix).resolve() != (workers.TARGET / "venv").resolve():
        python = str(workers.venv_python())
        os.execv(python, [python, *sys.argv])
    keys = json.loads((VECTORS / "keys.json").read_text())["keys"] if options.keep_keys else make_keys()
    maker = Maker(keys)
    make_messages(maker)
    make_sealed(maker)
    make_broken(maker)
    for worker in maker.workers.values():
        worker.stop()
    maker.write()
    for line in maker.dropped:
        print("left out:", line)
    for (category, result), count in sorted(
        collections.Counter((c["category"], c["expected"]["result"]) for c in maker.cases).items()
    ):
        print(f"{count:5} {category} ({result})")
    size = sum(len(data) for data in maker.files.values())
    print(f"{len(maker.cases)} cases, {len(maker.files)} files, {size} bytes")


if __name__ == "__main__":
    main()
