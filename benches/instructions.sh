#!/usr/bin/env bash
# Counts the instructions that each workload of benches/instructions takes, and compares them with those kept in
# benches/instructions.txt. Unlike times they hardly depend on what else the machine does. Needs valgrind.
#
#   benches/instructions.sh            fails if a workload takes over 5 percent more than it did
#   benches/instructions.sh --write    keeps what was counted
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=never

kept=benches/instructions.txt
tolerance=5
# Workload and how often it runs: more often where a call takes few instructions.
workloads="
encrypt-1KiB 200
encrypt-1KiB-to-buffer 200
encrypt-1KiB-signed 20
decrypt-1KiB 200
decrypt-1KiB-to-buffer 200
decrypt-1KiB-signed 20
stream-encrypt-1MiB 10
stream-decrypt-1MiB 10
read-header 1000
unlock 200
"

program=$(cargo bench --quiet --bench instructions --no-run --message-format json |
    sed -n 's/.*"executable":"\([^"]*\/instructions-[^"]*\)".*/\1/p')

count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : *//p'
}

describe() {
    echo "# Instructions of one call, counted by benches/instructions.sh; --write writes this file."
    echo "# $(rustc --version | cut -d' ' -f1,2), $(valgrind --version), $(uname -m), glibc $(getconf GNU_LIBC_VERSION | cut -d' ' -f2)."
    echo "# Valgrind shows programs a CPU with AVX2 and AES-NI, but without AVX-512 and VAES, and AWS-LC chooses by that."
}

# What is started once falls out of the difference.
counted=$(
    while read -r name times; do
        [ -n "$name" ] || continue
        once=$(count "$name" "$times")
        twice=$(count "$name" "$((2 * times))")
        echo "$name $(((twice - once) / times))"
    done <<<"$workloads"
)

if [ "${1:-}" = --write ]; then
    { describe; echo "$counted"; } >"$kept"
    cat "$kept"
    exit
fi

# Another compiler or library counts otherwise: that is shown, and fails nothing.
if ! grep -qxF "$(describe | sed -n 2p)" "$kept"; then
    echo "counted with other tools than those kept in $kept, so that more is no fault:"
    describe | sed -n 2p
    tolerance=1000000
fi

awk -v tolerance="$tolerance" '
    /^#/ { next }
    NR == FNR { before[$1] = $2; next }
    !($1 in before) { printf "%-26s %10d  new: keep it with --write\n", $1, $2; failed = 1; next }
    {
        change = 100 * ($2 / before[$1] - 1)
        verdict = change > tolerance ? "  TOO MANY" : change < -tolerance ? "  fewer: keep it with --write" : ""
        printf "%-26s %10d %10d %+7.2f %%%s\n", $1, before[$1], $2, change, verdict
        if (change > tolerance) failed = 1
    }
    END { exit failed }
' "$kept" <(echo "$counted")
