// The parser's published modules import JSON without saying so, as bundlers allow and Node does not.
import { register } from "node:module";

register("data:text/javascript," + encodeURIComponent(`
  export const load = (url, context, next) =>
    next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);`));
