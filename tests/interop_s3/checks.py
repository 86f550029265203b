"""What every writer and every reader must agree on."""

import base64
import itertools

from ends import FORMATS, PART_SIZE
from parties import Failure, plaintext_of

KINDS = ["kms", "aes-128", "aes-192", "aes-256", "rsa-2048", "rsa-3072"]
SIZES = {"empty": 0, "1 byte": 1, "15 bytes": 15, "16 bytes": 16, "17 bytes": 17, "1 MiB": 1024 * 1024}
LARGE = 12 * 1024 * 1024
CONTEXT = {"tenant": "42", "purpose": 'interop, "quoted" = yes'}
# What S3 makes of names and values that are not ASCII, in the metadata that it gives.
UNICODE = {"latin": {"grüße": "Zürich"}, "beyond latin": {"名前": "値 = 1", "key": "\U0001f511"}}
DESCRIPTIONS = [{"key": "first", "note": 'a "quoted", one'}, {"key": "second"}, {"key": "third"}]
RANGED = 2000
RANGES = [(0, 0), (0, 15), (5, 20), (16, 31), (100, 1500), (1984, 1999), (1999, 1999), (1990, 5000)]
numbers = itertools.count()


def new_key():
    return f"object {next(numbers)}.bin"


def equal(reader, got, wanted):
    if got != wanted:
        raise Failure(f"{reader.name} opens it to another plaintext: {len(got)} bytes for {len(wanted)}")


def put(writer, body, keyring, format_name, **more):
    """Writes a new object and gives its key."""
    key = new_key()
    writer.put(key, body, keyring, format_name, **more)
    return key


def pair(report, writer, reader, title, body, keyring, format_name, to_put=None, to_get=None):
    """One object, from one to the other, and what else each is told."""

    def run():
        key = put(writer, body, keyring, format_name, **(to_put or {}))
        equal(reader, reader.get(key, keyring, format_name, **(to_get or {})), body)

    report.check(f"{writer.name} -> {reader.name}  {format_name} {title}", run)


def possible(writer, reader, kinds, to_write=(), to_read=()):
    """Each format and kind of key that both know, where they can do what is asked."""
    for format_name, kind in itertools.product(FORMATS, kinds):
        if format_name in writer.writes and writer.knows(kind, *to_write) and reader.knows(kind, *to_read):
            yield format_name, kind


def matrix(report, writer, reader, keys):
    for (format_name, kind), (size_name, size) in itertools.product(possible(writer, reader, KINDS), SIZES.items()):
        contexts = {"": {}, " with context": CONTEXT} if kind == "kms" else {"": {}}
        for context_name, context in contexts.items():
            title = f"{kind}{context_name} {size_name}"
            more = {"context": context}
            pair(report, writer, reader, title, plaintext_of(size), keys.keyring(kind), format_name, more, more)


def multipart(report, writer, reader, keys):
    for format_name, kind in possible(writer, reader, ["kms", "aes-256", "rsa-2048"], ["multipart"]):
        for how in ("parts", "whole"):
            # Python has one way, waxseal another.
            if how == "parts" and writer.name == "waxseal" or how == "whole" and writer.name == "python":
                continue
            body, keyring = plaintext_of(LARGE), keys.keyring(kind)
            pair(report, writer, reader, f"{kind} 12 MiB in {how}", body, keyring, format_name, {"multipart": how})
    # The last part is a whole one.
    for format_name, kind in possible(writer, reader, ["kms"], ["multipart"]):
        body = plaintext_of(2 * PART_SIZE)
        how = {"multipart": "whole" if writer.name == "waxseal" else "parts"}
        pair(report, writer, reader, f"{kind} two whole parts", body, keys.keyring(kind), format_name, how)


def instruction_files(report, writer, reader, keys, s3):
    for format_name, kind in possible(writer, reader, KINDS, ["instruction"]):
        context = CONTEXT if kind == "kms" else {}

        def run(format_name=format_name, kind=kind, context=context):
            keyring = keys.keyring(kind, description=DESCRIPTIONS[0])
            body = plaintext_of(1000)
            key = put(writer, body, keyring, format_name, context=context, instruction_file=True)
            if not s3.has(f"{key}.instruction"):
                raise Failure(f"{writer.name} writes no instruction file")
            equal(reader, reader.get(key, keyring, format_name, context=context), body)

        report.check(f"{writer.name} -> {reader.name}  {format_name} {kind} with an instruction file", run)
    for format_name, kind in possible(writer, reader, ["aes-256"], ["instruction", "multipart"]):
        more = {"instruction_file": True, "multipart": "whole"}
        title, body = f"{kind} 12 MiB in parts with an instruction file", plaintext_of(LARGE)
        pair(report, writer, reader, title, body, keys.keyring(kind), format_name, more)


def descriptions(report, writer, reader, keys):
    """The description tells which key it is; the reader has three of them, and another as its first."""
    for format_name, kind in possible(writer, reader, ["aes-256", "rsa-2048"]):

        def run(format_name=format_name, kind=kind):
            wraps = keys.keyring(kind, 0, DESCRIPTIONS[0])
            others = [keys.keyring(kind, 1, DESCRIPTIONS[1]), wraps]
            body = plaintext_of(1000)
            key = put(writer, body, wraps, format_name)
            opens = keys.keyring(kind, 1, DESCRIPTIONS[2], others)
            equal(reader, reader.get(key, opens, format_name), body)

        report.check(f"{writer.name} -> {reader.name}  {format_name} {kind} found by its description", run)


