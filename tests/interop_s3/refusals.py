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
DOWNGRADED = "CBC that the reader allows"


def refuses_any(party, exit_code, run):
    """Those of others may have any reason; waxseal must have this one."""
    try:
        run()
    except Failure as failure:
        said = failure.said
        broken = said is None or (said != exit_code if isinstance(said, int) else any(word in said for word in BROKEN))
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
            refuses_any(reader, POLICY, lambda: reader.get(key, keys.keyring(kind), format_name, context=other))

        report.check(f"{writer.name} -> {reader.name}  refused: {format_name} {kind} {title}", run)


def wrong_keys(report, writer, reader, keys):
    for format_name, kind in possible(writer, reader, ["kms", "aes-128", "aes-256", "rsa-2048", "rsa-3072"]):

        def run(format_name=format_name, kind=kind):
            key = put(writer, plaintext_of(100), keys.keyring(kind), format_name)
            refuses_any(reader, NO_KEY, lambda: reader.get(key, keys.keyring(kind, 1), format_name))

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
            refuses_any(reader, POLICY, lambda: reader.get(key, keys.keyring(kind), "V2", policy=policy))

        report.check(f"{writer.name} -> {reader.name}  refused: V2 {kind} under require-decrypt", run)


def flipped(text, at=0):
    """Base64 of other bytes, of the same length."""
    raw = bytearray(base64.b64decode(text))
    raw[at] ^= 1
    return encoded(raw)


def encoded(raw):
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
# What is changed of the metadata, with the exit code of waxseal.
CBC = {"x-amz-cek-alg": lambda _: "AES/CBC/PKCS5Padding"}
FIELDS = {
    "V3": {
        "commitment": (UNAUTHENTIC, {"x-amz-d": flipped}),
        "message id": (UNAUTHENTIC, {"x-amz-i": flipped}),
        "data key": (NO_KEY, {"x-amz-3": lambda text: flipped(text, -1)}),
        "a shorter commitment": (MALFORMED, {"x-amz-d": lambda text: encoded(base64.b64decode(text)[:-1])}),
        "another suite": (MALFORMED, {"x-amz-c": lambda _: "114"}),
        "no wrapping algorithm": (MALFORMED, {"x-amz-w": None}),
        "another wrapping algorithm": (NO_KEY, {"x-amz-w": {"12": "02", "02": "22", "22": "02"}.get}),
        "a second format": (MALFORMED, {"x-amz-key-v2": lambda _: "AAAA"}),
    },
    "V2": {
        "iv": (UNAUTHENTIC, {"x-amz-iv": flipped}),
        "data key": (NO_KEY, {"x-amz-key-v2": lambda text: flipped(text, -1)}),
        "content cipher": (MALFORMED, CBC),
        "no content cipher": (MALFORMED, {"x-amz-cek-alg": None}),
        "wrapping algorithm": (MALFORMED, {"x-amz-wrap-alg": lambda _: "none"}),
        # What is wrapped with the data key says that the content was GCM.
        DOWNGRADED: (NO_KEY, {**CBC, "x-amz-tag-len": None, "x-amz-iv": lambda _: encoded(bytes(16))}),
    },
}


def spoiled(report, writer, reader, keys, s3):
    for format_name, kind in possible(writer, reader, KINDS):
        cases = [(title, UNAUTHENTIC, change, {}) for title, change in BODIES.items()]
        cases += [(title, exit_code, None, changes) for title, (exit_code, changes) in FIELDS[format_name].items()]
        for title, exit_code, change, changes in cases:
            more = {}
            if title == DOWNGRADED:
                # For AWS KMS the context says it, and is looked at first.
                exit_code = POLICY if kind == "kms" else exit_code
                more = {"legacy_wrapping_algorithms": True, "legacy_unauthenticated_modes": True}

            def run(format_name=format_name, kind=kind, exit_code=exit_code, change=change, changes=changes, more=more):
                # Whole blocks, so that CBC has no reason of its own.
                key = put(writer, plaintext_of(112), keys.keyring(kind), format_name)
                body, metadata = s3.get(key)
                for field, new in changes.items():
                    value = metadata.pop(field, "")
                    if new is not None:
                        metadata[field] = new(value)
                s3.put(key, change(body) if change else body, metadata)
                refuses_any(reader, exit_code, lambda: reader.get(key, keys.keyring(kind), format_name, **more))

            report.check(f"{writer.name} -> {reader.name}  refused: {format_name} {kind} spoiled: {title}", run)
