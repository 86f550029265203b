#!/usr/bin/env python3
"""Starts each emulator on 127.0.0.1 and runs tests/emulators/comparison.rs against it. See run.sh."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "emulators"
PINS = HERE / "requirements.txt"
SCRIPTS = TARGET / "venv" / ("Scripts" if os.name == "nt" else "bin")


def moto(port):
    return [SCRIPTS / "moto_server", "-H", "127.0.0.1", "-p", str(port)], {}


def ministack(port):
    # It binds every interface unless told otherwise.
    return [SCRIPTS / "ministack"], {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}


def install():
    """Makes the installation, or leaves it alone when the pins are the ones it was made from."""
    stamp = TARGET / "venv" / ".installed-from"
    wanted = hashlib.sha256(PINS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"installing {PINS.relative_to(ROOT)}", flush=True)
    shutil.rmtree(TARGET / "venv", ignore_errors=True)
    # Not the interpreter of a virtual environment that this process may run in.
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", str(TARGET / "venv")], check=True)
    subprocess.run([SCRIPTS / "python", "-m", "pip", "install", "-q", "--no-deps", "-r", PINS], check=True)
    subprocess.run([SCRIPTS / "python", "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)
    stamp.write_text(wanted)


def build(options):
    """Builds the comparison and gives its path."""
    command = ["cargo", "test", "--no-run", "--test", "emulator_comparison", "--message-format=json-render-diagnostics", *options]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    made = [m["executable"] for m in messages if m.get("target", {}).get("name") == "emulator_comparison"]
    return made[-1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(server, endpoint, log):
    for _ in range(300):
        if server.poll() is not None:
            raise SystemExit(f"the emulator ended with {server.returncode}, see {log}")
        try:
            urllib.request.urlopen(endpoint, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"the emulator does not answer, see {log}")


def compare(start, binary):
    port = free_port()
    command, settings = start(port)
    endpoint = f"http://127.0.0.1:{port}"
    log = TARGET / f"{start.__name__}.log"
    with open(log, "wb") as output:
        server = subprocess.Popen(
            command, cwd=TARGET, env={**os.environ, **settings}, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        wait_until_ready(server, endpoint, log)
        more = {"WAXSEAL_KMS_ENDPOINT": endpoint, "WAXSEAL_KMS_EMULATOR": start.__name__}
        return subprocess.run([binary], cwd=ROOT, env={**os.environ, **more}, timeout=120, check=False).returncode
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def main():
    # As an exception, so that the servers go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    binary = build(sys.argv[1:] or ["--features", "testing"])
    install()
    failed = [start.__name__ for start in (moto, ministack) if compare(start, binary) != 0]
    print(f"failed: {', '.join(failed)}" if failed else "FakeKms agrees with moto and ministack, known faults aside")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
