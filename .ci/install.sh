# For the scripts beside this: `install WHAT PACKAGE` on Debian as root, else one line that says what is missing.
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
