"""The ESDK message format, written from the specification: takes messages apart, opens them and seals them again.

It is the third opinion on every vector (beside the Python and JavaScript packages) and the tool that makes broken
messages: it knows where each field starts, and it can seal a frame with a wrong sequence number so that only the
sequence number is wrong.
"""

import base64
import dataclasses
import hmac
import os
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@dataclasses.dataclass(frozen=True)
class Suite:
    version: int
    key_len: int
    kdf: object = None
    curve: object = None
    signature_hash: object = None
    commits: bool = False


P256, P384 = ec.SECP256R1(), ec.SECP384R1()
SUITES = {
    0x0014: Suite(1, 16),
    0x0046: Suite(1, 24),
    0x0078: Suite(1, 32),
    0x0114: Suite(1, 16, hashes.SHA256()),
    0x0146: Suite(1, 24, hashes.SHA256()),
    0x0178: Suite(1, 32, hashes.SHA256()),
    0x0214: Suite(1, 16, hashes.SHA256(), P256, hashes.SHA256()),
    0x0346: Suite(1, 24, hashes.SHA384(), P384, hashes.SHA384()),
    0x0378: Suite(1, 32, hashes.SHA384(), P384, hashes.SHA384()),
    0x0478: Suite(2, 32, hashes.SHA512(), commits=True),
    0x0578: Suite(2, 32, hashes.SHA512(), P384, hashes.SHA384(), commits=True),
}
FINAL = 0xFFFFFFFF
REGULAR_FRAME = b"AWSKMSEncryptionClient Frame"
FINAL_FRAME = b"AWSKMSEncryptionClient Final Frame"
SINGLE_BLOCK = b"AWSKMSEncryptionClient Single Block"


class Invalid(Exception):
    """Not a message that the specification allows to be opened."""


@dataclasses.dataclass
class Frame:
    """One frame, or the whole body of an unframed message. Offsets are into the message."""

    start: int
    sequence: int
    final: bool
    iv: int
    length: int | None  # offset of the length field, which a regular frame does not have
    content: int
    tag: int
    end: int


class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, count):
        if self.at + count > len(self.data):
            raise Invalid("truncated")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def counted(self):
        return self.take(self.number(2))


def serialize_context(context):
    """Count and sorted pairs; an empty context is no bytes at all."""
    if not context:
        return b""
    pairs = sorted((k.encode(), v.encode()) for k, v in context.items())
    return struct.pack(">H", len(pairs)) + b"".join(
        struct.pack(">H", len(k)) + k + struct.pack(">H", len(v)) + v for k, v in pairs
    )


