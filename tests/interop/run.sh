#!/bin/sh
# Checks that waxseal and the official packages open each other's messages: tests/interop/run.sh [BINARY] [OPTION]...
# Without BINARY, which has its examples beside it, it builds both.
# With --self it leaves waxseal out: Python and JavaScript against each other, to tell whose fault a failure is.
# Options are in run.py. PYTHON chooses the interpreter (3.11 or later); node and npm come from PATH.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
for python in ${PYTHON:-python3.11 python3 python}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" "$here/run.py" "$@"
    fi
done
echo "run.sh: needs Python 3.11 or later (set PYTHON)" >&2
exit 2
