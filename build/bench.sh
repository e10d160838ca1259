#!/usr/bin/env bash
# Runs the built benchmark with the published tool: bench.sh SCALE ROUNDS [WHAT]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $EUID -eq 0 ]] || {
    echo "The benchmark mounts file systems of its own, which needs root." >&2
    exit 3
}
exec dotnet artifacts/bin/Bench/release/Bench.dll "$(bash build/tool.sh)" "$@"
