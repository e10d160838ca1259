using Pgd.Postgres;
using Xunit;

namespace Pgd.Tests.Postgres;

public sealed class ServerConfigurationFiles : IDisposable
{
    private readonly string _data = Directory.CreateTempSubdirectory("pgd-test-").FullName;

    [Theory]
    [InlineData("port = 5433", "port", "5433")]
    [InlineData("  port 5433 # the other one", "port", "5433")]
    [InlineData("shared_buffers=64GB#", "shared_buffers", "64GB")]
    [InlineData(@"search_path = 'it''s # \'here\''", "search_path", "it's # 'here'")]
    [InlineData("cron.database_name = ''", "cron.database_name", "")]
    public void A_line_is_a_name_and_a_value(string line, string name, string value) => Assert.Equal((name, value), ServerConfiguration.ParseLine(line));

    [Theory]
    [InlineData("")]
    [InlineData("# port = 1")]
    [InlineData("port")]
    [InlineData("port = 'open")]
    public void What_says_nothing_is_no_setting(string line) => Assert.Null(ServerConfiguration.ParseLine(line));

    [Fact]
    public void Later_files_win_and_included_ones_stand_where_they_are_named()
    {
        Directory.CreateDirectory($"{_data}/conf.d");
        File.WriteAllText($"{_data}/postgresql.conf", "a = 1\nb = 1\ninclude 'other.conf'\nb = 3\ninclude_dir = 'conf.d'\ninclude_if_exists 'none.conf'\nShared_Buffers = 64GB\n");
        File.WriteAllText($"{_data}/other.conf", "a = 2\nb = 2\ninclude other.conf\n");
        File.WriteAllText($"{_data}/conf.d/10.conf", "c = 10\nd = 10\n");
        File.WriteAllText($"{_data}/conf.d/20.conf", "c = 20\n");
        File.WriteAllText($"{_data}/conf.d/.hidden.conf", "c = hidden\n");
        File.WriteAllText($"{_data}/postgresql.auto.conf", "d = 'auto'\n");

        var read = ServerConfiguration.Read(_data);

        Assert.Equal(("2", "3", "20", "auto", "64GB", null), (read.Find("a"), read.Find("b"), read.Find("c"), read.Find("d"), read.Find("shared_buffers"), read.Find("e")));
    }

    [Fact]
    public void A_librarys_files_are_where_the_server_would_look()
    {
        File.WriteAllText($"{_data}/postgresql.auto.conf", "shared_preload_libraries = 'one, \"with space\",/opt/x/two'\nlocal_preload_libraries = 'three'\nsession_preload_libraries = ''\n");

        var libraries = PreloadLibrary.Of(ServerConfiguration.Read(_data));

        Assert.Equal(["one: $libdir/one.so $libdir/one", "with space: $libdir/with space.so $libdir/with space", "/opt/x/two: /opt/x/two.so /opt/x/two", "three: $libdir/plugins/three.so $libdir/plugins/three"],
            libraries.Select(l => $"{l.Name}: {string.Join(' ', l.Files)}"));
    }

    public void Dispose() => Directory.Delete(_data, recursive: true);
}
