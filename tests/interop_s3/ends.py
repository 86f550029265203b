"""Who writes and reads objects in these checks.

A job of a program has "op" (put, get, reencrypt), "bucket", "key", "keyring" (as `Keys.keyring` in world.py makes it),
"policy", "context", and what it needs of "body" and "out" (files), "instruction_file", "suffix", "multipart" ("parts":
one call each; "whole": the client divides), "part_size", "range" (as in HTTP), "legacy_wrapping_algorithms",
"legacy_unauthenticated_modes", "to" (a keyring), "seconds" (until it is given up). For Java, "client" is which of its
clients ("java" is version 4), and "mode" the crypto mode of an old one.
"""

import itertools
import json
import subprocess
import threading
import urllib.parse

import workers
from parties import Failure
from world import BUCKET

FORMATS = {"V3": "require-encrypt-require-decrypt", "V2": "forbid-encrypt-allow-decrypt"}
PART_SIZE = 5 * 1024 * 1024
EVERYTHING = {"kms", "aes", "rsa", "multipart", "instruction", "range", "unicode"}
# Errors that are no answer to an object.
NO_REFUSALS = {workers.DIED, "no answer in time"}


class End:
    """What it can: the keys, and "multipart", "instruction" (to write one), "range", "unicode"."""

    def __init__(self, name, folder, can, writes=frozenset(FORMATS)):
        self.name, self.folder, self.can, self.writes = name, folder, can, writes
        self.calls = itertools.count()

    def knows(self, kind, *more):
        return kind.split("-")[0] in self.can and all(one in self.can for one in more)

    def put(self, key, body, keyring, format_name, **more):
        """`more`: context, instruction_file, multipart."""
        source = self.folder / f"{self.name}-in-{next(self.calls)}"
        source.write_bytes(body)
        try:
            self.put_file(key, source, keyring, FORMATS[format_name], **more)
        finally:
            source.unlink()

    def get(self, key, keyring, format_name, **more):
        """`more`: context, suffix, range, policy and what allows old objects."""
        target = self.folder / f"{self.name}-out-{next(self.calls)}"
        policy = more.pop("policy", FORMATS[format_name])
        try:
            self.get_file(key, target, keyring, policy, **more)
            return target.read_bytes()
        except FileNotFoundError as error:
            raise Failure(f"{self.name} says it is well, but gives nothing") from error
        finally:
            target.unlink(missing_ok=True)


class Official(End):
    """A client in a program of its own. Several may share one."""

    locks = {}

    def __init__(self, name, worker, folder, can, writes=frozenset(FORMATS), mode=None):
        super().__init__(f"{name} {mode}" if mode else name, folder, can, writes)
        self.worker, self.fields = worker, {"client": name, "mode": mode}
        self.lock = self.locks.setdefault(worker.name, threading.Lock())

    def ask(self, op, key, keyring, **fields):
        fields = {name: value for name, value in fields.items() if value not in (None, {}, False)}
        job = {"op": op, "bucket": BUCKET, "key": key, "keyring": keyring, **self.fields, **fields}
        with self.lock:
            answer = self.worker.ask(job)
        if not answer["ok"]:
            said = None if answer["error"] in NO_REFUSALS else answer["error"]
            raise Failure(f"{self.name} does not {op}: {answer['error'][:400]}", said)

    def put_file(self, key, source, keyring, policy, **more):
        more = {**more, "body": str(source), "policy": policy, "part_size": PART_SIZE}
        if source.stat().st_size > 0:
            self.ask("put", key, keyring, **more)
            return
        # Java now and then sends nothing of an empty body: README.md says more.
        for attempt in range(3):
            try:
                self.ask("put", key, keyring, seconds=5, **more)
                return
            except Failure as failure:
                if attempt == 2 or not any(text in str(failure) for text in ("no answer in time", "cannot be retried")):
                    raise

    def get_file(self, key, target, keyring, policy, **more):
        span = more.pop("range", None)
        if span is not None:
            more.update(range=f"bytes={span[0]}-{span[1]}", seconds=5)
        self.ask("get", key, keyring, out=str(target), policy=policy, **more)

    def rewrap(self, key, keyring, to, format_name, suffix=None):
        # It refuses where instruction files are not to be written.
        self.ask("reencrypt", key, keyring, to=to, policy=FORMATS[format_name], suffix=suffix, instruction_file=True)


class Waxseal(End):
    """The command line. Endpoints come from the environment."""

    def __init__(self, binary, folder):
        super().__init__("waxseal", folder, EVERYTHING)
        self.binary = binary

    def run(self, verb, *arguments):
        command = [str(self.binary), "s3", verb, *arguments]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(f"waxseal does not {verb}: {error}") from error
        if done.returncode != 0:
            said = " / ".join(done.stderr.decode(errors="replace").split("\n")[:3])
            raise Failure(f"waxseal does not {verb}: exit {done.returncode}: {said[:400]}", done.returncode)
        return done.stdout

    def put_file(self, key, source, keyring, policy, context=None, instruction_file=False, multipart=None):
        arguments = [str(source), address(key), *key_arguments(keyring), *context_arguments(context)]
        arguments += ["--commitment-policy", policy]
        if instruction_file:
            arguments.append("--instruction-file")
        if multipart:
            arguments += ["--part-size", str(PART_SIZE)]
        self.run("put", *arguments)

    def get_file(self, key, target, keyring, policy, context=None, suffix=None, **more):
        arguments = [address(key), "-o", str(target), *key_arguments(keyring), *context_arguments(context)]
        arguments += ["--commitment-policy", policy]
        if suffix:
            arguments += ["--instruction-file-suffix", suffix]
        if more.get("range"):
            arguments += ["--range", "{}-{}".format(*more["range"])]
            if more.get("legacy_unauthenticated_modes"):
                arguments.append("--unauthenticated-range")
        for name in ("legacy_wrapping_algorithms", "legacy_unauthenticated_modes"):
            if more.get(name):
                arguments.append(f"--{name.replace('_', '-')}")
        self.run("get", *arguments)

    def rewrap(self, key, keyring, to, format_name, suffix=None):
        arguments = [address(key), *key_arguments(keyring), "--to", *key_arguments(to)[1:]]
        arguments += ["--commitment-policy", FORMATS[format_name]]
        if suffix:
            arguments += ["--instruction-file-suffix", suffix]
        self.run("rewrap", *arguments)


def address(key):
    return f"s3://{BUCKET}/{key}"


def context_arguments(context):
    return [part for name, value in (context or {}).items() for part in ("-c", f"{name}={value}")]


def key_arguments(keyring):
    arguments = []
    for one in [keyring, *keyring.get("others", [])]:
        if one["type"] == "kms":
            arguments += ["-k", f"kms:key={one['key']}"]
            continue
        fields = {name: one[name] for name in ("file", "private", "public") if name in one}
        encoded = ",".join(f"{name}={urllib.parse.quote(value, safe='/')}" for name, value in fields.items())
        if one["description"]:
            # Last, and as it is.
            encoded += f",description={json.dumps(one['description'], ensure_ascii=False)}"
        arguments += ["-k", f"raw-{one['type']}:{encoded}"]
    return arguments
