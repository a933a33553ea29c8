# shellcheck shell=bash
# What the tests need beside cargo, installed under target/test-tools and told to
# them by HALLIGAN_* variables. Sourced by tests/run; needs $root. Each part is
# stamped with what it was made from, so a second run installs nothing, and needs
# no network.
#
#   HALLIGAN_MINISTACK  starts the AWS stand-in: GATEWAY_PORT, BIND_HOST, AUTH in the environment
#   HALLIGAN_PG_BIN     the directory of initdb, postgres, pg_ctl
#   HALLIGAN_JUDGE      the IAM judge, a JSON-lines filter: tests/tools/judge/judge.mjs
#   HALLIGAN_OIDC_PROVIDER  the directory of provider.mjs (tests/tools/provider) and its packages
#   HALLIGAN_BROWSER    the directory of browser.mjs (tests/tools/browser) and its packages
#   HALLIGAN_CHROMIUM   the browser itself
#   HALLIGAN_FAKETIME   a library that, preloaded, puts a program into another time (FAKETIME)
#   HALLIGAN_PYTHON     a Python that has boto3, cryptography and aiosmtpd
#   HALLIGAN_CFN_LINT   cfn-lint

tools="${root:?}/target/test-tools"
bin="$tools/bin"
missing=()

say() { printf 'tests/run: %s\n' "$*" >&2; }

