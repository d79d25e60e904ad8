#!/usr/bin/env bash
# Installs the programs that test/peers talks to, on Debian and its kin: once, and quick when all is there.
# The newest Python libraries live in .cache/peers/venv; delete that folder to get newer ones. The programs of
# test/peers/go and test/peers/lws are built into .cache/peers/bin, with the module that go.mod and go.sum pin.
# usage: [sudo] scripts/install-peers.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(chromium curl python3 python3-venv python3-websockets python3-websocket)
packages+=(libwebsockets-dev libwebsockets-test-server)
packages+=(squid tinyproxy dante-server microsocks)
# These need not be Debian's.
command -v go >/dev/null || packages+=(golang-go)
command -v cc >/dev/null || packages+=(gcc libc6-dev)
venv=.cache/peers/venv
bin=.cache/peers/bin

say() { echo "peers: $*"; }

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done

if ((${#missing[@]} > 0)); then
  say "installing with apt-get: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # The tests start the proxies themselves, on ports of their own: as services they would only be in the way.
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  say "Debian's packages are installed: ${packages[*]}"
fi

# The import fails as well when the Python that the environment was made with is gone.
versions='import websocket, websockets.version; print("websockets", websockets.version.version + ", websocket-client", websocket.__version__)'
if ! "$venv/bin/python" -c "$versions" >/dev/null 2>&1; then
  say "making $venv with the newest websockets and websocket-client"
  rm -rf "$venv"
  mkdir -p "$(dirname "$venv")"
  # Debian's own Python is the fallback: it always has the module venv here, others may lack it.
  python3 -m venv "$venv" || /usr/bin/python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check websockets websocket-client
fi
say "$venv has $("$venv/bin/python" -c "$versions")"
say "Debian has $(/usr/bin/python3 -c "$versions")"

# Whether a program is missing, does not run, or is older than one of its sources.
is_stale() {
  local program=$1 source
  shift
  "$program" version >/dev/null 2>&1 || return 0
  for source in "$@"; do
    [[ $source -nt $program ]] && return 0
  done
  return 1
}

if is_stale "$bin/gorilla" test/peers/go/*; then
  say "building $bin/gorilla"
  mkdir -p "$bin"
  # What is downloaded and built can be deleted like any file, and no other release of Go is looked for.
  export GOMODCACHE=$PWD/.cache/peers/go/modules GOCACHE=$PWD/.cache/peers/go/build GOTOOLCHAIN=local
  (cd test/peers/go && go build -modcacherw -mod=readonly -buildvcs=false -o "$OLDPWD/$bin/gorilla" .)
fi
say "$bin/gorilla is $("$bin/gorilla" version)"

if is_stale "$bin/libwebsockets" test/peers/lws/*; then
  say "building $bin/libwebsockets"
  mkdir -p "$bin"
  cc -std=gnu11 -O1 -Wall -Wextra -o "$bin/libwebsockets" test/peers/lws/*.c -lwebsockets
fi
say "$bin/libwebsockets is $("$bin/libwebsockets" version)"

# Bun and Deno come with the benchmarks, in the versions of their lock file.
node benchmarks/install-peers.mjs
say "Bun is $(benchmarks/node_modules/@oven/*/bin/bun --version), Deno is $(benchmarks/node_modules/@deno/*/deno --version | head -1)"
