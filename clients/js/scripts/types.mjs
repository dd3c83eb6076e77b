// Writes src/api.ts from docs/openapi.json: `node scripts/types.mjs`; with `--check` only compares.

import { readFileSync, writeFileSync } from "node:fs";

const TARGET = new URL("../src/api.ts", import.meta.url);
const { components } = JSON.parse(readFileSync(new URL("../../../docs/openapi.json", import.meta.url), "utf8"));

const comment = (text, indent) => (text ? `${indent}/** ${text.replace(/\s+/g, " ").replace(/\*\//g, "")} */\n` : "");

function type(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const some = schema.anyOf ?? schema.oneOf;
  if (some) return some.map(type).join(" | ");
  if (schema.type === "array") return list(type(schema.items ?? {}));
  if (schema.type === "object") return record(schema);
  return { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" }[schema.type] ?? "unknown";
}

const list = (item) => (/[^\w]/.test(item) ? `Array<${item}>` : `${item}[]`);

function record(schema) {
  if (schema.properties) return `{\n${members(schema, "  ")}}`;
  const value = schema.additionalProperties ? type(schema.additionalProperties) : "unknown";
  const names = schema.propertyNames;
  return names ? `Partial<Record<${type(names)}, ${value}>>` : `Record<string, ${value}>`;
}

const members = ({ properties, required = [] }, indent) => Object.entries(properties)
  .map(([name, schema]) => `${comment(schema.description, indent)}${indent}${name}${required.includes(name) ? "" : "?"}: ${type(schema)};\n`)
  .join("");

function declaration([name, schema]) {
  const head = comment(schema.description, "");
  if (schema.properties) return `${head}export interface ${name} {\n${members(schema, "  ")}}\n`;
  return `${head}export type ${name} = ${type(schema)};\n`;
}

const text = ["// From docs/openapi.json, by scripts/types.mjs: `npm run types`.\n",
  ...Object.entries(components.schemas).map(declaration)].join("\n");

if (!process.argv.includes("--check")) writeFileSync(TARGET, text);
else if (readFileSync(TARGET, "utf8") !== text) {
  console.error("src/api.ts isn't what docs/openapi.json says: npm run types");
  process.exit(1);
}
