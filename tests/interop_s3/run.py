#!/usr/bin/env python3
"""Has waxseal and the official S3 encryption clients open each other's objects, in a local S3 with a local AWS KMS.

One line per check, and last `N passed, M failed`.
"""

import argparse
import contextlib
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

# Shared with the interoperability of messages: workers, reports, moto.
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import kms  # noqa: E402
import legacy  # noqa: E402
import programs  # noqa: E402
import workers  # noqa: E402
from ends import EVERYTHING, Official, Waxseal  # noqa: E402
from parties import Report  # noqa: E402
from plan import plan  # noqa: E402
from world import world  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", nargs="?", type=pathlib.Path, help="default: builds it")
    parser.add_argument("--self", action="store_true", help="the official clients only, without waxseal")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks whose line contains TEXT")
    parser.add_argument("--s3", choices=("ministack", "moto"), default="ministack", help="which S3 to start")
    options = parser.parse_args()
    # As an exception, so that servers go, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kms.settle_environment()
    binary = None
    if not options.self:
        binary = shutil.which(options.binary or build())
        if binary is None:
            parser.error(f"there is no {options.binary}")
        binary = pathlib.Path(binary).resolve()

    workers.TARGET.mkdir(parents=True, exist_ok=True)
    programs.TARGET.mkdir(parents=True, exist_ok=True)
    found = programs.start()
    report = Report(options.only)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waxseal-interop-")))
        s3, keys = stack.enter_context(world(folder, options.s3))
        ends = officials(found, folder)
        if binary:
            ends["waxseal"] = Waxseal(binary, folder)
        # Each client answers one job at a time, so a thread for each keeps all busy.
        threads = [threading.Thread(target=report.run, args=[task], daemon=True) for task in plan(ends, s3, keys)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for worker in found.values():
            worker.stop()
    print(f"in {time.monotonic() - began:.1f} seconds")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


def officials(found, folder):
    """By name, for those whose program is there."""
    ends = []
    if "python" in found:
        ends.append(Official("python", found["python"], folder, {"kms", "multipart"}))
    if "go" in found:
        # Of its versions, the third is the last that the module proxy has.
        ends.append(Official("go", found["go"], folder, {"kms", "unicode"}, writes={"V2"}))
    if "java" in found:
        ends.append(Official("java", found["java"], folder, EVERYTHING))
        for name, mode in legacy.OLD_MODES:
            can = {"kms", "aes", "rsa", "instruction"}
            ends.append(Official(name, found["java"], folder, can, writes={"V2"}, mode=mode))
    return {end.name: end for end in ends}


def build():
    command = ["cargo", "build", "--features", "cli,s3,testing,tokio,tracing", "--bin", "waxseal"]
    subprocess.run(command, cwd=workers.ROOT, check=True)
    return programs.TARGET.parent / "debug" / "waxseal"


if __name__ == "__main__":
    sys.exit(main())
