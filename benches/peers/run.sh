#!/bin/sh
# Measures waxseal beside its published peers in one go: benches/peers/run.sh [--quick] [OPTION]...
# Installs what it needs below target/peers and writes target/peers/results.json; plot.py makes the docs from that.
# Options are in run.py. PYTHON chooses the interpreter (3.11 or later); cargo, node and npm come from PATH.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
for python in ${PYTHON:-python3.11 python3 python}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" "$here/run.py" "$@"
    fi
done
echo "run.sh: needs Python 3.11 or later (set PYTHON)" >&2
exit 2
