#!/usr/bin/env bash
# Runs every fuzz target for a few seconds (first argument, default 10), from the test vectors as seeds.
# Fails if one crashes. `fuzz/smoke.sh 60 decrypt` runs one target for a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-10}
shift || true
version=0.13.2

if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install --locked --version "$version" cargo-fuzz
fi

# Sanitizers need a nightly compiler, or a stable one that is told to act as if.
if cargo +nightly --version >/dev/null 2>&1; then
    fuzz=(cargo +nightly fuzz)
else
    export RUSTC_BOOTSTRAP=1
    fuzz=(cargo fuzz)
fi

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <("${fuzz[@]}" list)
fi

# The targets take what they choose from the end of their input, so messages are seeds as they are.
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    case $target in
        header | decrypt | range) find tests/vectors/messages -size -8k -exec cp -t "fuzz/corpus/$target" {} + ;;
    esac
done

"${fuzz[@]}" build
failed=()
for target in "${targets[@]}"; do
    echo "== $target: $seconds seconds"
    "${fuzz[@]}" run "$target" -- -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=1024 \
        -timeout=10 -print_final_stats=1 || failed+=("$target")
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "crashed: ${failed[*]}" >&2
    exit 1
fi
