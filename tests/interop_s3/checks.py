"""What is checked, for any writer and any reader."""

import itertools

from ends import FORMATS, PART_SIZE
from parties import Failure, plaintext_of, refuses

KINDS = ["kms", "aes-128", "aes-192", "aes-256", "rsa-2048", "rsa-3072"]
SIZES = {"empty": 0, "1 byte": 1, "15 bytes": 15, "16 bytes": 16, "17 bytes": 17, "1 MiB": 1024 * 1024}
LARGE = 12 * 1024 * 1024
CONTEXT = {"tenant": "42", "purpose": "interop, \"quoted\" = yes"}
UNICODE = {
    "latin": {"grüße": "Zürich"},
    "beyond latin": {"名前": "値 = 1", "key": "\U0001f511"},
}
OLD = {"legacy_wrapping_algorithms": True, "legacy_unauthenticated_modes": True}
OLD_MODES = [
    ("java-v1", "EncryptionOnly"),
    ("java-v1", "AuthenticatedEncryption"),
    ("java-v1", "StrictAuthenticatedEncryption"),
    ("java-v2", "AuthenticatedEncryption"),
    ("java-v2", "StrictAuthenticatedEncryption"),
]
numbers = itertools.count()


def new_key():
    return f"object {next(numbers)}.bin"


def equal(got, wanted, reader):
    if got != wanted:
        raise Failure(f"{reader.name} opens it to another plaintext: {len(got)} bytes for {len(wanted)}")


def pair(report, writer, reader, title, body, keyring, format_name, put=None, get=None):
    """One object, from one to the other. `put` and `get` are what else each is told."""

    def run():
        key = new_key()
        writer.put(key, body, keyring, format_name, **(put or {}))
        equal(reader.get(key, keyring, format_name, **(get or {})), body, reader)

    report.check(f"{writer.name} -> {reader.name}  {format_name} {title}", run)


def both_know(ends, kind, *more):
    return all(end.knows(kind, *more) for end in ends)


def matrix(report, writer, reader, keys):
    for format_name, kind, (size_name, size) in itertools.product(FORMATS, KINDS, SIZES.items()):
        if not both_know((writer, reader), kind):
            continue
        contexts = {"": {}, " with context": CONTEXT} if kind == "kms" else {"": {}}
        for context_name, context in contexts.items():
            title = f"{kind}{context_name} {size_name}"
            more = {"context": context}
            pair(report, writer, reader, title, plaintext_of(size), keys.keyring(kind), format_name, more, more)


def tasks(ends, s3, keys):
    find = ends.get
    java, python, go, waxseal = (find(name) for name in ("java", "python", "go", "waxseal"))
    if "waxseal" not in ends:
        return [
            [(matrix, java, java, keys), (matrix, java, python, keys), (matrix, java, go, keys)],
            [(matrix, python, java, keys), (matrix, python, go, keys)],
            [(matrix, go, java, keys), (matrix, go, python, keys)],
        ]
    return []