class Message:
    """A parsed message: what each field says and, in `at`, where it starts."""

    def __init__(self, data):
        self.data = data
        self.at = {}
        reader = Reader(data)
        self._header(reader)
        self._body(reader)
        self.footer = reader.at
        self.signature = None
        if self.suite.curve:
            self.signature = reader.counted()
        if reader.at != len(data):
            raise Invalid("trailing data")

    def _header(self, reader):
        def mark(name):
            self.at[name] = reader.at

        mark("version")
        self.version = reader.number(1)
        if self.version == 1:
            mark("type")
            if reader.number(1) != 0x80:
                raise Invalid("type")
        elif self.version != 2:
            raise Invalid("version")
        mark("suite")
        self.suite_id = reader.number(2)
        self.suite = SUITES.get(self.suite_id)
        if self.suite is None or self.suite.version != self.version:
            raise Invalid("suite")
        mark("message_id")
        self.message_id = reader.take(16 if self.version == 1 else 32)
        mark("context_length")
        context = Reader(reader.counted())
        self.context = {}
        if context.data:
            count = context.number(2)
            for _ in range(count):
                key, value = context.counted(), context.counted()
                self.context[key.decode()] = value.decode()
            if count == 0 or len(self.context) != count or context.at != len(context.data):
                raise Invalid("context")
        mark("edk_count")
        self.edks = []
        self.edk_spans = []
        for _ in range(reader.number(2)):
            start = reader.at
            self.edks.append((reader.counted(), reader.counted(), reader.counted()))
            self.edk_spans.append((start, reader.at))
        if not self.edks:
            raise Invalid("no encrypted data key")
        mark("content_type")
        self.framed = {1: False, 2: True}.get(reader.number(1))
        if self.framed is None:
            raise Invalid("content type")
        if self.version == 1:
            mark("reserved")
            if reader.number(4) != 0:
                raise Invalid("reserved")
            mark("iv_length")
            if reader.number(1) != 12:
                raise Invalid("iv length")
        mark("frame_length")
        self.frame_length = reader.number(4)
        if self.framed != (self.frame_length > 0):
            raise Invalid("frame length")
        if self.version == 2:
            mark("commit_key")
            self.commit_key = reader.take(32)
        mark("header_auth")
        self.header_body = self.data[: reader.at]
        self.header_iv = reader.take(12) if self.version == 1 else bytes(12)
        mark("header_tag")
        self.header_tag = reader.take(16)
        mark("body")

    def _body(self, reader):
        self.frames = []
        while True:
            start, length_at = reader.at, None
            if not self.framed:
                sequence, final, iv = 1, True, reader.at
                reader.take(12)
                length_at = reader.at
                length = reader.number(8)
            else:
                sequence = reader.number(4)
                final = sequence == FINAL
                if final:
                    sequence = reader.number(4)
                iv = reader.at
                reader.take(12)
                length = self.frame_length
                if final:
                    length_at = reader.at
                    length = reader.number(4)
                    if length > self.frame_length:
                        raise Invalid("final frame too long")
            content = reader.at
            reader.take(length)
            tag = reader.at
            reader.take(16)
            self.frames.append(Frame(start, sequence, final, iv, length_at, content, tag, reader.at))
            if sequence != len(self.frames):
                raise Invalid("sequence")
            if final:
                return

    def frame_bytes(self, index):
        frame = self.frames[index]
        return self.data[frame.start : frame.end]

    def derive(self, data_key):
        """The content key, after the commitment check where the suite has one."""
        if len(data_key) != self.suite.key_len:
            raise Invalid("data key length")
        suite_id = struct.pack(">H", self.suite_id)
        if self.suite.commits:
            commitment = HKDF(self.suite.kdf, 32, self.message_id, b"COMMITKEY").derive(data_key)
            if not hmac.compare_digest(commitment, self.commit_key):
                raise Invalid("commitment")
            return HKDF(self.suite.kdf, self.suite.key_len, self.message_id, suite_id + b"DERIVEKEY").derive(data_key)
        if self.suite.kdf:
            return HKDF(self.suite.kdf, self.suite.key_len, None, suite_id + self.message_id).derive(data_key)
        return data_key

    def unwrap(self, keyring, keys, context):
        """The data key, tried with every key of the keyring on every encrypted data key."""
        if keyring["type"] == "multi":
            members = ([keyring["generator"]] if keyring.get("generator") else []) + keyring["children"]
        else:
            members = [keyring]
        for member in members:
            for provider, info, ciphertext in self.edks:
                if provider != member["namespace"].encode():
                    continue
                try:
                    return unwrap_one(member, keys[member["key"]], info, ciphertext, context)
                except Exception:  # noqa: BLE001, the next one may open
                    continue
        raise Invalid("no data key")

    def open(self, keyring, keys, reproduced=None):
        reproduced = reproduced or {}
        for name, value in reproduced.items():
            if self.context.get(name, value) != value:
                raise Invalid("reproduced context")
        required = {k: v for k, v in reproduced.items() if k not in self.context}
        data_key = self.unwrap(keyring, keys, {**self.context, **required})
        content_key = self.derive(data_key)
        header_aad = self.header_body + serialize_context(required)
        AESGCM(content_key).decrypt(self.header_iv, self.header_tag, header_aad)
        plaintext = b"".join(self._open_frame(content_key, frame) for frame in self.frames)
        self._verify_signature({**self.context, **required})
        return plaintext

    def _open_frame(self, content_key, frame):
        iv = self.data[frame.iv : frame.iv + 12]
        kind = SINGLE_BLOCK if not self.framed else FINAL_FRAME if frame.final else REGULAR_FRAME
        aad = body_aad(self.message_id, kind, frame.sequence, frame.tag - frame.content)
        return AESGCM(content_key).decrypt(iv, self.data[frame.content : frame.end], aad)

    def _verify_signature(self, context):
        public = context.get("aws-crypto-public-key")
        if (public is not None) != (self.suite.curve is not None):
            raise Invalid("public key in the context")
        if public is not None:
            point = base64.b64decode(public, validate=True)
            key = ec.EllipticCurvePublicKey.from_encoded_point(self.suite.curve, point)
            key.verify(self.signature, self.data[: self.footer], ec.ECDSA(self.suite.signature_hash))


