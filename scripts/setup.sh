#!/bin/sh
# Makes .venv and installs igauth into it under constraints.txt; called by the Makefile.
#
#   setup.sh run    what `igauth dev` needs
#   setup.sh dev    that, and the tools of the tests and checks
#   setup.sh find   only prints the Python that would be used
#
# A stamp in .venv says what was installed, so that the next call is instant.
# PYTHON=… picks an interpreter. uv is used where it is present and works, else venv and pip.
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# The version is asked by running it: a name on the PATH may be a shim that only fails.
find_python() {
    too_bare=
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        recent "$name" || continue
        if "$name" -c 'import ensurepip, ssl, venv' >/dev/null 2>&1; then
            echo "$name"
            return 0
        fi
        too_bare=$name
    done
    if [ -n "$too_bare" ]; then
        say "$too_bare has no venv module. On Debian and Ubuntu: apt-get install python3-venv"
    else
        say "found no Python 3.11 or newer${PYTHON:+ (PYTHON is $PYTHON)}; install one, or uv, and try again"
    fi
    return 1
}

# False where the folder was moved here from elsewhere, or where its interpreter is gone.
at_home() {
    recent .venv/bin/python && grep -qF "$(pwd -P)/.venv" .venv/bin/activate 2>/dev/null
}

has_pip() { .venv/bin/python -c 'import pip' >/dev/null 2>&1; }

with_uv() {
    at_home || uv venv --quiet --clear --python "${PYTHON:->=3.11}" .venv || return 1
    uv pip install --quiet --python .venv/bin/python -c constraints.txt -e "$1" || return 1
}

with_pip() {
    if ! at_home || ! has_pip; then
        python=$(find_python) || exit 1
        say "making .venv with $("$python" --version 2>&1)"
        "$python" -m venv --clear .venv || exit 1
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        -c constraints.txt -e "$1" || exit 1
}

# What a stamp must hold to be believed: this folder, this interpreter, these requirements.
wanted() {
    pwd -P
    .venv/bin/python --version 2>&1 || true
    cat pyproject.toml constraints.txt | cksum
}

stamped() { [ -f ".venv/stamp-$1" ] && [ "$(cat ".venv/stamp-$1")" = "$(wanted)" ]; }

install() {
    if stamped dev || stamped "$1"; then
        return 0
    fi
    say "installing $2 under constraints.txt; this happens once"
    if ! command -v uv >/dev/null 2>&1; then
        with_pip "$2"
    elif ! with_uv "$2"; then
        say "uv did not manage; trying venv and pip"
        with_pip "$2"
    fi
    wanted >".venv/stamp-$1"
}

case "${1-}" in
run) install run . ;;
dev) install dev '.[dev]' ;;
find) find_python ;;
*)
    say "usage: setup.sh run | dev | find"
    exit 2
    ;;
esac
