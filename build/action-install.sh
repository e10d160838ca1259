#!/usr/bin/env bash
# Puts `dotnet-pgd` on the PATH of the job's next steps, from the runner's tool cache when it is there.
# Called by action.yml; everything comes from the environment:
#   RUNNER_TOOL_CACHE  GITHUB_ACTION_PATH  GITHUB_PATH  GITHUB_ENV  PGD_INPUT_VERSION (empty: build this very source)
set -euo pipefail

fail() {
  echo "::error::$1"
  exit "$2"
}

version=${PGD_INPUT_VERSION:-}
source=$GITHUB_ACTION_PATH
cache=$RUNNER_TOOL_CACHE/pgd

case $(uname -m) in
  x86_64 | amd64) arch=x64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) fail "pgd: there is no build for $(uname -m)" 3 ;;
esac
case $(uname -s) in
  # A container job may share the cache with a host that has another C library.
  Linux) if ldd --version 2>&1 | grep -i musl >/dev/null; then rid=linux-musl-$arch; else rid=linux-$arch; fi ;;
  *) fail "pgd: branches need a Linux runner" 3 ;;
esac

if [[ -n $version ]]; then
  [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "pgd: the input \"version\" must be an exact version such as 1.2.3" 2
  key=$version
else
  # The runner downloads an action without its history, so the content has to say which commit it is.
  key=$(cd "$source" && find src Directory.* global.json build/action-install.sh \
    \( -name bin -o -name obj \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-16)
fi
target=$cache/$key/$rid

install_to() {
  export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
  # Servers that outlive the build would be killed by the runner at the end of the job, or hold it up.
  export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0
  # Not in the caller's workspace: its global.json and Directory.Build.props mean its own code.
  cd "$source"
  if [[ -n $version ]]; then
    dotnet tool install Pgd.Tool --version "$version" --tool-path "$1/tool"
  else
    # Platform is a popular name for a variable in build matrices, and MSBuild takes every variable for a property.
    dotnet publish src/Pgd.Tool/Pgd.Tool.csproj --configuration Release --runtime "$rid" --no-self-contained --output "$1/tool" \
      --artifacts-path "$1/build" -p:PublishReadyToRun=true -p:UseSharedCompilation=false -p:Platform=AnyCPU --verbosity quiet
  fi
}

make() {
  local beside
  beside=$(mktemp -d "$cache/.new.XXXXXXXX")
  # shellcheck disable=SC2064 # The folder of this very call.
  trap "rm -rf '$beside'" EXIT
  # The lock stays with this shell: a build that outlives a cancelled job must not block the next one.
  (install_to "$beside") 9>&-
  mkdir -p "${target%/*}"
  # Whoever renames first wins; the same key is the same content.
  mv -T "$beside/tool" "$target" 2>/dev/null || [[ -x $target/dotnet-pgd ]]
}

if [[ ! -x $target/dotnet-pgd ]]; then
  mkdir -p "$cache"
  find "$cache" -maxdepth 1 -name '.new.*' -mmin +120 -exec rm -rf {} +
  # The lock only saves a second build on a shared cache; the rename is what makes it safe.
  exec 9> "$cache/.lock"
  if command -v flock >/dev/null; then flock 9; fi
  if [[ ! -x $target/dotnet-pgd ]]; then
    echo "Making $target"
    make
  fi
  exec 9>&-
fi

# An SDK outside the usual folders is not found by the tool's own launcher.
if ! "$target/dotnet-pgd" --version >/dev/null 2>&1; then
  runtimes=$(dotnet --list-runtimes | sed -n 's|^Microsoft\.NETCore\.App 10\.[^[]*\[\(.*\)/shared/.*|\1|p' | tail -n 1)
  DOTNET_ROOT=$runtimes "$target/dotnet-pgd" --version >/dev/null || fail "pgd: $target/dotnet-pgd does not start" 3
  echo "DOTNET_ROOT=$runtimes" >> "$GITHUB_ENV"
fi
echo "$target" >> "$GITHUB_PATH"