# Packages of the system, where that is ours to do; otherwise the caller names
# what is missing.
apt_install() {
    [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null || return 1
    say "installing $* from the system's packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "$@" >&2 ||
        { apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "$@" >&2; }
}

hash_of() { cksum "$@" | cksum | tr ' ' '-'; }

# made DIR STAMP COMMAND…: runs COMMAND with a fresh directory as its last
# argument and moves that to DIR, unless DIR was made from the same STAMP.
made() {
    local dir="$1" stamp="$2"
    shift 2
    [[ "$(cat "$dir/.stamp" 2>/dev/null)" == "$stamp" ]] && return
    say "installing $(basename "$dir")"
    mkdir -p "$tools"
    local fresh
    fresh="$(mktemp -d "$tools/new.XXXXXX")"
    if ! "$@" "$fresh"; then
        rm -rf "$fresh"
        say "could not install $(basename "$dir"): is the package registry within reach?"
        exit 3
    fi
    printf '%s' "$stamp" >"$fresh/.stamp"
    rm -rf "$dir"
    mv "$fresh" "$dir"
}

launcher() {
    local name="$1"
    cat >"$bin/$name.new"
    chmod +x "$bin/$name.new"
    mv "$bin/$name.new" "$bin/$name"
}

find_python() {
    local candidate
    for candidate in python3.13 python3.12 python3.11 python3.10 python3; do
        if "$candidate" -c 'import sys, pip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

# No venv, no ensurepip: Debian leaves both out. Wheels only, so that nothing is
# compiled and no package's set-up code runs.
pip_install() {
    # As a variable, since pip 22.0 (Ubuntu 22.04) doesn't know the option.
    PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check \
        --no-warn-script-location --require-hashes --no-deps --only-binary :all: \
        --requirement "$1" --target "$2" >&2
}

npm_install() {
    cp "$root/tests/tools/$1"/{package.json,package-lock.json,.npmrc} "$2" &&
        (cd "$2" && npm ci --loglevel=error >&2)
}

setup_python() {
    python="$(find_python || { apt_install python3 python3-pip >&2 && find_python; })" || {
        missing+=("python3 3.10 or newer with pip (Debian: python3-pip)")
        return
    }
    local tag standin="$root/crates/halligan/src/standin/requirements.txt"
    local extras="$root/tests/tools/python/requirements.txt"
    tag="$("$python" -c 'import sys; print(sys.implementation.cache_tag, sys.executable)')"
    made "$tools/standin" "$tag $(hash_of "$standin")" pip_install "$standin"
    made "$tools/python" "$tag $(hash_of "$extras")" pip_install "$extras"

    # Off: a listener on all interfaces (IoT, 8883), SFTP, and every kind of state
    # that a second stand-in on this machine would share.
    launcher ministack <<LAUNCHER
#!/bin/sh
export PYTHONPATH='$tools/standin' PYTHONNOUSERSITE=1
export IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 PERSIST_STATE=0 S3_PERSIST=0
export STATE_DIR="\${STATE_DIR:-\$PWD/ministack-state}"
export S3_DATA_DIR="\${S3_DATA_DIR:-\$STATE_DIR/s3}"
exec '$python' -m ministack "\$@"
LAUNCHER
    launcher python <<LAUNCHER
#!/bin/sh
export PYTHONPATH='$tools/python' PYTHONNOUSERSITE=1
exec '$python' "\$@"
LAUNCHER
    launcher cfn-lint <<LAUNCHER
#!/bin/sh
export PYTHONPATH='$tools/python' PYTHONNOUSERSITE=1
exec '$python' '$tools/python/bin/cfn-lint' "\$@"
LAUNCHER
}

setup_node() {
    # oidc-provider needs it, which came with 20.12.
    local node_ok='process.exit(typeof require("node:crypto").hash === "function" ? 0 : 1)'
    if ! { node -e "$node_ok" && npm --version; } >/dev/null 2>&1; then
        apt_install nodejs npm || true
    fi
    if ! { node -e "$node_ok" && npm --version; } >/dev/null 2>&1; then
        missing+=("node 20.12 or newer with npm (Debian 13: nodejs npm)")
        return
    fi
    local package
    for package in judge provider browser; do
        made "$tools/$package" "$(node --version) $(hash_of "$root/tests/tools/$package/package-lock.json")" \
            npm_install "$package"
        # A copy beside node_modules, because that is where node looks for packages.
        cp "$root/tests/tools/$package"/*.mjs "$tools/$package"
    done
    launcher judge <<LAUNCHER
#!/bin/sh
exec '$(command -v node)' '$tools/judge/judge.mjs'
LAUNCHER
}

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

setup_chromium() {
    # With a font: Debian's chromium depends on none, and pages without letters show nothing.
    chromium="$(find_chromium || { apt_install chromium fonts-dejavu-core >&2 && find_chromium; })" ||
        missing+=("the browser chromium (Debian: chromium fonts-dejavu-core)")
}

find_faketime() {
    local library
    for library in /usr/lib/*/faketime/libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1 /usr/local/lib/faketime/libfaketime.so.1; do
        if [[ -f "$library" ]]; then
            printf '%s\n' "$library"
            return
        fi
    done
    return 1
}

setup_faketime() {
    faketime="$(find_faketime || { apt_install libfaketime >&2 && find_faketime; })" ||
        missing+=("libfaketime (Debian: libfaketime)")
}

find_pg_bin() {
    local dir on_path
    on_path="$(command -v initdb || true)"
    [[ -n "$on_path" ]] && on_path="$(dirname "$(readlink -f "$on_path")")"
    # Highest version first among the packaged ones.
    while IFS= read -r dir; do
        if [[ -x "$dir/initdb" && -x "$dir/postgres" && -x "$dir/pg_ctl" ]]; then
            printf '%s\n' "$dir"
            return
        fi
    done < <(
        printf '%s\n' "$on_path"
        printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -rV
        printf '%s\n' /usr/local/bin /usr/local/pgsql/bin /opt/homebrew/opt/postgresql*/bin
    )
    return 1
}

setup_postgres() {
    pg_bin="$(find_pg_bin || { apt_install postgresql >&2 && find_pg_bin; })" || {
        missing+=("the PostgreSQL server's programs initdb, postgres, pg_ctl (Debian: postgresql)")
        return
    }
    # PostgreSQL refuses to run as root, so tests run by root start it as the user
    # `postgres` by way of sudo, which small images lack. setpriv does the same.
    if [[ "$(id -u)" == 0 ]] && ! command -v sudo >/dev/null; then
        if ! id postgres >/dev/null 2>&1 || ! command -v setpriv >/dev/null; then
            missing+=("as root: sudo, or setpriv and a user \`postgres\`; or run as another user")
            return
        fi
        mkdir -p "$tools/rootbin"
        bin="$tools/rootbin" launcher sudo <<'LAUNCHER'
#!/bin/sh
# Stands in for `sudo -u USER COMMAND…`, nothing more, for test databases.
[ "$1" = -u ] || exit 64
user="$2"
shift 2
exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"
LAUNCHER
        export PATH="$PATH:$tools/rootbin"
    fi
}

setup_rust() {
    command -v cargo >/dev/null || missing+=("cargo (Rust 1.95 or newer)")
    cargo fmt --version >/dev/null 2>&1 || missing+=("rustfmt (rustup component add rustfmt)")
    cargo clippy --version >/dev/null 2>&1 || missing+=("clippy (rustup component add clippy)")
    command -v cc >/dev/null || apt_install build-essential || missing+=("a C compiler")
}

# Exit 3: something is missing that this script may not or cannot install.
setup() {
    mkdir -p "$bin"
    setup_rust
    setup_python
    setup_node
    setup_chromium
    setup_faketime
    setup_postgres
    if ((${#missing[@]} > 0)); then
        say "these are missing on this machine:"
        printf '  - %s\n' "${missing[@]}" >&2
        exit 3
    fi
    export HALLIGAN_MINISTACK="$bin/ministack" HALLIGAN_PG_BIN="$pg_bin" HALLIGAN_JUDGE="$bin/judge"
    export HALLIGAN_OIDC_PROVIDER="$tools/provider" HALLIGAN_BROWSER="$tools/browser" HALLIGAN_CHROMIUM="$chromium"
    export HALLIGAN_FAKETIME="$faketime"
    export HALLIGAN_PYTHON="$bin/python" HALLIGAN_CFN_LINT="$bin/cfn-lint"
}
