#!/usr/bin/env python3
"""Measures waxseal beside its published peers, in turns, and writes target/peers/results.json.

First it installs them, then it checks that they open each other's messages, then it measures speed and memory.
"""

import argparse
import contextlib
import datetime
import json
import math
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ROOT / "target" / "peers"
RUST = PEERS / "cargo" / "release"

sys.path.insert(0, str(ROOT / "tests" / "interop"))
import workers as interop  # noqa: E402, the pinned packages are those of the interoperability tests

interop.TARGET = PEERS

KIB, MIB = 1 << 10, 1 << 20
FRAME_LENS = [4 * KIB, 64 * KIB, MIB]
LENS = [KIB, MIB, 64 * MIB, 256 * MIB]
LARGE = 256 * MIB
INSTALL_TRIES = 3
# A sample is at least this long, so that small messages come in batches.
SAMPLE_SECONDS = 0.02
MIN_ROUNDS, MAX_ROUNDS = 3, 15
JOB_TIMEOUT_SECONDS = 600


class Peer:
    """One implementation, in a process of its own that answers one job at a time."""

    def __init__(self, name, command, env=None, only=lambda cell: True, messages="esdk"):
        self.name, self.command, self.env, self.only = name, command, env or {}, only
        # What it reads and writes; None if it makes no message.
        self.messages = messages
        self.process = None

    def ask(self, op, **job):
        if self.process is None:
            with open(PEERS / f"{self.name}.log", "ab") as log:
                self.process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env={**os.environ, **self.env},
                )
        timer = threading.Timer(JOB_TIMEOUT_SECONDS, self.process.kill)
        timer.start()
        line = b""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"op": op, **job}).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        timer.cancel()
        answer = json.loads(line) if line else {"error": f"the process died (see {PEERS}/{self.name}.log)"}
        if "error" in answer:
            raise SystemExit(f"{self.name}: {op} {job}: {answer['error']}")
        return answer

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process = None

    def peak_memory(self):
        """Bytes, since the process began."""
        return int(said_by(f"/proc/{self.process.pid}/status", "VmHWM").split()[0]) * KIB


def all_peers(options):
    python, worker = str(interop.venv_python()), str(HERE / "python_peer.py")
    node = [shutil.which("node") or "node", str(HERE / "node_peer.js")]
    ours = str(RUST / "waxseal_peer")

    def streams(cell):
        return cell["len"] < LARGE

    def chunks(cell):
        return not cell["signed"] and (cell["frame_len"] == 64 * KIB or cell["len"] == KIB)

    def copies(cell):
        return chunks(cell) and cell["len"] > KIB and cell["direction"] == "encrypt"

    peers = [
        # Every ratio is to this one.
        Peer("bare", [str(RUST / "bare"), "primitives"], messages=None),
        Peer("memcpy", [str(RUST / "bare"), "memcpy"], only=copies, messages=None),
        Peer("waxseal", [ours, "1"]),
        Peer("waxseal, 2 threads", [ours, "2"], only=lambda cell: cell["len"] > KIB),
        Peer("waxseal, at once", [ours, "at-once"], only=streams),
        Peer("aws-esdk", [str(RUST / "esdk_peer")], only=streams),
        Peer("Python, stream", [python, worker, "stream"]),
        Peer("Python, at once", [python, worker, "at-once"], only=streams),
        Peer("JavaScript", node, {"PEERS_NODE_DIR": str(PEERS / "node")}),
        Peer("age", [str(RUST / "age_peer")], only=chunks, messages="age"),
    ]
    return [peer for peer in peers if peer.name not in options.without]


def install(options):
    PEERS.mkdir(parents=True, exist_ok=True)
    for tries_left in reversed(range(INSTALL_TRIES)):
        try:
            interop.install()
            break
        except subprocess.CalledProcessError:
            if not tries_left:
                raise
            print("installing failed: trying again", flush=True)
    command = ["cargo", "build", "--release", "--target-dir", str(PEERS / "cargo")]
    if "aws-esdk" in options.without:
        command.append("--no-default-features")
    print(" ".join(command), flush=True)
    subprocess.run(command, cwd=HERE, check=True)


