#!/usr/bin/env bash
# What a contributor runs: style, types, import contracts, shell scripts, tests.
#
#   bash scripts/test.sh [--all] [PYTEST ARGUMENTS]
#
# By itself: unit and corpus tests, a sample of the mutations, the page in a browser, and one real
# training of each framework: 280 s on two cores. --all adds every training, the quickstart, all
# mutations and Docker: 22 minutes.
# Tests that are named, and those of a marker, are run either way:
#
#   bash scripts/test.sh tests/docker       bash scripts/test.sh -m train       ... -k memory
#
# Sets up .venv by itself. A test that needs what is not here (Docker, nsys, Chromium, a GPU, the
# corpus of others' files) is skipped and says so; in CI it fails, but for the GPU and the corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

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
if command -v shellcheck > /dev/null; then
  check "shellcheck" shellcheck -x scripts/*.sh benchmarks/*/*.sh .ci/run
elif [ -n "${CI:-}" ]; then
  failed+=("shellcheck, which CI has to bring")
else
  printf '\n== shellcheck: not run, as it is not installed: apt-get install shellcheck\n'
fi
check "hadolint" .venv/bin/hadolint docker/*.Dockerfile
# A test process for each core; tests that share something expensive stay in one of them.
check "pytest" $python -m pytest -n "$(nproc)" --dist loadgroup "$@"

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: %s\n' "${failed[*]}" >&2
  exit 1
fi
printf '\neverything passed\n'
