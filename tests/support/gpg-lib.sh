# Sourced after copy-lib.sh by tests that sign: a home of gpg below $work, and keys in it without passphrase.
# shellcheck shell=bash
export GNUPGHOME=$work/gnupg
mkdir -m 700 "$GNUPGHOME"
extra_pids=()
finish_gpg() {
  local pid
  for pid in "${extra_pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  # Only the agent of this home.
  command -v gpgconf >/dev/null && gpgconf --kill all 2>/dev/null || true
  cleanup
}
trap finish_gpg EXIT

# make_gpg_key MAIL: leaves the public key in $work/NAME.gpg, NAME being the part before the @.
make_gpg_key() {
  gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key "$1" rsa2048 sign never 2>/dev/null
  gpg --batch --quiet --export "$1" >"$work/${1%%@*}.gpg"
}
fingerprint_of() { gpg --batch --with-colons --list-keys "$1" | awk -F: '$1 == "fpr" { print $10; exit }'; }
