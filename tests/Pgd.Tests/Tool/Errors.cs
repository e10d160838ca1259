using Pgd.Tool;
using Xunit;

namespace Pgd.Tests.Tool;

public sealed class Errors
{
    private readonly StringWriter _error = new() { NewLine = "\n" };

    [Fact]
    public void An_expected_error_is_a_line_and_a_hint()
    {
        var status = Output().Expected(new(ExitCode.NotFound, "there is no branch prod/dev", "List them: dotnet pgd branch list prod"));

        Assert.Equal("error: there is no branch prod/dev\nhint: List them: dotnet pgd branch list prod\n", _error.ToString());
        Assert.Equal(4, status);
    }

    [Fact]
    public void In_a_job_of_GitHub_an_expected_error_is_shown_with_the_run()
    {
        var session = Session() with { Environment = new Dictionary<string, string> { ["GITHUB_ACTIONS"] = "true" } };

        new ErrorOutput(session, json: false).Expected(new(ExitCode.NotFound, "there is no branch prod/dev\n::set-output name=x::y", "List them: dotnet pgd branch list prod"));

        Assert.Equal("::error title=pgd::there is no branch prod/dev%0A::set-output name=x::y%0AList them: dotnet pgd branch list prod\n", _error.ToString());
    }

    [Fact]
    public void The_exit_status_is_the_errors_code()
    {
        foreach (var code in Enum.GetValues<ExitCode>())
            Assert.Equal((int)code, Output().Expected(new(code, "x")));
    }

    [Fact]
    public void A_surprise_is_short_and_says_how_to_report_it()
    {
        var status = Output().Surprise(Thrown());

        Assert.Equal(
            """
            error: InvalidOperationException: first line
            hint: This looks like a bug in pgd. Run it again with PGD_DEBUG=1 to see where it happened, and report it with the file that "dotnet pgd doctor --report pgd-report.zip" writes.

            """, _error.ToString());
        Assert.Equal(1, status);
    }

    [Fact]
    public void PGD_DEBUG_adds_the_trace()
    {
        Output(debug: true).Surprise(Thrown());

        Assert.Contains($"   at {typeof(Errors).FullName}.{nameof(Thrown)}()", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void With_json_an_error_is_one_line()
    {
        Output(json: true).Expected(new(ExitCode.MachineLacks, "psql is not installed", "Install it: sudo apt-get install postgresql-client"));

        Assert.Equal("""{"error":{"code":"machineLacks","exitCode":3,"message":"psql is not installed","hint":"Install it: sudo apt-get install postgresql-client"}}""" + "\n", _error.ToString());
    }

    [Theory]
    [InlineData(130)]
    [InlineData(143)]
    [InlineData(129)]
    public void An_interruption_ends_with_the_signals_status(int signalStatus)
    {
        var session = Session() with { Interruption = new Interrupted(signalStatus) };

        Assert.Equal(signalStatus, new ErrorOutput(session, json: false).Interrupted());
        Assert.Equal("error: interrupted; what was begun has been undone\n", _error.ToString());
    }

    [Fact]
    public void On_a_colored_terminal_the_word_error_is_red()
    {
        new ErrorOutput(Session() with { ErrorScreen = new(true, true, 80) }, json: false).Expected(new(ExitCode.Failed, "no"));

        Assert.Equal("\e[1;31merror:\e[0m no\n", _error.ToString());
    }

    private static InvalidOperationException Thrown()
    {
        try
        {
            throw new InvalidOperationException("first line\nsecond line");
        }
        catch (InvalidOperationException e)
        {
            return e;
        }
    }

    private ErrorOutput Output(bool json = false, bool debug = false) =>
        new(Session() with { Environment = debug ? new Dictionary<string, string> { ["PGD_DEBUG"] = "1" } : [] }, json);

    private Session Session() => new() { Output = TextWriter.Null, Error = _error };

    private sealed class Interrupted(int status) : IInterruption
    {
        public CancellationToken Token => new(true);

        public int ExitStatus => status;
    }
}
