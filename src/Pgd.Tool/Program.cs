using Pgd.Tool;

using var signals = new Signals();
return await Entry.RunAsync(args, Session.OfThisProcess(signals));
