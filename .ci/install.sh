# For the scripts beside this.

# `install WHAT PACKAGE` on Debian as root, else one line that says what is missing.
updated=
install() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$1 is missing: install it (Debian: apt-get install $2)" >&2
        exit 1
    fi
    local log
    log=$(mktemp)
    if { [ -n "$updated" ] || apt-get update -qq; } >"$log" 2>&1 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >>"$log" 2>&1; then
        updated=yes
        rm "$log"
        return
    fi
    tail -n 5 "$log" >&2
    echo "$1 is missing, and apt-get could not install $2" >&2
    exit 1
}

has_python() { python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

# `python_with FOLDER PACKAGE…`: a Python environment of its own in FOLDER, with the packages from PyPI.
python_with() {
    has_python || install "python3 (3.10 or newer) with venv and pip" python3-venv
    has_python || { echo "python3 (3.10 or newer) with venv and pip is missing: $(command -v python3) is too old" >&2; exit 1; }
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
}
