# fish completion for dotnet-pgd
function __dotnet_pgd_suggest
    set -l line (commandline -cp)
    dotnet-pgd "[suggest:"(string length -- $line)"]" "$line" 2>/dev/null
end
complete -c dotnet-pgd -a '(__dotnet_pgd_suggest)'
