#!/usr/bin/env python3
"""Has the official Python and JavaScript packages try every message of tests/testkit.

Run `python3 tests/interop/testkit.py [TEXT]`; with TEXT only messages whose name contains it. Each package must open what
the file says must open, to the same plaintext, and refuse the rest. Where one is known to do otherwise, KNOWN says so and
why. Prints every other difference and a line of counts per package; exits with 1 if there is one.
"""

import collections
import hashlib
import sys

import workers

MESSAGES = workers.ROOT / "tests" / "testkit" / "messages"
# Settings that these packages do not have.
NOT_THERE = ("max-frame-length", "max-header-length")


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    cases = [read(path) for path in sorted(MESSAGES.glob("*/*"))]
    cases = [case for case in cases if wanted in case["name"] and not set(NOT_THERE) & set(case["policy"])]
    workers.install()
    keys = {case["key"]: {"type": "aes", "material_hex": case["key"]} for case in cases}
    differences = 0
    for worker in (workers.python_worker(keys), workers.node_worker(keys)):
        counts = collections.Counter()
        for case in cases:
            counts[outcome(worker, case)] += 1
        worker.stop()
        differences += counts["differ"]
        print(worker.name, *(f"{count} {what}," for what, count in sorted(counts.items())), flush=True)
    sys.exit(1 if differences else 0)


def read(path):
    text, message = path.read_bytes().split(b"\n\n", 1)
    fields = [line.split(": ", 1) for line in text.decode().split("\n")]
    one = dict(fields)
    return {
        "name": f"{path.parent.name}/{path.name}",
        "expect": one["expect"],
        "payload": one["payload"],
        "key": one["keyring"].split()[-1],
        "policy": dict(value.split(" ") for field, value in fields if field == "policy"),
        "require": dict(value.split("=", 1) for field, value in fields if field == "require"),
        "message": message,
    }


def outcome(worker, case):
    more = {
        "commitment_policy": case["policy"].get("commitment-policy", "require-encrypt-require-decrypt"),
        "max_encrypted_data_keys": int(case["policy"].get("max-encrypted-data-keys", 100)),
    }
    more["commitment_policy"] = more["commitment_policy"].upper().replace("-", "_")
    if case["require"]:
        more["reproduced_encryption_context"] = case["require"]
    keyring = {"type": "raw-aes", "key": case["key"], "namespace": "testkit", "name": "key"}
    answer = worker.decrypt(keyring, case["message"], **more)
    opens = case["expect"] == "success"
    same = answer["ok"] == opens
    if opens and answer["ok"]:
        same = hashlib.sha256(answer["plaintext"]).hexdigest() == case["payload"]
    # A process that dies or never answers did not refuse.
    if same and (answer["ok"] or answer["error"] not in workers.NO_REFUSALS):
        return "same"
    for why, applies in KNOWN[worker.name]:
        if applies(case):
            return f"known ({why})"
    told = "opened" if answer["ok"] else answer["error"][:160]
    print(f"{worker.name} {case['name']}: {case['expect']}, but {told}", flush=True)
    return "differ"


def named(*names):
    return lambda case: any(name in case["name"] for name in names)


def trailing(case):
    return "TrailingBytes" in case["expect"]


def lax_base64(case):
    """Space, padding, the other alphabet and what follows do not matter to it."""
    names = ("line-end-", "padding-", "space-", "url-alphabet", "zero-behind", "bits-behind", "unpadded")
    return case["name"].startswith("public-key/") and named(*names)(case)


KNOWN = {
    "python": [
        ("ignores bytes after the end", trailing),
        ("reads provider ids as text", named("behind-a-binary-one")),
        ("takes no frames of 2^31 bytes", named("frame-length-2147483648", "frame-length-4294967295")),
        ("takes only compressed public keys", named("-uncompressed")),
    ],
    "node": [
        ("ignores bytes after the end of what is not signed", trailing),
        ("has no required context", lambda case: bool(case["require"])),
        ("takes no empty field of an encrypted data key", named("empty-one", "longest-", "-keys-of-")),
        ("reads Base64 loosely", lax_base64),
        ("takes only compressed public keys", named("-uncompressed")),
    ],
}

if __name__ == "__main__":
    main()