def check(peers, folder):
    """Each opens what waxseal wrote, and waxseal what each wrote, to the same bytes."""
    plaintext = folder / "plaintext"
    plaintext.write_bytes(pattern(MIB + 5))
    ours = next(peer for peer in peers if peer.name == "waxseal")
    done = []
    for peer in peers:
        if peer.messages is None:
            continue
        pairs = [(ours, peer), (peer, ours)] if peer.messages == ours.messages else [(peer, peer)]
        for signed in (False, True) if peer.messages == ours.messages else (False,):
            for writer, reader in pairs:
                cell = {"signed": signed, "frame_len": 4 * KIB, "len": MIB + 5}
                paths = [str(plaintext), str(folder / "message"), str(folder / "opened")]
                writer.ask("copy", direction="encrypt", input=paths[0], output=paths[1], **cell)
                reader.ask("copy", direction="decrypt", input=paths[1], output=paths[2], **cell)
                if pathlib.Path(paths[2]).read_bytes() != plaintext.read_bytes():
                    raise SystemExit(f"{reader.name} opens what {writer.name} wrote to another plaintext")
                done.append(f"{reader.name} opens what {writer.name} wrote, {'signed' if signed else 'unsigned'}")
    print(f"{len(done)} checks passed: they open each other's messages", flush=True)
    return done


def cells(options):
    for length in lens(options):
        for frame_len in FRAME_LENS[: 1 if length == KIB else None]:
            for signed in (False, True):
                for direction in ("encrypt", "decrypt"):
                    yield {"direction": direction, "signed": signed, "frame_len": frame_len, "len": length}


def lens(options):
    return [length for length in LENS if length <= (1 if options.quick else options.longest) * MIB]


def measure(peers, options):
    figures = []
    every = list(cells(options))
    for number, cell in enumerate(every):
        here = [peer for peer in peers if peer.only(cell)]
        times = {peer.name: prepare(peer, cell) for peer in here}
        samples = {peer.name: [] for peer in here}
        begun, rounds = time.monotonic(), 0
        while rounds < (1 if options.quick else MIN_ROUNDS) or (
            not options.quick and rounds < MAX_ROUNDS and time.monotonic() - begun < options.seconds / len(every)
        ):
            for peer in here:
                took = peer.ask("run", times=times[peer.name])["seconds"]
                samples[peer.name].append(took / times[peer.name])
            rounds += 1
        for peer in here:
            ratios = [bare / took for bare, took in zip(samples["bare"], samples[peer.name], strict=True)]
            figures.append(
                {
                    "peer": peer.name,
                    **cell,
                    "rounds": rounds,
                    "median_seconds": statistics.median(samples[peer.name]),
                    "best_seconds": min(samples[peer.name]),
                    "of_bare": statistics.median(ratios),
                }
            )
        took = time.monotonic() - begun
        print(f"{number + 1}/{len(every)}: {title(cell)}, {rounds} rounds in {took:.1f} s", flush=True)
    return figures


def prepare(peer, cell):
    """Runs it once for nothing, and gives how often it must run to make a sample."""
    peer.ask("prepare", **cell)
    took = peer.ask("run", times=1)["seconds"]
    if took < SAMPLE_SECONDS:
        # Again, since a first time may be slow.
        took = min(took, peer.ask("run", times=1)["seconds"])
    return max(1, math.ceil(SAMPLE_SECONDS / max(took, 1e-6)))


