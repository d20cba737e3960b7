# Sourced by the tests of proa-copy against real registries: a temporary home, docker-registry in several shapes, an image
# as a layout, and checks that count.
# shellcheck shell=bash
copy=$PROA_BIN/proa-copy
for need in docker-registry openssl htpasswd; do
  command -v "$need" >/dev/null || { echo "SKIP: needs $need"; exit 77; }
done
[ -x "$copy" ] || { echo "SKIP: needs proa-copy"; exit 77; }

work=$(mktemp -d "${TMPDIR:-/tmp}/proa-registry-XXXXXX")
registries=()
# Ends only what was started here.
finish() {
  for pid in "${registries[@]}"; do kill "$pid" 2>/dev/null; done
  [ ! -d "$PROA_ROOT" ] || "$copy" rmi -af >/dev/null 2>&1
  rm -rf "$work"
}
trap finish EXIT
export HOME=$work/home XDG_CONFIG_HOME=$work/home/.config XDG_RUNTIME_DIR=$work/run TMPDIR=$work PROA_ROOT=$work/store PROA_RUNROOT=$work/runroot PROA_CACHE=$work/cache XDG_CACHE_HOME=$work/home/.cache
unset REGISTRY_AUTH_FILE DOCKER_CONFIG CONTAINERS_REGISTRIES_CONF http_proxy https_proxy HTTP_PROXY HTTPS_PROXY
mkdir -p "$HOME" "$XDG_RUNTIME_DIR" && chmod 700 "$XDG_RUNTIME_DIR"
failed=0

fail() { echo "FAIL: $*"; failed=1; }
# check NAME COMMAND...: it must end with 0
check() {
  local name=$1
  shift
  "$@" >"$work/out" 2>"$work/err" || fail "$name: $* ended with $?: $(cat "$work/err")"
}
# refuse NAME TEXT COMMAND...: it must fail, and say TEXT
refuse() {
  local name=$1 text=$2
  shift 2
  if "$@" >"$work/out" 2>"$work/err"; then fail "$name: succeeded"; fi
  grep -q -- "$text" "$work/err" || fail "$name: '$text' is not in: $(cat "$work/err")"
}
equal() { [ "$2" = "$3" ] || fail "$1: '$2' is not '$3'"; }

# start NAME [LINES OF http: SECTION]: sets `address`
start() {
  local name=$1 folder=$work/registry-$1
  mkdir -p "$folder"
  cat >"$folder/config.yml" <<END
version: 0.1
storage:
  filesystem: {rootdirectory: $folder/storage}
  delete: {enabled: true}
http:
  addr: 127.0.0.1:0
${2:-}
END
  docker-registry serve "$folder/config.yml" >"$folder/log" 2>&1 &
  registries+=($!)
  for _ in $(seq 100); do
    address=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$folder/log" | head -n 1)
    [ -n "$address" ] && return
    sleep 0.1
  done
  cat "$folder/log"
  fail "the registry does not start"
  exit 1
}

# An image of a small and a large layer as an OCI layout.
blob() { # FILE: stores it, prints digest and size
  local sum
  sum=$(sha256sum <"$1" | cut -d' ' -f1)
  cp "$1" "$work/layout/blobs/sha256/$sum"
  echo "sha256:$sum $(stat -c %s "$1")"
}
make_layout() {
  local layers=() ids=() name digest size
  mkdir -p "$work/layout/blobs/sha256" "$work/files/bin"
  echo hello >"$work/files/bin/hello"
  head -c 20000000 /dev/urandom >"$work/files/bin/large"
  for name in hello large; do
    tar --sort=name --owner=0 --group=0 --mtime=@0 -C "$work/files" -cf "$work/$name.tar" "bin/$name"
    ids+=("\"sha256:$(sha256sum <"$work/$name.tar" | cut -d' ' -f1)\"")
    gzip -n -1 "$work/$name.tar"
    read -r digest size < <(blob "$work/$name.tar.gz")
    layers+=("{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"$digest\",\"size\":$size}")
  done
  echo "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[${ids[0]},${ids[1]}]}}" >"$work/config.json"
  read -r digest size < <(blob "$work/config.json")
  echo "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"$digest\",\"size\":$size},\"layers\":[${layers[0]},${layers[1]}]}" >"$work/manifest.json"
  read -r manifest size < <(blob "$work/manifest.json")
  echo '{"imageLayoutVersion":"1.0.0"}' >"$work/layout/oci-layout"
  echo "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"$manifest\",\"size\":$size,\"annotations\":{\"org.opencontainers.image.ref.name\":\"1\"}}]}" >"$work/layout/index.json"
}
same_blobs() { diff -r "$work/layout/blobs" "$1/blobs" >/dev/null || fail "$2: other blobs than were sent"; }

# A private authority, and a certificate of it for 127.0.0.1: $work/ca.crt, $work/server.{crt,key}; for clients: client.*
make_authority() {
  local name
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" -out "$work/ca.crt" -subj "/CN=test authority" 2>/dev/null
  echo "subjectAltName=IP:127.0.0.1" >"$work/server.ext"
  echo "extendedKeyUsage=clientAuth" >"$work/client.ext"
  for name in server client; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$name.key" -out "$work/$name.csr" -subj "/CN=$name" 2>/dev/null
    openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -extfile "$work/$name.ext" -out "$work/$name.crt" 2>/dev/null
  done
}
