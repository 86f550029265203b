#!/usr/bin/env python3
"""Has waxseal and the official Python and JavaScript packages open each other's messages.

Every algorithm suite, with four lengths and nine ways to choose keys, both ways; then keys made by `waxseal keygen`,
raw ECDH keyrings, unframed messages and required encryption contexts; and the keyrings of AWS KMS (kms.py). One line per
check, and last `N passed, M failed`.
"""

import argparse
import itertools
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import kms
import workers
from parties import CONTEXTS, FRAME_LENGTH, Failure, Official, Report, Waxseal, pair, raw_aes, raw_ecdh, raw_rsa

SUITES = ["0x0014", "0x0046", "0x0078", "0x0114", "0x0146", "0x0178", "0x0214", "0x0346", "0x0378", "0x0478", "0x0578"]
LENGTHS = {"empty": lambda frame: 0, "1-byte": lambda frame: 1, "1-frame": lambda frame: frame,
           "4-frames": lambda frame: 3 * frame + 5}  # fmt: skip
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
    parser.add_argument("binary", nargs="?", type=pathlib.Path, help="with its examples beside it; default: builds them")
    parser.add_argument("--self", action="store_true", help="Python and JavaScript only, without waxseal")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks whose line contains TEXT")
    options = parser.parse_args()
    # As an exception, so that servers go, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kms.settle_environment()
    binary = shutil.which(options.binary or build())
    if binary is None:
        parser.error(f"there is no {options.binary}")
    binary = pathlib.Path(binary).resolve()
    server = binary.parent / "examples" / f"fake_kms_server{binary.suffix}"
    if not server.is_file():
        parser.error(f"there is no {server}: build it, or name no binary")

    workers.install()
    keys = json.loads((workers.ROOT / "tests" / "vectors" / "keys.json").read_text())["keys"]
    python = Official("python", workers.python_worker(keys))
    node = Official("node", workers.node_worker(keys))
    report = Report(options.only)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="waxseal-interop-") as folder, kms.world(server) as world:
        if options.self:
            world.disabled(report, [python, node])
            world.both_ways(report, python, node)
            tasks = [[(matrix, python, node), (only_python_writes, python, node)], [(matrix, node, python)]]
        else:
            waxseal = Waxseal(binary, pathlib.Path(folder), keys)
            keygen(report, waxseal, [python, node])
            ecdh(report, waxseal, python)
            world.disabled(report, [waxseal, python, node])
            tasks = [
                [
                    (matrix, waxseal, python),
                    (matrix, python, waxseal),
                    (only_python_writes, python, waxseal),
                    (world.both_ways, waxseal, python),
                    (world.asymmetric, waxseal, python),
                ],
                [(matrix, waxseal, node), (matrix, node, waxseal), (world.both_ways, waxseal, node)],
            ]
        # Each package answers one job at a time, so a thread for each keeps both busy.
        threads = [threading.Thread(target=report.run, args=[task], daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for one in (python, node):
        one.worker.stop()
    print(f"in {time.monotonic() - began:.1f} seconds")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


def build():
    """Builds the command line and two examples, with the features of `.ci/run`, and gives the path of the first."""
    command = ["cargo", "build", "--features", "cli,s3,testing,tokio,tracing", "--bin", "waxseal"]
    for name in ("fake_kms_server", "required_context"):
        command += ["--example", name]
    subprocess.run(command, cwd=workers.ROOT, check=True)
    return workers.TARGET.parent / "debug" / "waxseal"


if __name__ == "__main__":
    sys.exit(main())