def measure_memory(peers, options, folder):
    """The peak of a process that does nothing but to read a file, encrypt or decrypt it, and drop the result."""
    plaintext, message = folder / "plaintext", folder / "message"
    figures = []
    # Of what is shorter a process holds little beside itself.
    for length in lens(options) if options.quick else [length for length in lens(options) if length != MIB]:
        plaintext.write_bytes(pattern(length))
        for frame_len in FRAME_LENS[: 1 if length == KIB else None]:
            for peer in peers:
                cell = {"signed": False, "frame_len": frame_len, "len": length}
                if peer.messages is None or not peer.only({**cell, "direction": "encrypt"}):
                    continue
                for direction, source, sink in (
                    ("encrypt", plaintext, message),
                    ("decrypt", message, pathlib.Path(os.devnull)),
                ):
                    peer.stop()
                    peer.ask("copy", direction=direction, input=str(source), output=str(sink), **cell)
                    peak = peer.peak_memory()
                    figures.append({"peer": peer.name, **cell, "direction": direction, "peak_bytes": peak})
                    peer.stop()
        print(f"memory at {length // KIB} KiB", flush=True)
    return figures


def pattern(length):
    once = bytes(range(251))
    return (once * (length // len(once) + 1))[:length]


def title(cell):
    suite = "signed" if cell["signed"] else "unsigned"
    return f"{cell['direction']} {suite}, {cell['len'] // KIB} KiB in frames of {cell['frame_len'] // KIB} KiB"


def said_by(path, field):
    """What a file of the system says after `field`."""
    for line in pathlib.Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value
    raise SystemExit(f"{path} does not tell {field}: this needs Linux")


def machine():
    return {
        "cpu": said_by("/proc/cpuinfo", "model name").strip(),
        "cores": os.cpu_count(),
        "memory_bytes": int(said_by("/proc/meminfo", "MemTotal").split()[0]) * KIB,
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "load_before": os.getloadavg()[0],
    }


def versions():
    def said(*command, **options):
        return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout.strip()

    locked = tomllib.loads((HERE / "Cargo.lock").read_text())["package"]
    crates = {package["name"]: package["version"] for package in locked}
    pip = "import importlib.metadata as m; print(m.version('aws-encryption-sdk'), m.version('cryptography'))"
    python_sdk, cryptography = said(str(interop.venv_python()), "-c", pip).split()
    npm = json.loads((PEERS / "node" / "node_modules" / "@aws-crypto" / "client-node" / "package.json").read_text())
    commit = said("git", "describe", "--always", "--dirty", "--exclude=*", cwd=ROOT)
    return {
        "waxseal": f"{crates['waxseal']} (commit {commit})",
        "aws-lc-rs": crates["aws-lc-rs"],
        "aws-esdk": crates["aws-esdk"],
        "aws-encryption-sdk (Python)": python_sdk,
        "cryptography (Python)": cryptography,
        "@aws-crypto/client-node": npm["version"],
        "age": crates["age"],
        "rustc": said("rustc", "--version").split()[1],
        "Python": said(str(interop.venv_python()), "--version").split()[1],
        "Node.js": said("node", "--version").removeprefix("v"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small messages once, to see that all of it works")
    parser.add_argument("--seconds", type=float, default=360, help="about how long to measure speed (default: 360)")
    parser.add_argument("--longest", type=int, default=256, metavar="MIB", help="no longer messages (default: 256)")
    parser.add_argument("--without", action="append", default=[], metavar="PEER", help="leave this one out (aws-esdk)")
    parser.add_argument("--install", action="store_true", help="only install")
    options = parser.parse_args()
    install(options)
    if options.install:
        return
    began = time.monotonic()
    results = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(["benches/peers/run.sh", *sys.argv[1:]]),
        "machine": machine(),
        "versions": versions(),
    }
    peers = all_peers(options)
    with tempfile.TemporaryDirectory(prefix="waxseal-peers-") as folder:
        results["checks"] = check(peers, pathlib.Path(folder))
        results["speed"] = measure(peers, options)
        results["memory"] = measure_memory(peers, options, pathlib.Path(folder))
    for peer in peers:
        peer.stop()
    results["machine"]["load_after"] = os.getloadavg()[0]
    results["seconds"] = round(time.monotonic() - began)
    path = PEERS / "results.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"{path.relative_to(ROOT)} written, in {results['seconds']} seconds")


if __name__ == "__main__":
    main()
