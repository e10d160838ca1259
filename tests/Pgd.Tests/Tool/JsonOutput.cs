using Pgd.Libpq;
using Pgd.Tool.Output;
using Xunit;

namespace Pgd.Tests.Tool;

public sealed class JsonOutput
{
    [Fact]
    public void Shape_of_a_project() => Snapshot.Match(JsonText.Of(Samples.Project, JsonShapes.All.Project));

    [Fact]
    public void Shape_of_how_new_the_data_of_projects_is() => Snapshot.Match(JsonText.Of<IReadOnlyList<Freshness>>([Samples.Streaming, Samples.Behind, Samples.Copied], JsonShapes.All.IReadOnlyListFreshness));

    [Fact]
    public void Shape_of_an_estimate() => Snapshot.Match(JsonText.Of(Samples.Estimated, JsonShapes.All.IReadOnlyListEstimatedDatabase));

    [Fact]
    public void Shape_of_logs() => Snapshot.Match(JsonText.Of<IReadOnlyList<WriteAheadLogInfo>>([Samples.Log], JsonShapes.All.IReadOnlyListWriteAheadLogInfo));

    [Fact]
    public void Shape_of_a_cleanup_of_a_log() => Snapshot.Match(JsonText.Of(Samples.Cleaned, JsonShapes.All.WriteAheadLogCleaned));

    [Fact]
    public void Shape_of_branches() => Snapshot.Match(JsonText.Of<IReadOnlyList<Branch>>([Samples.Main, Samples.Preview], JsonShapes.All.IReadOnlyListBranch));

    [Fact]
    public void Shape_of_a_created_branch() => Snapshot.Match(JsonText.Of(new BranchCreated(Samples.Preview, true), JsonShapes.All.BranchCreated));

    [Fact]
    public void Shape_of_a_promoted_branch() => Snapshot.Match(JsonText.Of(Samples.Promoted, JsonShapes.All.Promoted));

    [Fact]
    public void Shape_of_a_comparison() => Snapshot.Match(JsonText.Of(Samples.Compared, JsonShapes.All.Compared));

    [Fact]
    public void Shape_of_a_deletion() => Snapshot.Match(JsonText.Of(new Deleted("prod/dev", false), JsonShapes.All.Deleted));

    [Fact]
    public void Shape_of_a_cleanup_of_snapshots() => Snapshot.Match(JsonText.Of(Samples.CleanedUp, JsonShapes.All.SnapshotsCleanedUp));

    [Fact]
    public void Shape_of_a_run_of_the_schedule() => Snapshot.Match(JsonText.Of(new SnapshotsScheduled([Samples.Snapshot], [new("shop/main", "there is no room")], Samples.CleanedUp), JsonShapes.All.SnapshotsScheduled));

    [Fact]
    public void Shape_of_a_connection()
    {
        var url = new ConnectionUrl { Host = "127.0.0.1", Port = 21001, Database = "shop", User = "shop", Password = "ABC&234" };

        Snapshot.Match(JsonText.Of(Connection.Of(Samples.Preview.Name, url, url.Format(UrlFormat.Libpq)), JsonShapes.All.Connection));
    }

    [Fact]
    public void Shape_of_a_log() => Snapshot.Match(JsonText.Of(new LogLines(Samples.Main.Name, ["LOG:  ready \"now\"", "ERROR:  é"]), JsonShapes.All.LogLines));

    [Fact]
    public void Shape_of_the_status() => Snapshot.Match(JsonText.Of(Samples.Status, JsonShapes.All.Status));

    [Fact]
    public void Shape_of_the_status_of_a_project() => Snapshot.Match(JsonText.Of(Samples.ProjectStatus, JsonShapes.All.ProjectStatus));

    [Fact]
    public void Shape_of_a_difference() => Snapshot.Match(JsonText.Of(Samples.Diff, JsonShapes.All.SchemaDiff));

    [Fact]
    public void Shape_of_a_diagnosis() => Snapshot.Match(JsonText.Of(Samples.Diagnosis, JsonShapes.All.Diagnosis));

    [Fact]
    public void A_warning_is_an_object_on_a_line()
    {
        var error = new StringWriter { NewLine = "\n" };
        var reporter = Reporters.For(new() { Output = TextWriter.Null, Error = error }, json: true, quiet: false);

        reporter.Step("copying");
        reporter.Warn("the disk is \"nearly\" full");

        Assert.Equal("""{"warning":"the disk is \"nearly\" full"}""" + "\n", error.ToString());
    }
}
