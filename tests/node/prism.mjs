// Prism as a proxy that checks what passes: `node prism.mjs DESCRIPTION UPSTREAM`. Says where it listens, and ends with its input,
// so that nothing is left to kill when the tests are killed.
import { createRequire } from "node:module";

const [, , description, upstream] = process.argv;
process.stdin.resume().on("end", () => process.exit());
process.argv.splice(2, 2, "proxy", "--errors", "--host", "127.0.0.1", "--port", "0", description, upstream);
createRequire(import.meta.url)("@stoplight/prism-cli/dist/index.js");
