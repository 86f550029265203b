#!/usr/bin/env python3
"""Makes the files beside it anew from the PyPI package `cryptography-vectors`.

    pip download --no-deps cryptography-vectors==50.0.2
    python3 select.py cryptography_vectors-50.0.2-py3-none-any.whl

Nothing is computed and no value is changed: cases are chosen, fields that no test reads are left out.
"""

import hashlib
import pathlib
import re
import sys
import zipfile

WHEEL_SHA256 = "51641f03a3eb4edbe9fb68e3a3574d25f86aa502d06391fffa886330d02778a0"

# Output file -> (original, section that is written, rule). A rule has the fields to keep and how to choose:
# `only` looks at section headers and fields, `every` takes each n-th of what is left, `first` stops early.
AES_KAT = ("GFSbox", "KeySbox", "VarKey", "VarTxt", "MMT")


def gcm(kind, bits):
    def only(headers, _):
        return headers["ivlen"] == "96" and headers["taglen"] == "128"

    return f"ciphers/AES/GCM/gcm{kind}{bits}.rsp", f"AES-{bits}", {
        "keep": ["key", "iv", "ct", "aad", "tag", "pt", "result"],
        "only": only,
        "every": 11,
    }


def block_cipher(mode, kind, bits, every):
    return f"ciphers/AES/{mode}/{mode}{kind}{bits}.rsp", f"AES-{bits} {kind}", {
        "keep": ["key", "iv", "ciphertext", "plaintext"],
        "only": lambda headers, _: "decrypt" in headers,
        "every": every.get(kind, 1),
    }


def sha(bits, kind, rule):
    return f"hashes/SHA2/SHA{bits}{kind}.rsp", f"SHA-{bits} {kind}", rule


def ecc(original, curve, keep, only, every=1):
    return f"asymmetric/{original}", curve, {"keep": keep, "only": only, "every": every}


def on_curve(name):
    return lambda headers, _: name.lower() in headers


def kbkdf(bits):
    def only(headers, _):
        return (
            headers.get("prf") == f"HMAC_SHA{bits}"
            and headers.get("ctrlocation") == "BEFORE_FIXED"
            and headers.get("rlen") == "32_BITS"
        )

    rule = {"keep": ["ki", "fixedinputdata", "ko"], "only": only, "every": 4}
    return "KDF/nist-800-108-KBKDF-CTR.txt", f"HMAC-SHA-{bits}", rule


def every_case(_headers, _case):
    return True


SHORT = {"keep": ["len", "msg", "md"], "only": every_case, "every": 5}
LONG = {"keep": ["len", "msg", "md"], "only": lambda _, case: int(case["len"]) <= 16384, "every": 16}
MONTE = {"keep": ["seed", "md"], "only": every_case, "every": 1, "first": 21}
SIGNED = ["msg", "qx", "qy", "r", "s", "result"]
AGREED = ["dsiut", "qsiutx", "qsiuty", "qscavsx", "qscavsy", "z", "result"]
AGREEMENT = "ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax"

