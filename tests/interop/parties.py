"""Who encrypts and decrypts in these checks, and how a check is made and reported."""

import base64
import hashlib
import itertools
import json
import subprocess
import threading
import urllib.parse

import workers

COMMITTING = {"0x0478", "0x0578"}
NAMESPACE = "waxseal.interop"
# Python writes only multiples of 128.
FRAME_LENGTH = {"python": 128, "node": 100, "waxseal": 77}
CONTEXTS = {
    "none": {},
    "one": {"purpose": "interop"},
    "unicode": {"grüße": "Zürich", "名前": "値 = 1", "e\u0301": "decomposed", "\u00e9": "composed"},
    "surrogates": {"\uff21": "full width", "\U0001f511": "key", "\ue000": "private use", "z": "ascii"},
    "empty-value": {"empty": "", "next": "a, b"},
    "many": {f"name-{i:02}": f"value {i}" for i in range(40)},
}


def raw_aes(key):
    return {"type": "raw-aes", "key": key, "namespace": NAMESPACE, "name": f"{key}, 100 %"}


def raw_rsa(key, padding):
    return {"type": "raw-rsa", "key": key, "padding": padding, "namespace": NAMESPACE, "name": f"{key} ü"}


def raw_ecdh(schema, curve, sender, recipient):
    return {"type": "raw-ecdh", "schema": schema, "curve": curve, "sender": sender, "recipient": recipient}


class Failure(Exception):
    """`said` is how a party refused: the error of a package, the exit code of waxseal; none if it just broke."""

    def __init__(self, text, said=None):
        super().__init__(text)
        self.said = said


class Official:
    """An official package: adds checks of the context it reports to the worker's answers."""

    def __init__(self, name, worker):
        self.name, self.worker = name, worker
        self.lock = threading.Lock()

    def add_key(self, name, key):
        with self.lock:
            self.worker.keys = {**self.worker.keys, name: key}
            self.worker.ask({"op": "keys", "keys": {name: key}})

    def encrypt(self, keyring, suite, frame_length, context, plaintext, **more):
        with self.lock:
            answer = self.worker.encrypt(keyring, suite, frame_length, context, plaintext, **more)
        if not answer["ok"]:
            raise self.failure("encrypt", answer)
        return answer["message"]

    def decrypt(self, keyring, suite, context, message, required=()):
        reproduced = {name: context[name] for name in required} or None
        with self.lock:
            answer = self.worker.decrypt(
                keyring, message, commitment_policy=policy(suite), reproduced_encryption_context=reproduced
            )
        if not answer["ok"]:
            raise self.failure("decrypt", answer)
        missing = {k: v for k, v in context.items() if k not in required}.items() - answer["encryption_context"].items()
        if missing:
            raise Failure(f"{self.name} reports another context: lacks {sorted(missing)}")
        return answer["plaintext"]

    def failure(self, verb, answer):
        said = None if answer["error"] in workers.NO_REFUSALS else answer["error"]
        return Failure(f"{self.name} does not {verb}: {answer['error']}", said)


def policy(suite):
    return "REQUIRE_ENCRYPT_REQUIRE_DECRYPT" if suite in COMMITTING else "FORBID_ENCRYPT_ALLOW_DECRYPT"


