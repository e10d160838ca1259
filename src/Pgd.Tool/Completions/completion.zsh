#compdef dotnet-pgd
# zsh completion for dotnet-pgd
_dotnet_pgd() {
    local -a suggestions
    suggestions=("${(@f)$(dotnet-pgd "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
    compadd -- "${(@)suggestions:#}" || _files
}
if [ "${funcstack[1]}" = "_dotnet-pgd" ]; then
    _dotnet_pgd "$@"
else
    compdef _dotnet_pgd dotnet-pgd
fi