def body_aad(message_id, kind, sequence, length):
    return message_id + kind + struct.pack(">IQ", sequence, length)


def seal_frame(content_key, message_id, sequence, plaintext, final):
    """A frame that is authentic for exactly this sequence number, whether or not it is the right one."""
    iv = sequence.to_bytes(12, "big")
    kind = FINAL_FRAME if final else REGULAR_FRAME
    sealed = AESGCM(content_key).encrypt(iv, plaintext, body_aad(message_id, kind, sequence, len(plaintext)))
    if final:
        return struct.pack(">II", FINAL, sequence) + iv + struct.pack(">I", len(plaintext)) + sealed
    return struct.pack(">I", sequence) + iv + sealed


def seal_header_v2(suite_id, message_id, context_bytes, edks, frame_length, data_key):
    """A version 2 header with an authentic tag around whatever context bytes it is given; and its content key."""
    suite = SUITES[suite_id]
    suite_bytes = struct.pack(">H", suite_id)
    commitment = HKDF(suite.kdf, 32, message_id, b"COMMITKEY").derive(data_key)
    content_key = HKDF(suite.kdf, 32, message_id, suite_bytes + b"DERIVEKEY").derive(data_key)
    body = b"\x02" + suite_bytes + message_id + counted(context_bytes) + struct.pack(">H", len(edks))
    body += b"".join(counted(field) for edk in edks for field in edk)
    body += b"\x02" + struct.pack(">I", frame_length) + commitment
    return body + AESGCM(content_key).encrypt(bytes(12), b"", body), content_key


def wrap_aes(namespace, name, key, data_key, aad):
    iv = os.urandom(12)
    info = name.encode() + struct.pack(">II", 128, 12) + iv
    return namespace.encode(), info, AESGCM(key).encrypt(iv, data_key, aad)


def unwrap_one(member, key, info, ciphertext, context):
    if member["type"] == "raw-aes":
        prefix = member["name"].encode() + struct.pack(">II", 128, 12)
        if not info.startswith(prefix) or len(info) != len(prefix) + 12:
            raise Invalid("key name")
        material = bytes.fromhex(key["material_hex"])
        return AESGCM(material).decrypt(info[-12:], ciphertext, serialize_context(context))
    if info != member["name"].encode():
        raise Invalid("key name")
    private = serialization.load_pem_private_key(key["private_pkcs8_pem"].encode(), None)
    if member["padding"] == "pkcs1":
        scheme = padding.PKCS1v15()
    else:
        digest = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
        algorithm = digest[member["padding"].removeprefix("oaep-")]
        scheme = padding.OAEP(padding.MGF1(algorithm()), algorithm(), None)
    return private.decrypt(ciphertext, scheme)


def counted(data):
    return struct.pack(">H", len(data)) + data