class Waxseal:
    """The command line. Every other call goes through files, the rest through pipes, and so on for other choices."""

    name = "waxseal"

    def __init__(self, binary, folder, keys):
        self.binary, self.folder = binary, folder
        # Encrypts with context that is not stored, which the command line does not.
        self.required_context = binary.parent / "examples" / f"required_context{binary.suffix}"
        self.calls = itertools.count()
        self.files = {}
        for name, key in keys.items():
            self.write_key(name, key)

    def write_key(self, name, key):
        """A key in each of the forms that a key file may have."""
        path = self.folder / name
        if key["type"] == "aes":
            material = bytes.fromhex(key["material_hex"])
            forms = [material, material.hex().encode() + b"\n", base64.b64encode(material) + b"\n"]
            self.files[name] = [self.folder / f"{name}.{form}" for form in ("raw", "hex", "base64")]
            for file, data in zip(self.files[name], forms, strict=True):
                file.write_bytes(data)
                file.chmod(0o600)
        else:
            self.files[name] = [path]
            path.write_text(key["private_pkcs8_pem"])
            path.chmod(0o600)
            path.with_name(f"{name}.pub").write_text(key["public_spki_pem"])

    def write_public_key(self, name, key):
        self.files[name] = [self.folder / name]
        (self.folder / f"{name}.pub").write_text(key["public_spki_pem"])

    def key_arguments(self, keyring, private, call):
        if keyring["type"].startswith("kms"):
            yield from self.kms_arguments(keyring, private, call)
            return
        if keyring["type"] == "multi":
            for member in [keyring["generator"], *keyring["children"]]:
                yield from self.key_arguments(member, private, call)
            return
        if keyring["type"] == "raw-ecdh":
            fields = {"schema": keyring["schema"], "curve": keyring["curve"]}
            if keyring["schema"] != "ephemeral":
                own = keyring["sender" if keyring["schema"] == "static" else "recipient"]
                fields["private"] = str(self.files[own][0])
            if keyring["schema"] != "discovery":
                fields["public"] = f"{self.files[keyring['recipient']][0]}.pub"
            yield from ("-k", f"raw-ecdh:{','.join(f'{name}={value}' for name, value in fields.items())}")
            return
        files = self.files[keyring["key"]]
        file = files[call % len(files)]
        fields = {"namespace": keyring["namespace"], "name": keyring["name"]}
        if keyring["type"] == "raw-aes":
            fields["file"] = str(file)
        else:
            fields["padding"] = keyring["padding"]
            fields["private" if private else "public"] = str(file) if private else f"{file}.pub"
        encoded = ",".join(f"{name}={urllib.parse.quote(value, safe='/')}" for name, value in fields.items())
        yield from ("-k", f"{keyring['type']}:{encoded}")

    def kms_arguments(self, keyring, private, call):
        """As described in python/kms_keyrings.py. Where a public half may be given or fetched, in turns."""
        kind = keyring["type"].removesuffix("-multi")
        keys = keyring.get("keys") or [keyring.get("key")]
        fields = [("endpoint", keyring["endpoint"])]
        if kind.endswith("discovery"):
            keys = [None]
            fields += [("region", region) for region in keyring["regions"]]
            accounts = keyring.get("accounts") or []
            fields += [("partition", "aws"), *(("account", account) for account in accounts)] if accounts else []
        if kind == "kms-rsa":
            fields.append(("algorithm", keyring["algorithm"]))
            if not private and call % 2 == 0:
                fields.append(("public", f"{self.files[keyring['public']][0]}.pub"))
        if kind == "kms-ecdh":
            fields += [("schema", keyring["schema"]), ("curve", keyring["curve"])]
            if keyring["schema"] == "static":
                fields.append(("public", f"{self.files[keyring['peer']][0]}.pub"))
            if call % 2 == 0:
                fields.append(("own", f"{self.files[keyring['public']][0]}.pub"))
        for key in keys:
            own = [("key", key), *fields] if key else fields
            yield from ("-k", f"{kind}:{','.join(f'{name}={value}' for name, value in own)}")

    def run(self, command, data, call, verb, through_files=None):
        if through_files is None:
            through_files = call % 2 == 1
        source, target = self.folder / f"in-{call}", self.folder / f"out-{call}"
        if through_files:
            source.write_bytes(data)
            command += ["-i", str(source), "-o", str(target)]
        try:
            done = subprocess.run(
                command, input=b"" if through_files else data, capture_output=True, timeout=60, check=False
            )
            if done.returncode != 0:
                said = " / ".join(done.stderr.decode(errors="replace").split("\n")[:3])
                raise Failure(f"waxseal does not {verb}: exit {done.returncode}: {said[:300]}", done.returncode)
            return target.read_bytes() if through_files else done.stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(f"waxseal does not {verb}: {error}") from error
        finally:
            source.unlink(missing_ok=True)
            target.unlink(missing_ok=True)

    def encrypt(self, keyring, suite, frame_length, context, plaintext, required_encryption_context_keys=()):
        call = next(self.calls)
        if required_encryption_context_keys:
            return self.encrypt_required(keyring, context, plaintext, required_encryption_context_keys, call)
        arguments = [str(self.binary), "encrypt", *self.key_arguments(keyring, False, call)]
        arguments += ["--suite", suite, "--frame-length", str(frame_length)]
        if suite not in COMMITTING:
            arguments += ["--commitment-policy", "forbid-encrypt-allow-decrypt"]
        file = self.folder / f"context-{call}.json"
        if call % 3 == 0:
            file.write_text(json.dumps(context, ensure_ascii=call % 2 == 0), encoding="utf-8")
            arguments += ["--context-file", str(file)]
        else:
            arguments += [part for name, value in context.items() for part in ("-c", f"{name}={value}")]
        try:
            return self.run(arguments, plaintext, call, "encrypt")
        finally:
            file.unlink(missing_ok=True)

    def encrypt_required(self, keyring, context, plaintext, required, call):
        """By an example, with one key of AWS KMS and the default suite."""
        stored = [f"{name}={value}" for name, value in context.items() if name not in required]
        not_stored = [f"{name}={context[name]}" for name in required]
        command = ["env", f"AWS_ENDPOINT_URL_KMS={keyring['endpoint']}", str(self.required_context), keyring["key"]]
        return self.run([*command, *stored, "--not-stored", *not_stored], plaintext, call, "encrypt", False)

    def decrypt(self, keyring, suite, context, message, required=()):
        call = next(self.calls)
        arguments = [str(self.binary), "decrypt", *self.key_arguments(keyring, True, call)]
        if suite not in COMMITTING:
            arguments += ["--commitment-policy", "require-encrypt-allow-decrypt"]
        for index, (name, value) in enumerate(context.items()):
            # By value, by name alone, or not at all; always by value where the message does not hold it.
            how = 0 if name in required else (call + index) % 3
            arguments += [["-c", f"{name}={value}"], ["-c", name], []][how]
        return self.run(arguments, message, call, "decrypt")

    def keygen(self, kind, suffix=""):
        """Makes a key and reads it back as the official packages need it."""
        path = self.folder / f"made-{kind}{suffix}"
        try:
            done = subprocess.run(
                [str(self.binary), "keygen", "--kind", kind, "--out", str(path)],
                capture_output=True,
                timeout=120,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(f"waxseal keygen: {error}") from error
        if done.returncode != 0:
            raise Failure(f"waxseal keygen: exit {done.returncode}: {done.stderr.decode(errors='replace')[:300]}")
        try:
            self.files[path.name] = [path]
            if not kind.startswith("aes"):
                public = path.with_name(f"{path.name}.pub").read_text()
                kind = "rsa" if kind.startswith("rsa") else "ecc"
                return path.name, {"type": kind, "private_pkcs8_pem": path.read_text(), "public_spki_pem": public}
            return path.name, {"type": "aes", "material_hex": key_bytes(path.read_bytes(), int(kind[3:]) // 8).hex()}
        except (OSError, ValueError) as error:
            raise Failure(f"waxseal keygen wrote something else: {error}") from error


def key_bytes(data, length):
    if len(data) == length:
        return data
    text = data.decode().strip()
    material = bytes.fromhex(text) if len(text) == 2 * length else base64.b64decode(text, validate=True)
    if len(material) != length:
        raise ValueError(f"{len(data)} bytes are no key of {length} bytes")
    return material


class Report:
    def __init__(self, only):
        self.only, self.passed, self.failed = only, 0, 0
        self.lock = threading.Lock()

    def run(self, steps):
        """Steps, each with its parties. One that breaks off must not look as if it had passed."""
        for step, *ends in steps:
            try:
                step(self, *ends)
            except Exception as error:  # noqa: BLE001
                with self.lock:
                    self.failed += 1
                    print(f"FAIL  {step.__name__}: {type(error).__name__}: {error}", flush=True)

    def check(self, title, run):
        if self.only not in title:
            return
        problem = None
        try:
            run()
        except Failure as failure:
            problem = str(failure)
        except Exception as error:  # noqa: BLE001, one check must not end the others
            problem = f"this script: {type(error).__name__}: {error}"
        with self.lock:
            if problem is None:
                self.passed += 1
                print(f"ok    {title}", flush=True)
            else:
                self.failed += 1
                print(f"FAIL  {title}: {problem}", flush=True)


def plaintext_of(length):
    return hashlib.shake_128(b"waxseal interop").digest(length)


def pair(report, writer, reader, title, suite, length, keyrings, context, required=(), frame_length=None, **more):
    wraps, opens = keyrings

    def run():
        text = plaintext_of(length)
        frame = FRAME_LENGTH[writer.name] if frame_length is None else frame_length
        message = writer.encrypt(wraps, suite, frame, context, text, **more)
        settings = {"required": required} if required else {}
        if reader.decrypt(opens, suite, context, message, **settings) != text:
            raise Failure(f"{reader.name} opens it to another plaintext")

    report.check(f"{writer.name} -> {reader.name}  {title}", run)


def refused(report, writer, reader, title, suite, keyrings, contexts, expected, required=(), **more):
    """The reader must refuse what the writer wrote. Contexts are the writer's and the reader's."""
    wraps, opens = keyrings

    def run():
        message = writer.encrypt(wraps, suite, FRAME_LENGTH[writer.name], contexts[0], plaintext_of(200), **more)
        settings = {"required": required} if required else {}
        refuses(reader, expected, lambda: reader.decrypt(opens, suite, contexts[1], message, **settings))

    report.check(f"{writer.name} -> {reader.name}  refused: {title}", run)


def refuses(party, expected, run):
    """`expected` has, by party, words of the error or the exit code."""
    try:
        run()
    except Failure as failure:
        wanted = expected[party.name]
        said = failure.said
        if said is None or (wanted not in said if isinstance(wanted, str) else wanted != said):
            raise Failure(f"not for the reason {wanted!r}: {failure}") from failure
    else:
        raise Failure(f"{party.name} does not refuse")
