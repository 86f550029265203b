#!/bin/sh
# Compares FakeKms with AWS KMS emulators, call by call: tests/emulators/run.sh [CARGO OPTION]...
# The options choose features, such as `--features testing,tokio`; without any it is `--features testing`.
# PYTHON chooses the interpreter (3.11 or later).
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
for python in ${PYTHON:-python3.11 python3 python}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" "$here/run.py" "$@"
    fi
done
echo "run.sh: needs Python 3.11 or later (set PYTHON)" >&2
exit 2
