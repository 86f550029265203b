"""Installs the pinned official clients below target/interop_s3, builds the programs that use them, and starts those."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import workers

HERE = pathlib.Path(__file__).resolve().parent
TARGET = workers.TARGET.parent / "interop_s3"
# What must be in PATH.
TOOLS = {"python": (), "java": ("mvn", "javac"), "go": ("go",)}
NO_LOG = "org.apache.commons.logging.impl.NoOpLog"


def venv_python():
    return TARGET / "python" / ("Scripts" if os.name == "nt" else "bin") / "python"


def start():
    """A worker for each client whose toolchain is there, by name. The rest is said and left out."""
    found = {}
    for name, tools in TOOLS.items():
        missing = [tool for tool in tools if shutil.which(tool) is None]
        if missing:
            print(f"not checked: the client for {name} needs {' and '.join(missing)}", flush=True)
            continue
        install, sources, command = INSTALLS[name]
        install_one(name, sources, install)
        found[name] = workers.Worker(f"s3-{name}", [str(part) for part in command()], {}, {})
    return found


def install_one(name, sources, run):
    """Makes an installation, or leaves it alone when its sources are what it was made from."""
    folder, stamp = TARGET / name, TARGET / name / ".installed-from"
    digest = hashlib.sha256()
    for file in sorted(sources):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return
    print(f"installing the client for {name}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(folder, sources)
    stamp.write_text(digest.hexdigest())


def install_python(folder, sources):
    # Not the interpreter of a virtual environment that this process may run in.
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", str(folder)], check=True)
    subprocess.run([venv_python(), "-m", "pip", "install", "-q", "--no-deps", "-r", *sources], check=True)
    subprocess.run([venv_python(), "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)


def install_java(folder, sources):
    copy(folder, sources)
    quiet = ["--batch-mode", "--quiet", "--no-transfer-progress"]
    log = folder / "maven.log"
    with open(log, "wb") as output:
        command = [shutil.which("mvn"), *quiet, "dependency:copy-dependencies", "-DincludeScope=runtime"]
        done = subprocess.run(command, cwd=folder, stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        raise SystemExit(f"mvn ended with {done.returncode}, see {log}")
    files = [file for file in sources if file.suffix == ".java"]
    packages = folder / "target" / "dependency" / "*"
    command = [shutil.which("javac"), "-nowarn", "-d", folder / "classes", "-cp", packages, *files]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def install_go(folder, sources):
    copy(folder, sources)
    subprocess.run([shutil.which("go"), "build", "-mod=readonly", "-o", "client", "."], cwd=folder, check=True)


def copy(folder, sources):
    for file in sources:
        shutil.copy(file, folder / file.name)


def java_command():
    parts = [TARGET / "java" / "classes", TARGET / "java" / "target" / "dependency" / "*"]
    # The old SDK tells at length that it is old.
    quiet = ["aws.java.v1.disableDeprecationAnnouncement=true", f"org.apache.commons.logging.Log={NO_LOG}"]
    options = ["-XX:TieredStopAtLevel=1", *(f"-D{one}" for one in quiet)]
    return ["java", *options, "-cp", os.pathsep.join(map(str, parts)), "Clients"]


INSTALLS = {
    "python": (install_python, [HERE / "requirements.txt"], lambda: [venv_python(), HERE / "python_client.py"]),
    "java": (install_java, [HERE / "java" / "pom.xml", *(HERE / "java").glob("*.java")], java_command),
    "go": (install_go, list((HERE / "go").glob("[gm]*.*")), lambda: [TARGET / "go" / "client"]),
}
