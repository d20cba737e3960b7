# For tests of proa-run: a store of their own with the image "box" (busybox), checks that print what they saw, clean-up.
# Sourced by bash scripts that run as an ordinary user.
set -u
: "${PROA_BIN:?}" "${PROA_SOURCE:?}"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/proa-run.XXXXXX")
export PROA_ROOT=$WORK/data PROA_RUNROOT=$WORK/run PATH=$PROA_BIN:$PATH
FAILURES=0

skip() { echo "SKIP: $*"; exit 77; }

clean_up() {
  timeout 60 proa-run rm --force --time 0 --all >/dev/null 2>&1
  timeout 60 proa-run unshare rm -rf "$WORK/data" >/dev/null 2>&1
  rm -rf "$WORK"
}
trap clean_up EXIT

command -v busybox >/dev/null || skip "busybox (static) is not installed"
python3 "$PROA_SOURCE/tests/support/busybox-image" "$WORK/layout" 'ExposedPorts={"80/tcp": {}}' || exit 1
timeout 60 proa-copy --log-level error copy --quiet "oci:$WORK/layout:latest" storage:box:latest >/dev/null || exit 1

# check NAME EXPECTED ACTUAL
check() {
  if [ "$2" = "$3" ]; then echo "ok: $1"; return; fi
  echo "FAILED: $1"; echo "  expected: $2"; echo "  got:      $3"
  FAILURES=$((FAILURES + 1))
}
# check_has NAME PATTERN ACTUAL: PATTERN is a shell pattern
check_has() {
  case $3 in $2) echo "ok: $1" ;; *) echo "FAILED: $1"; echo "  no '$2' in: $3"; FAILURES=$((FAILURES + 1)) ;; esac
}
# Waits until a command succeeds, 10 seconds at most.
eventually() {
  local i
  for i in $(seq 100); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  return 1
}
run() { timeout 60 proa-run run "$@"; }
finish() { [ "$FAILURES" = 0 ] || { echo "$FAILURES checks failed"; exit 1; }; exit 0; }
