"""Installs the pinned official packages below target/interop and talks to them."""

import base64
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "interop"
PYTHON_PINS = HERE / "python" / "requirements.txt"
NODE_PINS = HERE / "node" / "package-lock.json"
DIED = "the process died"
# Errors that are no answer to a message.
NO_REFUSALS = {DIED, "Error: no answer: the stream never ended"}


def venv_python():
    scripts = "Scripts" if os.name == "nt" else "bin"
    return TARGET / "venv" / scripts / "python"


def install():
    """Makes both installations, or leaves them alone when the pin files are the ones they were made from."""
    install_one("venv", PYTHON_PINS, install_python)
    install_one("node", NODE_PINS, install_node)


def install_one(name, pins, run):
    stamp = TARGET / name / ".installed-from"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"installing {name} from {pins.relative_to(ROOT)}", flush=True)
    shutil.rmtree(TARGET / name, ignore_errors=True)
    (TARGET / name).mkdir(parents=True)
    run(TARGET / name)
    stamp.write_text(wanted)


def install_python(folder):
    # Not the interpreter of a virtual environment that this process may run in: that one is being replaced.
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(venv_python()), "-m", "pip", "install", "-q", "--no-deps", "-r", str(PYTHON_PINS)], check=True)
    subprocess.run([str(venv_python()), "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)


def install_node(folder):
    for file in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / file, folder / file)
    npm = shutil.which("npm") or "npm"
    subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True)


class Worker:
    """One process of an official package, answering jobs in order. A process that dies is started again."""

    def __init__(self, name, command, env, keys):
        self.name, self.command, self.env, self.keys = name, command, env, keys
        self.process = None

    def start(self):
        log = open(TARGET / f"{self.name}.log", "ab")  # noqa: SIM115, the process keeps it
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **self.env}
        )
        log.close()
        answer = self.ask({"op": "keys", "keys": self.keys})
        if not answer["ok"]:
            raise SystemExit(f"{self.name}: {answer['error']} (see {TARGET}/{self.name}.log)")

    def ask(self, job):
        if self.process is None:
            self.start()
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            # Node announces its --security-revert flags on standard output.
            while line and not line.startswith(b"{"):
                line = self.process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            self.process.kill()
            self.process.wait()
            self.process = None
            return {"ok": False, "error": DIED}
        return json.loads(line)

    def encrypt(self, keyring, suite_id, frame_length, context, plaintext, **more):
        return decoded(
            self.ask(
                {
                    "op": "encrypt",
                    "keyring": keyring,
                    "suite_id": suite_id,
                    "frame_length": frame_length,
                    "encryption_context": context,
                    "plaintext": base64.b64encode(plaintext).decode(),
                    **more,
                }
            )
        )

    def decrypt(self, keyring, message, **more):
        return decoded(
            self.ask({"op": "decrypt", "keyring": keyring, "message": base64.b64encode(message).decode(), **more})
        )

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def decoded(answer):
    for field in ("message", "plaintext"):
        if field in answer:
            answer[field] = base64.b64decode(answer[field])
    return answer


def python_worker(keys):
    return Worker("python", [str(venv_python()), str(HERE / "python" / "worker.py")], {}, keys)


def node_worker(keys):
    node = shutil.which("node") or "node"
    revert = "--security-revert=CVE-2023-46809"
    # Node of 2024 and later refuses to decrypt PKCS#1 v1.5 unless told otherwise; older ones do not know the flag, and
    # newer ones may not need it.
    known = subprocess.run([node, revert, "-e", ""], capture_output=True, check=False).returncode == 0
    command = [node, *([revert] if known else []), str(HERE / "node" / "worker.js")]
    return Worker("node", command, {"INTEROP_NODE_DIR": str(TARGET / "node")}, keys)