def ranges(report, writer, reader, keys):
    for format_name, kind in possible(writer, reader, ["kms", "aes-256", "rsa-2048"], [], ["range"]):

        def run(format_name=format_name, kind=kind):
            keyring, body = keys.keyring(kind), plaintext_of(RANGED)
            key = put(writer, body, keyring, format_name)
            check_ranges(reader, key, keyring, format_name, body, {"legacy_unauthenticated_modes": True})

        report.check(f"{writer.name} -> {reader.name}  {format_name} {kind} in ranges", run)
        if reader.name != "waxseal":
            continue

        def run_authenticated(format_name=format_name, kind=kind):
            keyring, body = keys.keyring(kind), plaintext_of(RANGED)
            check_ranges(reader, put(writer, body, keyring, format_name), keyring, format_name, body, {})

        report.check(f"{writer.name} -> {reader.name}  {format_name} {kind} in authenticated ranges", run_authenticated)


def check_ranges(reader, key, keyring, format_name, body, more):
    for first, last in RANGES:
        wanted = body[first : last + 1]
        # Java now and then gives nothing, or never ends: README.md says why.
        for attempt in range(3 if reader.name == "java" else 1):
            try:
                got = reader.get(key, keyring, format_name, range=(first, last), **more)
            except Failure as failure:
                if attempt == 2 or failure.said is not None:
                    raise
                continue
            if got == wanted:
                break
        else:
            raise Failure(f"{reader.name} has {len(got)} other bytes for the {len(wanted)} from {first} to {last}")


def unicode_contexts(report, writer, reader, keys, s3):
    """Contexts that are not ASCII, given back as they are, and as S3 would give them."""
    can = possible(writer, reader, ["kms"], ["unicode"], ["unicode"])
    for (format_name, _kind), (name, context) in itertools.product(can, UNICODE.items()):
        field = "x-amz-t" if format_name == "V3" else "x-amz-matdesc"

        def run(format_name=format_name, context=context, field=field):
            keyring, body = keys.keyring("kms"), plaintext_of(100)
            key = put(writer, body, keyring, format_name, context=context)
            stored, metadata = s3.get(key)
            algorithm = "115" if format_name == "V3" else "AES/GCM/NoPadding"
            metadata[field] = doubly_encoded({**context, "aws:x-amz-cek-alg": algorithm})
            s3.put(key, stored, metadata)
            equal(reader, reader.get(key, keyring, format_name, context=context), body)

        report.check(f"{writer.name} -> {reader.name}  {format_name} context {name}, as S3 encodes it", run)
        # Java does not open its own.
        if "instruction" not in writer.can or writer is reader and writer.name == "java":
            continue
        more = {"context": context, "instruction_file": True}
        title, body = f"context {name}, in an instruction file", plaintext_of(100)
        pair(report, writer, reader, title, body, keys.keyring("kms"), format_name, more, {"context": context})


def doubly_encoded(context):
    """S3 takes the UTF-8 of a header for Latin-1, and gives it back as an encoded word of RFC 2047."""
    text = json_of(context).encode().decode("latin-1")
    return f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="


def json_of(context):
    pairs = ",".join(f'"{name}":"{value}"' for name, value in context.items())
    return f"{{{pairs}}}"


def rewrapped(report, writer, rewriter, reader, keys):
    """The instruction file is written anew for another key; the old one does not open it any more."""
    for format_name, (old, new) in itertools.product(
        FORMATS, (("aes-256", "aes-256"), ("rsa-2048", "rsa-3072"), ("aes-128", "rsa-2048"), ("rsa-2048", "aes-192"))
    ):

        def run(format_name=format_name, old=old, new=new):
            first = keys.keyring(old, 0, DESCRIPTIONS[0])
            second = keys.keyring(new, 1, DESCRIPTIONS[1])
            body = plaintext_of(1000)
            key = put(writer, body, first, format_name, instruction_file=True)
            rewriter.rewrap(key, first, second, format_name)
            equal(reader, reader.get(key, second, format_name), body)
            try:
                reader.get(key, first, format_name)
            except Failure:
                return
            raise Failure(f"{reader.name} still opens it with the old key")

        title = f"{writer.name} -> {rewriter.name} -> {reader.name}"
        report.check(f"{title}  {format_name} rewrapped from {old} to {new}", run)


def shared(report, writer, rewriter, reader, keys):
    """A second instruction file, for the key of somebody else; the first stays."""
    for format_name in FORMATS:

        def run(format_name=format_name):
            first, second = keys.keyring("rsa-2048", 0, DESCRIPTIONS[0]), keys.keyring("rsa-2048", 1, DESCRIPTIONS[1])
            body = plaintext_of(1000)
            key = put(writer, body, first, format_name, instruction_file=True)
            rewriter.rewrap(key, first, second, format_name, suffix=".partner")
            equal(reader, reader.get(key, second, format_name, suffix=".partner"), body)
            equal(reader, reader.get(key, first, format_name), body)

        title = f"{writer.name} -> {rewriter.name} -> {reader.name}"
        report.check(f"{title}  {format_name} shared by a second instruction file", run)
