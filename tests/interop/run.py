#!/usr/bin/env python3
"""Has waxseal and the official Python and JavaScript packages open each other's messages.

Every algorithm suite, with four lengths and nine ways to choose keys, both ways; then keys made by `waxseal keygen`,
raw ECDH keyrings, unframed messages and required encryption contexts. One line per check, and last `N passed, M failed`.
"""

import argparse
import base64
import hashlib
import itertools
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import workers

SUITES = ["0x0014", "0x0046", "0x0078", "0x0114", "0x0146", "0x0178", "0x0214", "0x0346", "0x0378", "0x0478", "0x0578"]
COMMITTING = {"0x0478", "0x0578"}
# Python writes only multiples of 128.
FRAME_LENGTH = {"python": 128, "node": 100, "waxseal": 77}
LENGTHS = {"empty": lambda frame: 0, "1-byte": lambda frame: 1, "1-frame": lambda frame: frame,
           "4-frames": lambda frame: 3 * frame + 5}  # fmt: skip
NAMESPACE = "waxseal.interop"
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


TWO = {"type": "multi", "generator": raw_aes("aes-256-a"), "children": [raw_rsa("rsa-2048-a", "oaep-sha256")]}
# Name: what encrypts, what decrypts.
KEYRINGS = {
    "aes-256": (raw_aes("aes-256-a"), raw_aes("aes-256-a")),
    "aes-128": (raw_aes("aes-128-a"), raw_aes("aes-128-a")),
    **{
        f"rsa-{padding}": (raw_rsa("rsa-2048-a", padding),) * 2
        for padding in ("pkcs1", "oaep-sha1", "oaep-sha256", "oaep-sha384", "oaep-sha512")
    },
    "two-keys-by-first": (TWO, TWO["generator"]),
    "two-keys-by-second": (TWO, TWO["children"][0]),
}


class Failure(Exception):
    pass


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
            raise Failure(f"{self.name} does not encrypt: {answer['error']}")
        return answer["message"]

    def decrypt(self, keyring, suite, context, message, required=()):
        reproduced = {name: context[name] for name in required} or None
        with self.lock:
            answer = self.worker.decrypt(
                keyring, message, commitment_policy=policy(suite), reproduced_encryption_context=reproduced
            )
        if not answer["ok"]:
            raise Failure(f"{self.name} does not decrypt: {answer['error']}")
        missing = {k: v for k, v in context.items() if k not in required}.items() - answer["encryption_context"].items()
        if missing:
            raise Failure(f"{self.name} reports another context: lacks {sorted(missing)}")
        return answer["plaintext"]


def policy(suite):
    return "REQUIRE_ENCRYPT_REQUIRE_DECRYPT" if suite in COMMITTING else "FORBID_ENCRYPT_ALLOW_DECRYPT"


class Waxseal:
    """The command line. Every other call goes through files, the rest through pipes, and so on for other choices."""

    name = "waxseal"

    def __init__(self, binary, folder, keys):
        self.binary, self.folder = binary, folder
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

    def key_arguments(self, keyring, private, call):
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

    def run(self, arguments, data, call, verb):
        command = [str(self.binary), *arguments]
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
                raise Failure(f"waxseal does not {verb}: exit {done.returncode}: {said[:300]}")
            return target.read_bytes() if through_files else done.stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(f"waxseal does not {verb}: {error}") from error
        finally:
            source.unlink(missing_ok=True)
            target.unlink(missing_ok=True)

    def encrypt(self, keyring, suite, frame_length, context, plaintext):
        call = next(self.calls)
        arguments = ["encrypt", *self.key_arguments(keyring, False, call)]
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

    def decrypt(self, keyring, suite, context, message, required=()):
        call = next(self.calls)
        arguments = ["decrypt", *self.key_arguments(keyring, True, call)]
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


def matrix(report, writer, reader):
    contexts = itertools.cycle(CONTEXTS.items())
    for suite in SUITES:
        for keys_name, keyrings in KEYRINGS.items():
            for length_name, length in LENGTHS.items():
                context_name, context = next(contexts)
                title = f"{suite} {keys_name} {length_name} context={context_name}"
                pair(report, writer, reader, title, suite, length(FRAME_LENGTH[writer.name]), keyrings, context)
        # Another context for the same keys and length in the next suite.
        next(contexts)


