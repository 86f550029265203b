"""aws-encryption-sdk for Python, answering the jobs that src/lib.rs describes.

`python_peer.py stream` reads from `client.stream`; `python_peer.py at-once` calls `client.encrypt` or `client.decrypt`.
The keys come from the older interface, `key_provider`: for small messages it is several times faster than a keyring.
"""

import io
import json
import logging
import pathlib
import sys
import time

import aws_encryption_sdk
from aws_encryption_sdk.identifiers import AlgorithmSuite, CommitmentPolicy, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKey

# With more than a frame at a time it copies much: the best for each frame length was measured.
MIN_READ_LEN = 1 << 16
CLIENT = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
KEYS = RawMasterKey(
    provider_id="bench",
    key_id=b"raw",
    wrapping_key=WrappingKey(
        WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING, bytes([7] * 32), EncryptionKeyType.SYMMETRIC
    ),
)


def settings(cell):
    if cell["direction"] == "decrypt":
        return {"key_provider": KEYS}
    suite = AlgorithmSuite.get_by_id(0x0578 if cell["signed"] else 0x0478)
    return {"key_provider": KEYS, "algorithm": suite, "frame_length": cell["frame_len"]}


def streamed(cell, source, sink):
    with CLIENT.stream(mode=cell["direction"], source=source, **settings(cell)) as stream:
        while chunk := stream.read(max(cell["frame_len"], MIN_READ_LEN)):
            sink(chunk)


def at_once(cell, source):
    call = CLIENT.decrypt if cell["direction"] == "decrypt" else CLIENT.encrypt
    return call(source=source, **settings(cell))[0]


class Peer:
    def __init__(self, streams):
        self.streams = streams

    def prepare(self, job):
        self.cell = job
        pattern = bytes(range(251))
        self.input = (pattern * (job["len"] // len(pattern) + 1))[: job["len"]]
        if job["direction"] == "decrypt":
            self.input = at_once({**job, "direction": "encrypt"}, self.input)
        return {}

    def run(self, job):
        seconds = sum(self.once() for _ in range(job["times"]))
        return {"seconds": seconds}

    def once(self):
        lengths = []
        begun = time.perf_counter()
        if self.streams:
            streamed(self.cell, io.BytesIO(self.input), lambda chunk: lengths.append(len(chunk)))
        else:
            lengths.append(len(at_once(self.cell, self.input)))
        took = time.perf_counter() - begun
        if self.cell["direction"] == "decrypt" and sum(lengths) != self.cell["len"]:
            raise ValueError("the plaintext has another length")
        return took

    def copy(self, job):
        if self.streams:
            with open(job["input"], "rb") as source, open(job["output"], "wb") as sink:
                streamed(job, source, sink.write)
        else:
            pathlib.Path(job["output"]).write_bytes(at_once(job, pathlib.Path(job["input"]).read_bytes()))
        return {}


def main():
    logging.disable(logging.CRITICAL)
    peer = Peer(streams=sys.argv[1] == "stream")
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = getattr(peer, job["op"])(job)
        except Exception as error:  # noqa: BLE001, whatever it is, the driver stops
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
