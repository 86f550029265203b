"""A local S3 and a local AWS KMS, the keys of a run, and requests to S3 that encrypt nothing."""

import contextlib
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import kms
import programs

REGION = "us-east-1"
BUCKET = "interop"
METADATA = "x-amz-meta-"
CREDENTIAL = f"AWS4-HMAC-SHA256 Credential=AKIAINTEROP/20260101/{REGION}/s3/aws4_request"
# Ends with its input, so also when this process is killed. It binds every interface unless told otherwise.
MINISTACK = """
import os, sys, threading
os.environ["BIND_HOST"], os.environ["GATEWAY_PORT"] = "127.0.0.1", sys.argv.pop()
threading.Thread(target=lambda: os._exit(len(sys.stdin.read())), daemon=True).start()
from ministack.app import main
sys.exit(main())
"""
RSA_KEY = """
import sys
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
key = rsa.generate_private_key(65537, int(sys.argv[1]))
with open(sys.argv[2], "wb") as file:
    file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
with open(sys.argv[3], "wb") as file:
    file.write(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
"""


class S3:
    """S3 without encryption, to look at objects and to spoil them. Nobody verifies signatures here."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.request("PUT", "")

    def request(self, method, key, body=None, metadata=None):
        headers = {METADATA + name: value for name, value in (metadata or {}).items()}
        headers["Authorization"] = f"{CREDENTIAL}, SignedHeaders=host, Signature=0"
        url = f"{self.endpoint}/{BUCKET}/{urllib.parse.quote(key)}".rstrip("/")
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310, on loopback
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            found = {name.lower(): value for name, value in answer.headers.items()}
            return answer.read(), {
                name.removeprefix(METADATA): value for name, value in found.items() if name.startswith(METADATA)
            }

    def get(self, key):
        """The bytes that are stored, and the metadata."""
        return self.request("GET", key)

    def put(self, key, body, metadata):
        self.request("PUT", key, body, metadata)

    def has(self, key):
        try:
            self.request("GET", key)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return False
        return True


class Keys:
    """Two keys of each kind, as the jobs in ends.py describe them."""

    def __init__(self, folder, endpoint):
        self.folder = folder
        self.kms = [kms.call(endpoint, REGION, "CreateKey")["KeyMetadata"]["Arn"] for _ in range(2)]
        for bits in (128, 192, 256):
            for number in range(2):
                self.write(f"aes-{bits}-{number}", os.urandom(bits // 8))
        for bits in (2048, 3072):
            for number in range(2):
                path = self.path(f"rsa-{bits}-{number}")
                arguments = [programs.venv_python(), "-c", RSA_KEY, str(bits), path, f"{path}.pub"]
                subprocess.run(arguments, check=True)
                path.chmod(0o600)

    def path(self, name):
        return self.folder / name

    def write(self, name, material):
        self.path(name).write_bytes(material)
        self.path(name).chmod(0o600)

    def keyring(self, kind, number=0, description=None, others=()):
        """`kind` is such as "kms", "aes-256" or "rsa-2048"; the others are keyrings, too."""
        if kind == "kms":
            return {"type": "kms", "key": self.kms[number]}
        path = str(self.path(f"{kind}-{number}"))
        files = {"file": path} if kind.startswith("aes") else {"private": path, "public": f"{path}.pub"}
        return {"type": kind[:3], **files, "description": description or {}, "others": list(others)}


@contextlib.contextmanager
def ministack():
    emulators = kms.emulators()
    port = emulators.free_port()
    log = programs.TARGET / "ministack.log"
    command = [emulators.SCRIPTS / "python", "-c", MINISTACK, str(port)]
    with open(log, "wb") as output:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=programs.TARGET)
    try:
        emulators.wait_until_ready(server, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        kms.end(server)


@contextlib.contextmanager
def world(folder, server):
    """S3 and keys; the environment of this process and of all that it starts has the endpoints."""
    with kms.moto() as kms_endpoint, contextlib.ExitStack() as more:
        s3_endpoint = kms_endpoint if server == "moto" else more.enter_context(ministack())
        os.environ.update(AWS_ENDPOINT_URL_S3=s3_endpoint, AWS_ENDPOINT_URL_KMS=kms_endpoint)
        os.environ.update(AWS_REGION=REGION, AWS_DEFAULT_REGION=REGION)
        yield S3(s3_endpoint), Keys(folder, kms_endpoint)
