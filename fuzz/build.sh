#!/usr/bin/env bash
# Builds one fuzz target, with AddressSanitizer, debug assertions and overflow checks (fuzz/Cargo.toml). The arguments
# are those of `cargo fuzz build`; `fake_kms` gets the feature that it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.13.2
if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install --locked --version "$version" cargo-fuzz
fi

# Sanitizers need a nightly compiler, or a stable one that is told to act as if, which RUSTC_BOOTSTRAP=1 prefers.
if [ "${RUSTC_BOOTSTRAP:-}" != 1 ] && cargo +nightly --version >/dev/null 2>&1; then
    fuzz=(cargo +nightly fuzz)
else
    export RUSTC_BOOTSTRAP=1
    fuzz=(cargo fuzz)
fi
features=()
if [ "${1:-}" = fake_kms ]; then features=(--features sdk); fi
"${fuzz[@]}" build --sanitizer address "${features[@]}" "$@"
