#!/usr/bin/env bash
# Prints the folder of the published tool, made by the action's own step into a tool cache: once for each state of the source.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RUNNER_TOOL_CACHE=$PWD/artifacts/tool-cache GITHUB_ACTION_PATH=$PWD GITHUB_PATH=$work/path GITHUB_ENV=$work/env PGD_INPUT_VERSION=
bash build/action-install.sh >&2
tail -n 1 "$work/path"
