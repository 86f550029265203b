"""What nobody may open: other contexts, other keys, spoiled objects, formats that the policy forbids."""

import base64
import itertools

from checks import CONTEXT, possible, put
from parties import Failure, plaintext_of

# Words of those that broke instead of refusing, as far as they can be told.
BROKEN = ("NullPointerException", "IndexOutOfBounds", "ClassCastException", "panic", "timed out")
# The exit codes of waxseal: what is not well formed, no key, not authentic, not allowed.
MALFORMED, NO_KEY, UNAUTHENTIC, POLICY = 3, 4, 5, 6
KINDS = ["kms", "aes-256", "rsa-2048"]


def refuses_any(party, exits, run):
    """Those of others may have any reason; waxseal must have one of these."""
    try:
        run()
    except Failure as failure:
        said = failure.said
        broken = said is None or (said not in exits if isinstance(said, int) else any(word in said for word in BROKEN))
        if broken:
            raise Failure(f"breaks, or refuses for another reason: {failure}") from failure
    else:
        raise Failure(f"{party.name} does not refuse")


def contexts(report, writer, reader, keys):
    others = {
        "another value": {**CONTEXT, "tenant": "43"},
        "a missing pair": {"tenant": "42"},
        "a pair more": {**CONTEXT, "more": ""},
        "no context": {},
    }
    for (format_name, kind), (title, other) in itertools.product(possible(writer, reader, ["kms"]), others.items()):
        # Without a context, Go takes the one of the object.
        if reader.name == "go" and not other:
            continue

        def run(format_name=format_name, kind=kind, other=other):
            key = put(writer, plaintext_of(100), keys.keyring(kind), format_name, context=CONTEXT)
            refuses_any(reader, {UNAUTHENTIC}, lambda: reader.get(key, keys.keyring(kind), format_name, context=other))

        report.check(f"{writer.name} -> {reader.name}  refused: {format_name} {kind} {title}", run)


def wrong_keys(report, writer, reader, keys):
    for format_name, kind in possible(writer, reader, ["kms", "aes-128", "aes-256", "rsa-2048", "rsa-3072"]):

        def run(format_name=format_name, kind=kind):
            key = put(writer, plaintext_of(100), keys.keyring(kind), format_name)
            refuses_any(reader, {NO_KEY}, lambda: reader.get(key, keys.keyring(kind, 1), format_name))

        report.check(f"{writer.name} -> {reader.name}  refused: {format_name} {kind} another key", run)


def policies(report, writer, reader, keys):
    if "V2" not in writer.writes:
        return
    for kind in KINDS:
        if not (writer.knows(kind) and reader.knows(kind)):
            continue

        def run(kind=kind):
            key = put(writer, plaintext_of(100), keys.keyring(kind), "V2")
            policy = "require-encrypt-require-decrypt"
            refuses_any(reader, {POLICY}, lambda: reader.get(key, keys.keyring(kind), "V2", policy=policy))

        report.check(f"{writer.name} -> {reader.name}  refused: V2 {kind} under require-decrypt", run)


def flipped(text, at=0):
    """Base64 of other bytes, of the same length."""
    raw = bytearray(base64.b64decode(text))
    raw[at] ^= 1
    return base64.b64encode(raw).decode()


def bytes_flipped(body, at):
    spoiled = bytearray(body)
    spoiled[at] ^= 1
    return bytes(spoiled)


BODIES = {
    "first byte": lambda body: bytes_flipped(body, 0),
    "last byte of the text": lambda body: bytes_flipped(body, -17),
    "last byte of the tag": lambda body: bytes_flipped(body, -1),
    "a byte less": lambda body: body[:-1],
    "16 bytes less": lambda body: body[:-16],
    "a byte more": lambda body: body + b"\0",
    "the tag alone": lambda body: body[-16:],
    "nothing": lambda body: b"",
}
FIELDS = {
    "V3": {
        "commitment": {"x-amz-d": flipped},
        "message id": {"x-amz-i": flipped},
        "data key": {"x-amz-3": lambda text: flipped(text, -1)},
        "a shorter commitment": {"x-amz-d": lambda text: base64.b64encode(base64.b64decode(text)[:-1]).decode()},
        "another suite": {"x-amz-c": lambda _: "114"},
        "no wrapping algorithm": {"x-amz-w": None},
        "another wrapping algorithm": {"x-amz-w": {"12": "02", "02": "22", "22": "02"}.get},
        "a second format": {"x-amz-3": lambda text: text, "x-amz-key-v2": lambda _: "AAAA"},
    },
    "V2": {
        "iv": {"x-amz-iv": flipped},
        "data key": {"x-amz-key-v2": lambda text: flipped(text, -1)},
        "content cipher": {"x-amz-cek-alg": lambda _: "AES/CBC/PKCS5Padding"},
        "no content cipher": {"x-amz-cek-alg": None},
        "wrapping algorithm": {"x-amz-wrap-alg": lambda _: "none"},
    },
}


def spoiled(report, writer, reader, keys, s3):
    for format_name, kind in possible(writer, reader, KINDS):
        cases = [(title, change, {}) for title, change in BODIES.items()]
        cases += [(title, None, changes) for title, changes in FIELDS[format_name].items()]
        for title, change, changes in cases:

            def run(format_name=format_name, kind=kind, change=change, changes=changes):
                key = put(writer, plaintext_of(100), keys.keyring(kind), format_name)
                body, metadata = s3.get(key)
                for field, new in changes.items():
                    value = metadata.pop(field, "")
                    if new is not None:
                        metadata[field] = new(value)
                s3.put(key, change(body) if change else body, metadata)
                refuses_any(reader, {UNAUTHENTIC}, lambda: reader.get(key, keys.keyring(kind), format_name))

            report.check(f"{writer.name} -> {reader.name}  refused: {format_name} {kind} spoiled: {title}", run)
