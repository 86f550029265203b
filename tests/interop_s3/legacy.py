"""Objects of the two old Java clients: who opens them, and only when told to."""

import itertools

from checks import CONTEXT, SIZES, check_ranges, equal, put
from parties import Failure, plaintext_of
from refusals import POLICY, refuses_any

# Client and crypto mode. What they write is said in README.md.
OLD_MODES = [
    ("java-v1", "EncryptionOnly"),
    ("java-v1", "AuthenticatedEncryption"),
    ("java-v2", "StrictAuthenticatedEncryption"),
]
WRAPPING, CONTENT = "legacy_wrapping_algorithms", "legacy_unauthenticated_modes"
# Where long objects are tried, too.
LONG = {("kms", "metadata"), ("aes-256", "instruction file")}
ALLOW = "require-encrypt-allow-decrypt"


def needs(writer):
    """The switches that a reader needs."""
    if writer.name.startswith("java-v2"):
        return []
    return [WRAPPING, CONTENT] if "EncryptionOnly" in writer.name else [WRAPPING]


def readable(writer, reader, kind):
    # Go reads no format of version 1; neither it nor Python has raw keys.
    return writer.knows(kind) and reader.knows(kind)


def opened(report, writer, reader, keys, s3):
    kinds = ["kms", "aes-128", "aes-256", "rsa-2048"]
    switches = {name: True for name in needs(writer)}
    places = ("metadata", "instruction file")
    for kind, place, (size_name, size) in itertools.product(kinds, places, [*SIZES.items(), ("15 MB", 15_000_000)]):
        if not readable(writer, reader, kind) or (size > 2000 and (kind, place) not in LONG):
            continue

        def run(kind=kind, size=size, in_file=place == "instruction file"):
            body, keyring = plaintext_of(size), keys.keyring(kind)
            # In what these wrote for AWS KMS, the context is the description.
            key = put(writer, body, keyring, "V2", instruction_file=in_file)
            if s3.has(f"{key}.instruction") != in_file:
                raise Failure("the instruction file is missing, or should be")
            equal(reader, reader.get(key, keyring, "V2", policy=ALLOW, **switches), body)

        report.check(f"{writer.name} -> {reader.name}  {kind} {place} {size_name}", run)


def contexts(report, writer, reader, keys):
    """For "kms", the description is the context, and nobody asks for it; "kms+context" wants it."""
    switches = {name: True for name in needs(writer)}
    given = {} if WRAPPING in switches else CONTEXT

    def run():
        body, keyring = plaintext_of(100), keys.keyring("kms")
        key = put(writer, body, keyring, "V2", context=CONTEXT)
        equal(reader, reader.get(key, keyring, "V2", policy=ALLOW, context=given, **switches), body)

    report.check(f"{writer.name} -> {reader.name}  kms with context", run)


def in_ranges(report, writer, reader, keys):
    # Of CBC, waxseal opens only whole objects.
    if not reader.knows("kms", "range") or (reader.name == "waxseal" and CONTENT in needs(writer)):
        return
    switches = {name: True for name in {*needs(writer), CONTENT}}
    for kind in ("kms", "aes-256", "rsa-2048"):

        def run(kind=kind):
            body, keyring = plaintext_of(2000), keys.keyring(kind)
            key = put(writer, body, keyring, "V2")
            check_ranges(reader, key, keyring, "V2", body, {"policy": ALLOW, **switches})

        report.check(f"{writer.name} -> {reader.name}  {kind} in ranges", run)


def refused(report, writer, reader, keys):
    """Each switch that is needed, left out alone; and a policy that requires commitment."""
    switches = needs(writer)
    for kind, place in itertools.product(("kms", "aes-256", "rsa-2048"), (False, True)):
        if not readable(writer, reader, kind):
            continue
        given = {name: True for name in switches}
        cases = {f"without {name}": {**given, name: False, "policy": ALLOW} for name in switches}
        cases["under require-decrypt"] = {**given, "policy": "require-encrypt-require-decrypt"}
        for case, more in cases.items():

            def run(kind=kind, place=place, more=more):
                key = put(writer, plaintext_of(100), keys.keyring(kind), "V2", instruction_file=place)
                refuses_any(reader, POLICY, lambda: reader.get(key, keys.keyring(kind), "V2", **more))

            where = "instruction file" if place else "metadata"
            report.check(f"{writer.name} -> {reader.name}  refused: {kind} {where} {case}", run)


def old_readers(report, writer, reader, keys):
    """What is written in the second format now opens with the old clients, too."""
    for kind, in_file in itertools.product(("kms", "aes-256", "rsa-2048"), (False, True)):
        if not readable(writer, reader, kind) or (in_file and "instruction" not in writer.can):
            continue

        def run(kind=kind, in_file=in_file):
            body, keyring = plaintext_of(1000), keys.keyring(kind)
            key = put(writer, body, keyring, "V2", **({"instruction_file": True} if in_file else {}))
            equal(reader, reader.get(key, keyring, "V2"), body)

        report.check(f"{writer.name} -> {reader.name}  {kind} {'instruction file' if in_file else 'metadata'}", run)
