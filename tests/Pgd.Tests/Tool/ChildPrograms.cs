using Pgd.Tests.Libpq;
using Pgd.Tool;
using Xunit;

namespace Pgd.Tests.Tool;

public sealed class ChildPrograms : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Are_found_on_the_path_as_a_shell_finds_them()
    {
        Program("one/migrate", executable: false);
        var second = Program("two/migrate", executable: true);

        Assert.Equal(second, ChildProgram.Find("migrate", $"{_folder.Path}/none:{_folder.Path}/one:{_folder.Path}/two", "/"));
        Assert.Null(ChildProgram.Find("migrate", $"{_folder.Path}/one", "/"));
    }

    [Fact]
    public void With_a_slash_are_taken_from_the_working_folder()
    {
        var script = Program("bin/migrate", executable: true);

        Assert.Equal(script, ChildProgram.Find("./migrate", "/nowhere", Path.Combine(_folder.Path, "bin")));
        Assert.Null(ChildProgram.Find("./other", "/nowhere", Path.Combine(_folder.Path, "bin")));
    }

    [Fact]
    public async Task That_do_not_exist_are_an_error_before_anything_is_asked()
    {
        var run = await ToolRun.OfAsync("branch exec prod/dev -- no-such-program --json");

        Assert.Equal("error: there is no program \"no-such-program\"\nhint: Check the spelling and PATH.\n", run.Error);
        Assert.Equal(4, run.Status);
    }

    private string Program(string name, bool executable)
    {
        var file = _folder.Write(name, "#!/bin/sh\n");
        TemporaryFolder.SetMode(file, executable ? UnixFileMode.UserRead | UnixFileMode.UserExecute : UnixFileMode.UserRead);
        return file;
    }
}
