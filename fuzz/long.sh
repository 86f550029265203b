#!/usr/bin/env bash
# `fuzz/long.sh TARGET CPU_SECONDS` runs a target until it has used so much CPU time, in slices of some
# minutes, from its corpus, which it keeps. Each slice adds a line to fuzz/runs.tsv; findings stop nothing.
# `fuzz/long.sh table` prints what is there as Markdown, for docs/fuzzing.md.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=fuzz/runs.tsv

if [ "${1:-}" = table ]; then
    echo '| target | commits | CPU time | executions | coverage (edges) | corpus | findings |'
    echo '|---|---|---|---|---|---|---|'
    awk -F '\t' 'NR > 1 {
        if (!($2 in cpu)) order[++n] = $2
        if (!(($2, $1) in seen)) { seen[$2, $1] = 1; commits[$2] = commits[$2] (commits[$2] ? ", " : "") $1 }
        cpu[$2] += $3; executions[$2] += $4; edges[$2] = $5; corpus[$2] = $6; findings[$2] += $7
    }
    END {
        for (i = 1; i <= n; i++) { t = order[i]
            printf "| %s | %s | %d min | %.1f million | %s | %s | %d |\n", \
                t, commits[t], cpu[t] / 60, executions[t] / 1e6, edges[t], corpus[t], findings[t] }
    }' "$runs"
    exit
fi

target=$1
wanted=$2
commit=$(git rev-parse --short HEAD)
fuzz/seed.sh "$target"
fuzz/build.sh "$target"
program=fuzz/target/x86_64-unknown-linux-gnu/release/$target
mkdir -p "fuzz/artifacts/$target"
[ -f "$runs" ] || printf 'commit\ttarget\tcpu_seconds\texecutions\tedges\tcorpus\tfindings\n' >"$runs"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A scoped thread counts as ended before all of its memory is freed, which would sometimes be taken for a leak.
export ASAN_OPTIONS=detect_leaks=0
used=0
while [ "$used" -lt "$wanted" ]; do
    findings=0
    left=$((wanted - used + 1))
    slice=$((left < 300 ? left : 300))
    TIMEFORMAT='CPU %U %S'
    { time nice -n 19 "$program" "$PWD/fuzz/corpus/$target" -artifact_prefix="$PWD/fuzz/artifacts/$target/" \
        -max_total_time="$slice" -max_len=8192 -rss_limit_mb=1024 -timeout=10 -detect_leaks=0 -print_final_stats=1; } \
        >"$log" 2>&1 || findings=1
    [ "$findings" -eq 0 ] || tail -60 "$log" >"fuzz/artifacts/$target/log-$(date +%s)"
    cpu=$(awk '/^CPU / { print int($2 + $3 + 0.5) }' "$log")
    executions=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
    edges=$(grep -ao 'cov: [0-9]*' "$log" | tail -1 | cut -c6- || true)
    corpus=$(find "fuzz/corpus/$target" -type f | wc -l)
    printf '%s\t%s\t%d\t%d\t%d\t%d\t%d\n' \
        "$commit" "$target" "$cpu" "${executions:-0}" "${edges:-0}" "$corpus" "$findings" >>"$runs"
    used=$((used + cpu))
    # What fails at once uses no time, and would fail for ever.
    [ "$findings" -eq 0 ] || [ "$cpu" -gt 5 ] || exit 1
done
