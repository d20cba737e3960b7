# Sourced by the tests of proa-copy: a temporary home, small images made with tar and nothing else, and comparisons.
# shellcheck shell=bash
set -euo pipefail
copy=$PROA_BIN/proa-copy
work=$(mktemp -d "${TMPDIR:-/tmp}/proa-copy-XXXXXX")
export PROA_ROOT=$work/root PROA_RUNROOT=$work/run PROA_CACHE=$work/cache HOME=$work/home XDG_DATA_HOME=$work/home/data
export XDG_CONFIG_HOME=$work/home/config TMPDIR=$work
unset REGISTRY_AUTH_FILE DOCKER_CONFIG CONTAINERS_REGISTRIES_CONF
mkdir -p "$HOME" "$XDG_CONFIG_HOME"
registry_pid=

# Files of the store may belong to subordinate ids: only their user namespace can delete them.
cleanup() {
  [ -z "$registry_pid" ] || kill "$registry_pid" 2>/dev/null || true
  [ ! -d "$PROA_ROOT" ] || "$copy" rmi -af >/dev/null 2>&1 || true
  # umoci and others may have taken away our own permission.
  chmod -R u+rwX "$work" 2>/dev/null || true
  rm -rf "$work" 2>/dev/null || true
}
trap cleanup EXIT

fail() {
  echo "FAIL: $*" >&2
  exit 1
}
need() {
  for program in "$@"; do
    command -v "$program" >/dev/null || { echo "SKIP: $program is not installed"; exit 77; }
  done
}

# Runs a command that has to fail: expect_failure CODE TEXT COMMAND... checks the exit code and that one line of stderr has TEXT.
expect_failure() {
  local code=$1 text=$2 got=0
  shift 2
  "$@" >"$work/out" 2>"$work/err" || got=$?
  [ "$got" = "$code" ] || { cat "$work/err" >&2; fail "$*: exit code $got, expected $code"; }
  grep -qi -- "$text" "$work/err" || { cat "$work/err" >&2; fail "$*: stderr lacks \"$text\""; }
  [ "$(grep -c '^Error: ' "$work/err")" = 1 ] || { cat "$work/err" >&2; fail "$*: not exactly one error line"; }
}

sha() { sha256sum "$1" | cut -d' ' -f1; }
blob() { # FILE LAYOUT: stores it, prints the digest
  local digest
  digest=$(sha "$1")
  mkdir -p "$2/blobs/sha256"
  cp "$1" "$2/blobs/sha256/$digest"
  echo "$digest"
}

# make_layout LAYOUT NAME DIRECTORY...: an OCI layout with one gzip layer for each directory.
make_layout() {
  local layout=$1 name=$2 diff_ids= layers= digest size config manifest
  shift 2
  mkdir -p "$layout"
  for directory in "$@"; do
    tar --sort=name --owner=0 --group=0 --mtime=@1700000000 --format=pax --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
      --xattrs --xattrs-include='user.*' -C "$directory" -cf "$work/layer.tar" .
    diff_ids="$diff_ids,\"sha256:$(sha "$work/layer.tar")\""
    gzip -nf "$work/layer.tar"
    digest=$(blob "$work/layer.tar.gz" "$layout")
    size=$(stat -c %s "$work/layer.tar.gz")
    layers="$layers,{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$digest\",\"size\":$size}"
  done
  printf '{"created":"2023-11-14T22:13:20Z","architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"],"Labels":{"a":"b"}},"rootfs":{"type":"layers","diff_ids":[%s]},"history":[{"created_by":"test"}]}' \
    "${diff_ids#,}" >"$work/config"
  config=$(blob "$work/config" "$layout")
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' \
    "$config" "$(stat -c %s "$work/config")" "${layers#,}" >"$work/manifest"
  manifest=$(blob "$work/manifest" "$layout")
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' \
    "$manifest" "$(stat -c %s "$work/manifest")" "$name" >"$layout/index.json"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
}

# A tree with one of each: modes, links, times, holes, odd names, an xattr, an empty folder.
make_tree() {
  mkdir -p "$1"/{bin,etc,empty,deep/er/est}
  echo content >"$1/etc/file"
  printf '#!/bin/sh\necho hi\n' >"$1/bin/script"
  chmod 0755 "$1/bin/script"
  chmod 0600 "$1/etc/file"
  chmod 1777 "$1/empty"
  ln "$1/etc/file" "$1/etc/hard"
  ln -s ../etc/file "$1/bin/soft"
  ln -s /nowhere "$1/dangling"
  truncate -s 1M "$1/hole"
  echo x >"$1/name with space"
  echo y >"$1/$(printf 'byte\351')"
  setfattr -n user.note -v hello "$1/etc/file" 2>/dev/null || true
}

# Names, types, modes, sizes, link targets, times of files and contents, without owners: these differ between user namespaces.
list_tree() {
  (cd "$1" && find . -mindepth 1 \( -type f -printf '%P\t%y %m %s %T@ %n\n' -o -type l -printf '%P\t%y %l\n' -o -printf '%P\t%y %m\n' \) | LC_ALL=C sort
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum)
}

# start_registry: a registry on a free loopback port; sets $registry to HOST:PORT and $registry_root to its files.
start_registry() {
  need docker-registry
  registry_root=$work/registry
  mkdir -p "$registry_root"
  for port in $(shuf -i 20000-50000 -n 20); do
    cat >"$work/registry.yml" <<YML
version: 0.1
storage: {filesystem: {rootdirectory: $registry_root}, delete: {enabled: true}}
http: {addr: 127.0.0.1:$port}
log: {level: error, accesslog: {disabled: true}}
YML
    docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
    registry_pid=$!
    registry=127.0.0.1:$port
    for _ in $(seq 100); do
      (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && kill -0 "$registry_pid" 2>/dev/null && return 0
      kill -0 "$registry_pid" 2>/dev/null || break
      sleep 0.1
    done
  done
  fail "no registry could be started"
}
