#!/usr/bin/env bash
# Runs every fuzz target for a few seconds (first argument, default 8), from seeds.
# Fails if one crashes. `fuzz/smoke.sh 60 decrypt` runs one target for a minute.
# What needs the AWS SDK, which takes many minutes to build, runs only if it is named: `fuzz/smoke.sh 8 fake_kms`.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-8}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(message decrypt roundtrip parallel range calls backends keys s3_metadata s3_content command_line)
fi
fuzz/seed.sh "${targets[@]}"
if [ $# -eq 0 ]; then
    fuzz/build.sh
else
    for target in "${targets[@]}"; do fuzz/build.sh "$target"; done
fi

# A scoped thread counts as ended before all of its memory is freed, which would sometimes be taken for a leak.
export ASAN_OPTIONS=detect_leaks=0
failed=()
for target in "${targets[@]}"; do
    echo "== $target: $seconds seconds"
    mkdir -p "fuzz/artifacts/$target"
    fuzz/target/x86_64-unknown-linux-gnu/release/"$target" "$PWD/fuzz/corpus/$target" \
        -artifact_prefix="$PWD/fuzz/artifacts/$target/" -max_total_time="$seconds" -max_len=8192 \
        -rss_limit_mb=1024 -timeout=10 -detect_leaks=0 -print_final_stats=1 || failed+=("$target")
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "crashed: ${failed[*]}" >&2
    exit 1
fi
