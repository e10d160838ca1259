// Ends with 1 and names the lines where a file is not Groovy.
import { readFileSync } from "node:fs";
import { Language, Parser } from "web-tree-sitter";

await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(new URL("node_modules/tree-sitter-groovy/tree-sitter-groovy.wasm", import.meta.url).pathname));
const { rootNode } = parser.parse(readFileSync(process.argv[2], "utf8"));
const wrong = node => (node.isError || node.isMissing ? [node] : node.children.flatMap(wrong));
for (const { startPosition, text } of rootNode.hasError ? wrong(rootNode) : []) console.log(`line ${startPosition.row + 1}: ${text.split("\n")[0]}`);
process.exitCode = rootNode.hasError ? 1 : 0;
