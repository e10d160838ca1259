namespace Pgd.Tool.Output;

/// <summary>What was brought back, as text.</summary>
internal static class ResumedText
{
    public static void Write(Resumed resumed, Sheet sheet)
    {
        foreach (var dataset in resumed.Mounted)
            sheet.Line($"mounted  {dataset}");
        foreach (var repair in resumed.Repairs)
            sheet.Line($"fixed    {repair.Kind} {repair.Subject}: {repair.Text}");
        foreach (var name in resumed.Started)
            sheet.Line($"{sheet.Screen.Green("started")}  {name}");
        foreach (var name in resumed.Stopped)
            sheet.Line($"{sheet.Screen.Dim("stopped")}  {name}, on purpose");
        foreach (var problem in resumed.Problems)
            sheet.Line($"{sheet.Screen.Red("problem")}  {problem}");
        sheet.Line($"{resumed.Started.Count} started, {resumed.Running.Count} ran already, {resumed.Stopped.Count} stay stopped{(resumed.Problems.Count > 0 ? $", {resumed.Problems.Count} problems: dotnet pgd doctor" : "")}");
    }
}
