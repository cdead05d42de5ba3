#!/usr/bin/env bash
# Everything a contributor should run: style, types, import contracts, shell scripts, tests.
#
#   bash scripts/test.sh [PYTEST ARGUMENTS]     for example: bash scripts/test.sh -m 'not train'
#
# Sets up .venv by itself. Tests that need what is not here (a GPU, the corpus of others' files)
# are skipped and say so. About 15 minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

bash scripts/make_venv.sh train test
python=.venv/bin/python
failed=()
check() { # a name, then the command
  printf '\n== %s\n' "$1"
  "${@:2}" || failed+=("$1")
}

check "ruff lint" $python -m ruff check .
check "ruff format" $python -m ruff format --check .
check "mypy" $python -m mypy
check "import contracts" .venv/bin/lint-imports --no-logo
lacking=()
command -v shellcheck > /dev/null || lacking+=(shellcheck)
command -v chromium > /dev/null || lacking+=(chromium) # opens the report page
command -v cc > /dev/null || lacking+=(gcc libc6-dev) # compiles the stand-in for NVIDIA's library
if [ ${#lacking[@]} -gt 0 ] && [ -n "${CI:-}" ]; then
  apt-get update -qq && apt-get install -y -qq "${lacking[@]}" > /dev/null
fi
if command -v shellcheck > /dev/null; then
  check "shellcheck" shellcheck -x scripts/*.sh benchmarks/*/*.sh .ci/run
else
  echo "== shellcheck: not run, as it is not installed: apt-get install shellcheck"
fi
check "hadolint" .venv/bin/hadolint docker/*.Dockerfile
check "pytest" $python -m pytest "$@"

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: %s\n' "${failed[*]}" >&2
  exit 1
fi
printf '\neverything passed\n'
