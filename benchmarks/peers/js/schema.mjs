// The schema, and REST's objects made into objects for it.
//
// A session is renamed as a whole, once: graphql-jit reads plain properties in line, and has to
// call resolvers and await what they give. Measured, this is the faster by far for long queries,
// and a tenth slower than resolvers or getters for the shortest.
import { readFileSync } from "node:fs";
import { makeExecutableSchema } from "@graphql-tools/schema";
import { getNamedType, isListType, isObjectType } from "graphql";

const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
const names = JSON.parse(read("names.json"));
const typeDefs = read("schema.graphql");

export function buildSchema(resolve) {
  return makeExecutableSchema({
    typeDefs,
    resolvers: { Query: { chatSessions: resolve }, ...names.enums },
  });
}

const list = (values, read) => (values == null ? null : values.map((value) => read(value)));

function properties(object) {
  if (object == null) return null;
  const entries = [];
  for (const name in object) {
    const { FieldRight, FieldType, FieldLength } = object[name];
    entries.push({ Name: name, FieldRight, FieldType, FieldLength });
  }
  return entries;
}

const SUFFIX = ":DisplayText";

function texts(object) {
  if (object == null) return null;
  const entries = [];
  for (const name in object) {
    if (name.endsWith(SUFFIX) && name.slice(0, -SUFFIX.length) in object) continue;
    entries.push({ Name: name, Value: object[name], DisplayText: object[name + SUFFIX] });
  }
  return entries;
}

const MAPS = { FieldProperty: properties, ExtraField: texts, CustomField: texts };

// Code as a person would write it, `{ chatSessionId: o.ChatSessionId, ... }`, made from the names.
function readers(schema) {
  const made = {};
  for (const [typeName, fields] of Object.entries(names.types)) {
    const lines = Object.entries(schema.getType(typeName).getFields()).map(
      ([name, field]) => `${name}: ${value(field.type, `o.${fields[name]}`)}`,
    );
    const code = `return (o) => ({ ${lines.join(", ")} })`;
    made[typeName] = new Function("made", "MAPS", "list", code)(made, MAPS, list);
  }
  return made;
}

function value(type, property) {
  const named = getNamedType(type);
  if (!isObjectType(named)) return property;
  const one = `made.${named.name}`;
  if (named.name in MAPS) return `list(MAPS.${named.name}(${property}), ${one})`;
  if (!isListType(type)) return `${property} == null ? null : ${one}(${property})`;
  return `list(${property}, (line) => list(line, ${one}))`;
}

const made = readers(buildSchema(() => null));

export const sessionsOf = (answer) => answer.map((session) => made.ChatSession(session));
