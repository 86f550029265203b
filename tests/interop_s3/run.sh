#!/bin/sh
# Checks that waxseal and the official clients open each other's S3 objects: run.sh [BINARY] [OPTION]...
# Without BINARY it builds it. With --self it leaves waxseal out: the clients against each other, to tell whose fault a
# failure is. Options are in run.py. PYTHON chooses the interpreter (3.11 or later); mvn, javac and go come from PATH.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
for python in ${PYTHON:-python3.11 python3 python}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" "$here/run.py" "$@"
    fi
done
echo "run.sh: needs Python 3.11 or later (set PYTHON)" >&2
exit 2
