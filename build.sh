#!/usr/bin/env bash
# The one way to build, test and try pgd. Needs bash and the .NET 10 SDK; everything else it gets itself.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: ./build.sh TARGET [OPTIONS]

  demo    plays the whole story on this machine: a pull request gets a database branch, migrations,
          one comment and a teardown, each step verified
            --scale N      size of the sample data in pgbench units of 15 MB (10)
            --storage S    auto, zfs, btrfs, reflink or copy (auto)
            --runtime R    auto, native or docker (auto)
            --image I      for docker: image with PostgreSQL in it (postgres:17-alpine)
            --pool P       for zfs: pool, or dataset in it, to make a dataset of its own in (the only one)
            --root DIR     where to put it (a temporary folder)
            --keep         leave the project running, and say how to connect
            --yes          install what is missing without asking
  test    installs what the tests need, and runs them all
            --filter TEXT  only tests with TEXT in their name, or an xUnit query such as /*/*/BranchTests
            --no-vm        leave out the tests that need ZFS, which run in a virtual machine
            --yes          install what is missing without asking
  soak    the same tests with their full number of rounds
  bench   measures against the plain commands; writes artifacts/bench.json
            --scale N      size of the database in pgbench units of 15 MB (100)
            --rounds N     measurements of each (9)
            --only WHAT    only this: btrfs, reflink, copy, btrfs+docker, recovery, rehearsal, testing, backup, list;
                           zfs, zfs+docker (in a virtual machine)
  pack    makes the packages in artifacts/packages
  docs    checks the links of all pages; --update puts the demo's real output into the README, and the
          source's errors into docs/troubleshooting.md
  build   builds everything
TEXT
}

case ${1:-} in
'' | -h | --help | help)
    usage
    exit 0
    ;;
-*)
    echo "The target comes first: ./build.sh TARGET $1" >&2
    exit 2
    ;;
esac

dotnet --list-sdks 2>/dev/null | grep --quiet '^10\.' || {
    cat >&2 <<'TEXT'
The .NET 10 SDK is needed and `dotnet --list-sdks` does not show it.
Install it from https://dotnet.microsoft.com/download/dotnet/10.0, or with your distribution's package dotnet-sdk-10.0.
TEXT
    exit 3
}

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
# Options may name folders relative to where the caller is.
export PGD_CALLER_FOLDER=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
target=$1
shift
restored=$(dotnet tool restore 2>&1) || {
    echo "$restored" >&2
    exit 1
}
# A shell that runs this in the background has it ignore Ctrl-C, and so would every program that the tests interrupt.
exec env --default-signal=INT,QUIT dotnet cake build/build.cake --verbosity=quiet --target="$target" "$@"
