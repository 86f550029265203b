#!/usr/bin/env bash
# Makes a seed corpus for each fuzz target named (default: all) from the test vectors and test keys.
# Targets take what they choose from the end of their input: so each seed is a file as it is, and choices behind it.
set -euo pipefail
cd "$(dirname "$0")/.."

# seed TARGET CHOICES FILE...: the choices are bytes as printf writes them.
seed() {
    local target=$1 choices=$2 file name
    shift 2
    for file in "$@"; do
        name=$(basename "$file").$(printf '%b' "$choices" | od -An -tx1 | tr -d ' \n')
        { cat "$file" && printf '%b' "$choices"; } >"fuzz/corpus/$target/$name"
    done
}

# The metadata of each object of the vectors, as lines, and its instruction file if it has one.
object_metadata() {
    python3 - "$1" <<'PYTHON'
import json, pathlib, sys
for case in json.load(open("tests/vectors_s3/manifest.json"))["cases"]:
    metadata = case["object"].get("metadata") or {}
    text = "\n".join(f"{key}: {value}" for key, value in metadata.items())
    pathlib.Path(sys.argv[1], case["id"]).write_text(text)
PYTHON
}

# One file for each text of the command line that the target reads.
command_line_texts() {
    local folder=$1
    printf 'raw-aes:namespace=n,name=k,file=aes' >"$folder/key-aes"
    printf 'raw-rsa:namespace=n,name=k,padding=oaep-sha256,public=rsa.pub,private=rsa' >"$folder/key-rsa"
    printf 'raw-ecdh:schema=static,curve=p256,private=ec,public=ec.pub' >"$folder/key-ecdh"
}

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(message decrypt roundtrip parallel range calls backends keys s3_metadata s3_content command_line fake_kms)
fi
mapfile -t messages < <(find tests/vectors/messages tests/vectors_ecdh/messages -type f -size -8k | sort)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    case $target in
        message) seed message '\x06\x07' "${messages[@]}" ;;
        decrypt | range) seed "$target" '\x03' "${messages[@]}" ;;
        # No vector goes into these as it is: their choices are all there is, so some are made of all kinds.
        roundtrip | parallel | calls | backends | s3_content | fake_kms)
            for n in $(seq 0 31); do
                head -c 600 "${messages[$((n * 7 % ${#messages[@]}))]}" >"$work/choices"
                seed "$target" "\\x$(printf %02x "$n")" "$work/choices"
                mv "fuzz/corpus/$target/choices.$(printf %02x "$n")" "fuzz/corpus/$target/$n"
            done
            # Points in every form, and whole keys in the place of points.
            if [ "$target" = backends ]; then
                : >"$work/point"
                for n in 0 1 2 3 4 5 6 7; do
                    seed backends "\\x0$n\\x00\\x01\\x01\\x00\\x06" "$work/point"
                    seed backends "\\x00\\x02\\x0$n\\x00\\x00\\x06" "$work/point"
                done
            fi
            ;;
        keys)
            seed keys '\x00' src/crypto/tests/data/*.pem
            for n in $(seq 1 13); do
                printf 'edits' >"$work/edits$n"
                seed keys "\\x02\\x$(printf %02x "$n")\\x02" "$work/edits$n"
                seed keys "\\x00\\x$(printf %02x "$n")\\x01" "$work/edits$n"
            done
            ;;
        s3_metadata)
            mkdir -p "$work/metadata"
            object_metadata "$work/metadata"
            seed s3_metadata '\x00' "$work/metadata"/*
            for object in 0 2 3; do
                seed s3_metadata "\\x00\\x0$object\\x01" tests/vectors_s3/s3/*.instruction.json
                seed s3_metadata "\\x01\\x0$object\\x01" tests/vectors_s3/s3/*.instruction.json
            done
            ;;
        command_line)
            mkdir -p "$work/texts"
            command_line_texts "$work/texts"
            seed command_line '\x00\x01\x01' "$work/texts"/*
            printf 'encrypt\n-k\nraw-aes:namespace=n,name=k,file=aes\n-c\na=b\n-i\nin\n-o\nout' >"$work/encrypt"
            printf 'decrypt\n-k\nraw-aes:file=aes\n--range\n1-2\n--unverified-signature\n-i\nin' >"$work/decrypt"
            seed command_line '\x00' "$work/encrypt" "$work/decrypt"
            printf '00112233445566778899aabbccddeeff\n' >"$work/hex"
            printf 'ABEiM0RVZneImaq7zN3u/w==\n' >"$work/base64"
            seed command_line '\x03' "$work/hex" "$work/base64"
            printf 'tenant=42\npurpose=\nname' >"$work/pairs"
            seed command_line '\x04' "$work/pairs"
            printf '{"tenant": "42", "purpose": ""}' >"$work/context"
            seed command_line '\x05' "$work/context"
            printf '2-5' >"$work/range"
            seed command_line '\x0a\x06' "$work/range"
            printf 'capacity=10,max-age=300,max-messages=5,max-bytes=1000' >"$work/caching"
            seed command_line '\x07' "$work/caching"
            ;;
        *)
            echo "there is no target $target" >&2
            exit 2
            ;;
    esac
done
