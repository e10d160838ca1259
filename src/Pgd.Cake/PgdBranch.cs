using Pgd;
using Pgd.Libpq;

namespace Cake.Pgd;

/// <summary>A branch to work with, and how to connect to it.</summary>
/// <param name="Branch">The branch.</param>
/// <param name="Connection">Where it listens, with the password: <see cref="ConnectionUrl.Format"/> writes it for libpq, Npgsql, JDBC or as environment. Printing it leaves the password out.</param>
public sealed record PgdBranch(Branch Branch, ConnectionUrl Connection)
{
    /// <summary>Its full name.</summary>
    public string Name => Branch.Name.ToString();
}
