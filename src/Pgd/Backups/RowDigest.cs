using System.Globalization;
using System.IO.Hashing;

namespace Pgd.Backups;

/// <summary>
/// What tells whether two tables have the very same rows, in whatever order: the sum of the digests (XXH128) of their lines as COPY writes them, modulo 2^128. A sum, because rows that are there twice
/// would cancel each other out otherwise. It is against mistakes, and not against somebody who makes rows to fit.
/// </summary>
internal sealed class RowDigest
{
    private readonly XxHash128 _begun = new();
    private UInt128 _sum;
    private bool _isBegun;

    /// <summary>Adds what comes next of the lines; a line may come in pieces.</summary>
    public void Add(ReadOnlySpan<byte> text)
    {
        if (_isBegun)
        {
            var end = text.IndexOf((byte)'\n');
            _begun.Append(end < 0 ? text : text[..end]);
            if (end < 0)
                return;
            _sum += _begun.GetCurrentHashAsUInt128();
            _begun.Reset();
            _isBegun = false;
            text = text[(end + 1)..];
        }

        while (text.IndexOf((byte)'\n') is >= 0 and var end)
        {
            _sum += XxHash128.HashToUInt128(text[..end]);
            text = text[(end + 1)..];
        }

        if (text.Length == 0)
            return;
        _begun.Append(text);
        _isBegun = true;
    }

    /// <summary>As it is kept.</summary>
    public override string ToString() => _sum.ToString("x32", CultureInfo.InvariantCulture);
}
