using System.Security.Cryptography;
using System.Text;
using Pgd.Linux;

namespace Pgd.State;

/// <summary>The secret of this root, from which every branch's passwords and the key of the certificate authority derive: so none of them is stored.</summary>
internal sealed class HostKey(Layout layout)
{
    public const int Size = 32;
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    private readonly Lock _making = new();
    private byte[]? _key;

    /// <summary>The password of a role in a branch: the same for the branch's whole life and under every name, until it is rotated.</summary>
    public string Password(BranchRecord branch, string role)
    {
        var mac = HMACSHA256.HashData(Key(), Encoding.UTF8.GetBytes($"{branch.PasswordsOf ?? branch.Project}|{branch.Id}|{role}|{branch.Rotation}"));
        return Base32(mac.AsSpan(0, 20));
    }

    /// <summary>Another secret of this root. No password is the same: what those derive from has strokes in it.</summary>
    public byte[] Derive(string purpose) => HMACSHA256.HashData(Key(), Encoding.UTF8.GetBytes(purpose));

    /// <summary>Makes the key if there is none; two processes that try at once agree on one.</summary>
    public byte[] Key()
    {
        // Roles get their passwords in parallel, and the file beside has one name for each process.
        lock (_making)
            return _key ??= ReadOrMake();
    }

    private byte[] ReadOrMake()
    {
        if (!File.Exists(layout.HostKey))
        {
            layout.Ensure();
            var beside = $"{layout.HostKey}.{Environment.ProcessId}";
            using (var file = new FileStream(beside, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
            {
                file.Write(RandomNumberGenerator.GetBytes(Size));
                file.Flush(flushToDisk: true);
            }

            Fault.Here("hostkey:beside");
            try
            {
                File.Move(beside, layout.HostKey, overwrite: false);
            }
            catch (IOException) when (File.Exists(layout.HostKey))
            {
                File.Delete(beside);
            }
        }

        var key = File.ReadAllBytes(layout.HostKey);
        return key.Length == Size
            ? key
            : throw new PgdException(ExitCode.Failed, $"the host key {layout.HostKey} is damaged: it has {key.Length} bytes instead of {Size}",
                "Passwords derive from it. Restore it from a backup of the root, or delete it and restart every branch to give them new passwords.");
    }

    private static string Base32(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(32);
        int buffer = 0, bits = 0;
        foreach (var b in bytes)
        {
            buffer = (buffer << 8) | b;
            for (bits += 8; bits >= 5; bits -= 5)
                text.Append(Alphabet[(buffer >> (bits - 5)) & 31]);
            buffer &= (1 << bits) - 1;
        }

        return text.ToString();
    }
}
