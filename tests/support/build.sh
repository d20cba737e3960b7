# For the tests of proa-build: a store of their own, small images of one static busybox, and words to look into results. Sourced by bash.
set -u
fail() { echo "FAIL: $*" >&2; exit 1; }
skip() { echo "SKIP: $*"; exit 77; }
command -v jq >/dev/null || skip "jq is not installed"
busybox=$(command -v busybox) || skip "busybox is not installed"
"$PROA_BIN/proa-build" --help >/dev/null || fail "proa-build does not start"

work=$(mktemp -d "$HOME/proa-build.XXXXXX")
# Below it are files of subordinate ids.
trap 'cd /; unshare --map-root-user --map-auto rm -rf "$work" 2>/dev/null || rm -rf "$work"' EXIT
export PROA_ROOT=$work/store PROA_RUNROOT=$work/run XDG_CACHE_HOME=$work/cache
unset SOURCE_DATE_EPOCH
mkdir "$work/ctx"
cd "$work"

# Builds the context in ctx/ with a Containerfile from stdin; progress goes to log, the id to id.
build() {
  cat > "$work/Containerfile"
  "$PROA_BIN/proa-build" build --network none -f "$work/Containerfile" "$@" "$work/ctx" > "$work/id" 2> "$work/log"
}
must_build() { build "$@" || { cat "$work/log" >&2; fail "build $*"; }; }
must_fail() { if build "$@"; then fail "build $* succeeded"; fi; }
steps_cached() { grep -c 'Using cache' "$work/log"; }

# The image `base`: busybox with its applets.
make_base() {
  cp "$busybox" "$work/ctx/busybox"
  must_build -t base <<'END'
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY <<PASSWD /etc/passwd
root:x:0:0:root:/root:/bin/sh
user:x:1000:1001:user:/home/user:/bin/sh
PASSWD
COPY <<GROUP /etc/group
root:x:0:
users:x:1001:
extra:x:1002:user
GROUP
ENV PATH=/bin
CMD ["sh"]
END
  rm "$work/ctx/busybox"
}

blob() { cat "$PROA_ROOT/images/blobs/sha256/${1#sha256:}"; }
manifest_of() {
  blob "$(jq -r --arg name "docker.io/library/$1:latest" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $name) | .digest' "$PROA_ROOT/images/index.json")"
}
config_of() { blob "$(manifest_of "$1" | jq -r .config.digest)"; }
# Everything in an image's layers, one line an entry: mode owner size path.
layers_of() { manifest_of "$1" | jq -r '.layers[].digest'; }
listing_of() { for layer in $(layers_of "$1"); do blob "$layer" | tar --numeric-owner -tvf -; done; }
# A file as the last layer that has it holds it.
file_of() {
  local layer found=
  for layer in $(layers_of "$1"); do
    if blob "$layer" | tar -xOf - "$2" > "$work/file" 2>/dev/null; then found=$work/file; cp "$work/file" "$work/file.last"; fi
  done
  [ -n "$found" ] && cat "$work/file.last"
}
expect() { [ "$1" = "$2" ] || fail "${3:-}: expected '$2', got '$1'"; }
