// Cuts GitHub's API description (13 MB) down to what we call: `node trim-openapi.mjs OUTPUT`. Prism reads the rest in seconds instead of minutes.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const called = {
  "/user": ["get"],
  "/repos/{owner}/{repo}": ["get"],
  "/repos/{owner}/{repo}/pulls": ["get"],
  "/repos/{owner}/{repo}/pulls/{pull_number}": ["get"],
  "/repos/{owner}/{repo}/pulls/{pull_number}/files": ["get"],
  "/repos/{owner}/{repo}/issues/{issue_number}/comments": ["get", "post"],
  "/repos/{owner}/{repo}/statuses/{sha}": ["post"],
  "/repos/{owner}/{repo}/commits/{ref}/statuses": ["get"],
  "/repos/{owner}/{repo}/issues/comments/{comment_id}": ["get", "patch", "delete"],
};

const whole = JSON.parse(readFileSync(fileURLToPath(import.meta.resolve("@octokit/openapi/generated/api.github.com.json")), "utf8"));
const trimmed = { openapi: whole.openapi, info: whole.info, paths: {}, components: {} };

const keep = node => {
  if (!node || typeof node !== "object") return;
  for (const [key, value] of Object.entries(node)) {
    if (key === "$ref" && typeof value === "string") keepReference(value);
    else keep(value);
  }
};

const keepReference = reference => {
  const [, , kind, name] = reference.split("/");
  trimmed.components[kind] ??= {};
  if (trimmed.components[kind][name]) return;
  trimmed.components[kind][name] = whole.components[kind][name];
  keep(whole.components[kind][name]);
};

for (const [path, methods] of Object.entries(called)) {
  const operations = {};
  for (const method of methods) {
    const { examples, ...operation } = whole.paths[path][method];
    operations[method] = operation;
  }
  keep(operations);
  trimmed.paths[path] = operations;
  // The pages that a Link header names have the repository's number in their addresses. The description does not know them, but they are
  // the same operations.
  if (methods.includes("get") && path.startsWith("/repos/{owner}/{repo}/"))
    trimmed.paths[path.replace("/repos/{owner}/{repo}/", "/repositories/{repository_id}/")] = { get: byNumber(operations.get) };
}

function byNumber(operation) {
  const number = { name: "repository_id", in: "path", required: true, schema: { type: "integer" } };
  const others = operation.parameters.filter(parameter => !/\/(owner|repo)$/.test(parameter.$ref ?? ""));
  return { ...operation, operationId: `${operation.operationId}-by-number`, parameters: [number, ...others] };
}

const [, , output] = process.argv;
writeFileSync(`${output}.new`, JSON.stringify(trimmed));
renameSync(`${output}.new`, output);
