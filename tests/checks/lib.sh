# Shared by the checks: the sources that git tracks, as paths from the root of the tree.
cd "$PROA_SOURCE" || exit 1
sources() { git -c safe.directory='*' ls-files -- "$@" | while read -r file; do [ ! -e "$file" ] || echo "$file"; done; }
need() { command -v "$1" >/dev/null || { echo "SKIP: $1 is not installed"; exit 77; }; }
