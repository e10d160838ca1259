# bash completion for dotnet-pgd
_dotnet_pgd() {
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$(dotnet-pgd "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _dotnet_pgd dotnet-pgd