FILES = {
    "gcm_decrypt.rsp": [gcm("Decrypt", bits) for bits in (128, 192, 256)],
    "gcm_encrypt.rsp": [gcm("EncryptExtIV", bits) for bits in (128, 192, 256)],
    "aes_cbc.rsp": [block_cipher("CBC", kind, 256, {"VarKey": 8, "VarTxt": 8}) for kind in AES_KAT],
    "aes_ecb.rsp": [
        block_cipher("ECB", kind, bits, {"VarKey": 32, "VarTxt": 32})
        for bits in (128, 192, 256)
        for kind in AES_KAT
    ],
    "aes_ctr.rsp": [
        (
            "ciphers/AES/CTR/aes-256-ctr.txt",
            "AES-256",
            {"keep": ["key", "iv", "plaintext", "ciphertext"], "only": every_case, "every": 1},
        )
    ],
    "aes_kw.rsp": [
        (
            f"keywrap/kwtestvectors/KW_AD_{bits}.txt",
            f"AES-{bits}",
            {"keep": ["k", "c", "p", "result"], "only": every_case, "every": 29},
        )
        for bits in (128, 192, 256)
    ],
    "sha2.rsp": [
        sha(bits, kind, rule)
        for bits in (256, 384, 512)
        for kind, rule in (("ShortMsg", SHORT), ("LongMsg", LONG))
    ],
    "sha2_monte.rsp": [sha(bits, "Monte", MONTE) for bits in (256, 384, 512)],
    "hkdf.rsp": [
        (
            "KDF/rfc-5869-HKDF-SHA256.txt",
            "HKDF-SHA-256",
            {"keep": ["ikm", "salt", "info", "okm"], "only": every_case, "every": 1},
        )
    ],
    "kbkdf.rsp": [kbkdf(bits) for bits in (256, 384, 512)],
    "ecdsa_sigver.rsp": [
        ecc(f"ECDSA/FIPS_186-3/{name}", curve, SIGNED, on_curve(f"{curve},{hash}"), every)
        for name, every in (("SigVer.rsp", 1), ("SigGen.txt", 3))
        for curve, hash in (("P-256", "SHA-256"), ("P-384", "SHA-384"))
    ],
    "ecdsa_pkv.rsp": [
        ecc("ECDSA/FIPS_186-3/PKV.rsp", curve, ["qx", "qy", "result"], on_curve(curve))
        for curve in ("P-256", "P-384", "P-521")
    ],
    "ecdh.rsp": [
        ecc(AGREEMENT, curve, AGREED, on_curve(header))
        for curve, header in (
            ("P-256", "EC - SHA256"),
            ("P-384", "ED - SHA384"),
            ("P-521", "EE - SHA512"),
        )
    ],
}


def main():
    [wheel] = sys.argv[1:]
    wheel = pathlib.Path(wheel)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        sys.exit("this is another version of the package")
    here = pathlib.Path(__file__).parent
    originals = {}
    with zipfile.ZipFile(wheel) as package:
        for name, parts in FILES.items():
            text = ["# Chosen by select.py; see README.md.\n"]
            count = 0
            for original, section, rule in parts:
                content = package.read(f"cryptography_vectors/{original}")
                originals[original] = hashlib.sha256(content).hexdigest()
                cases = list(choose(content.decode("latin-1"), rule))
                if not cases:
                    sys.exit(f"nothing chosen from {original} for {section}")
                count += len(cases)
                text.append(f"\n# {original}\n[{section}]\n")
                for case in cases:
                    lines = [f"{field} = {case[field]}".rstrip() for field in rule["keep"] if field in case]
                    text.append("\n" + "\n".join(lines) + "\n")
            (here / name).write_text("".join(text))
            print(f"{name}: {count} cases")
    sums = "".join(f"{sum}  {original}\n" for original, sum in sorted(originals.items()))
    (here / "originals.sha256").write_text(sums)


def choose(text, rule):
    seen = taken = 0
    for headers, case in read(text):
        if not rule["only"](headers, case):
            continue
        if seen % rule["every"] == 0 and taken < rule.get("first", sys.maxsize):
            taken += 1
            yield case
        seen += 1


def read(text):
    """Gives the headers that hold and the fields of each case."""
    headers, case, was_header = {}, {}, False
    for line in [*text.splitlines(), ""]:
        if line.startswith(("#", "\t")) or not line.strip():
            # RFC 5869 has blank lines and comments within a case; elsewhere they end it.
            if not line.strip() and case and ("hash" not in case or "okm" in case):
                yield dict(headers), case
                case = {}
            continue
        if header := re.fullmatch(r"\[(.+)\]\s*", line):
            # Headers in a row hold together; lengths and modes replace those of the same name.
            key, equals, value = header[1].partition("=")
            if not was_header and not equals:
                headers = {}
            headers[key.strip().lower()] = value.strip()
            was_header = True
            continue
        was_header = False
        if line.strip() == "FAIL":
            case["result"] = "FAIL"
            continue
        key, equals, value = line.partition("=")
        key = key.strip().lower()
        if equals and key not in ("count",):
            case[key] = value.strip()


if __name__ == "__main__":
    main()