def keygen(report, waxseal, official):
    for kind in ("aes128", "aes192", "aes256", "rsa2048", "rsa3072", "rsa4096"):

        def run(kind=kind):
            name, key = waxseal.keygen(kind)
            for one in official:
                one.add_key(name, key)
            keyring = raw_aes(name) if kind.startswith("aes") else raw_rsa(name, "oaep-sha256")
            for one in official:
                for writer, reader in ((waxseal, one), (one, waxseal)):
                    message = writer.encrypt(keyring, "0x0578", 128, CONTEXTS["one"], b"made")
                    if reader.decrypt(keyring, "0x0578", CONTEXTS["one"], message) != b"made":
                        raise Failure(f"{reader.name} opens it to another plaintext")

        report.check(f"waxseal keygen {kind}, both ways with python and node", run)


def ecdh(report, waxseal, python):
    """Key pairs made by waxseal. A static keyring opens what either of the two wrote; so does its writer."""
    for curve in ("p256", "p384", "p521"):
        a, b = (waxseal.keygen(f"ec-{curve}", suffix) for suffix in ("-a", "-b"))
        for name, key in (a, b):
            python.add_key(name, key)
        a, b = a[0], b[0]
        from_a, from_b = raw_ecdh("static", curve, a, b), raw_ecdh("static", curve, b, a)
        for_b, by_b = raw_ecdh("ephemeral", curve, a, b), raw_ecdh("discovery", curve, a, b)
        kinds = {
            "static": (from_a, from_b),
            "static by its writer": (from_a, from_a),
            "static by discovery": (from_a, by_b),
            "ephemeral by discovery": (for_b, by_b),
        }
        for (writer, reader), (kind, keyrings) in itertools.product(
            ((waxseal, python), (python, waxseal)), kinds.items()
        ):
            for suite, context in (("0x0578", "none"), ("0x0478", "unicode"), ("0x0014", "one")):
                title = f"{suite} ecdh {curve} {kind} context={context}"
                pair(report, writer, reader, title, suite, 200, keyrings, CONTEXTS[context])


def only_python_writes(report, python, reader):
    keyrings = KEYRINGS["aes-256"]
    for suite, length in itertools.product(("0x0014", "0x0178", "0x0378", "0x0478", "0x0578"), (0, 1, 500)):
        title = f"{suite} unframed {length} bytes"
        pair(report, python, reader, title, suite, length, keyrings, CONTEXTS["unicode"], frame_length=0)
    if reader.name == "node":
        return
    context = {"tenant": "42", "region": "eu", "schlüssel": "\U0001f511"}
    for suite, count in itertools.product(("0x0178", "0x0378", "0x0478", "0x0578"), (1, 3)):
        required = list(context)[:count]
        title = f"{suite} {count} of 3 context pairs only authenticated"
        more = {"required_encryption_context_keys": required}
        pair(report, python, reader, title, suite, 200, keyrings, context, required=required, **more)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", nargs="?", type=pathlib.Path, help="default: target/debug/waxseal")
    parser.add_argument("--self", action="store_true", help="Python and JavaScript only, without waxseal")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks whose line contains TEXT")
    options = parser.parse_args()
    binary = shutil.which(options.binary or workers.ROOT / "target" / "debug" / "waxseal")
    if not options.self and binary is None:
        parser.error("no waxseal binary: build it (cargo build --features cli), name it, or use --self")

    workers.install()
    keys = json.loads((workers.ROOT / "tests" / "vectors" / "keys.json").read_text())["keys"]
    python = Official("python", workers.python_worker(keys))
    node = Official("node", workers.node_worker(keys))
    report = Report(options.only)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="waxseal-interop-") as folder:
        if options.self:
            tasks = [[(matrix, python, node), (only_python_writes, python, node)], [(matrix, node, python)]]
        else:
            waxseal = Waxseal(pathlib.Path(binary).resolve(), pathlib.Path(folder), keys)
            keygen(report, waxseal, [python, node])
            ecdh(report, waxseal, python)
            tasks = [
                [(matrix, waxseal, python), (matrix, python, waxseal), (only_python_writes, python, waxseal)],
                [(matrix, waxseal, node), (matrix, node, waxseal)],
            ]
        # Each package answers one job at a time, so a thread for each keeps both busy.
        threads = [
            threading.Thread(target=lambda task=task: [step(report, *ends) for step, *ends in task]) for task in tasks
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for one in (python, node):
        one.worker.stop()
    print(f"in {time.monotonic() - began:.1f} seconds")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
