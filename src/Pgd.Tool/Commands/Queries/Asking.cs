using System.Text;

namespace Pgd.Tool.Commands.Queries;

/// <summary>Asks before something writes, where somebody can be asked.</summary>
internal static class Asking
{
    /// <summary>Does it reading only; if the server refuses that, asks and does it again.</summary>
    /// <param name="may">Whether it may write without being asked for.</param>
    /// <param name="ask">Asks, by what was refused; null where nobody can be asked.</param>
    /// <param name="run">Does it; whether it may write.</param>
    public static async Task ToWriteAsync(bool may, Func<PgdException, Task<bool>>? ask, Func<bool, Task> run)
    {
        try
        {
            await run(may);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.Unsafe && !may && ask is not null)
        {
            if (!await ask(e))
                throw;
            await run(true);
        }
    }

    /// <summary>Asks the user of a session, where there is one.</summary>
    public static Func<PgdException, Task<bool>>? By(Session session) => !session.CanAsk ? null : refused =>
    {
        session.Error.Write($"{session.ErrorScreen.Yellow(refused.Message)}\nNothing of it was done. Do it? [y/N] ");
        var (line, input) = (new List<byte>(), session.Input());
        for (int read; (read = input.ReadByte()) is not (-1 or '\n');)
            line.Add((byte)read);
        return Task.FromResult(IsYes(Encoding.UTF8.GetString([.. line])));
    };

    public static bool IsYes(string? answer) => answer?.Trim() is "y" or "Y" or "yes" or "Yes";
}
