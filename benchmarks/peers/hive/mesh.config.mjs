// The supergraph with REST as its one subgraph, in the words of GraphQL Mesh's REST handler.
import { readFileSync } from "node:fs";
import { defineConfig } from "@graphql-mesh/compose-cli";
import { buildSchema, isEnumType } from "graphql";

const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
const names = JSON.parse(read("names.json"));
// Its own DateTime changes what REST sends: it takes off digits and the offset.
const plain = buildSchema(read("schema.graphql").replaceAll(": DateTime", ": String"));

const MAPS = new Set(["FieldProperty", "ExtraField", "CustomField"]);

const DIRECTIVES = `
  enum HTTPMethod { GET }
  directive @transport(subgraph: String, kind: String, location: String) repeatable on SCHEMA
  directive @httpOperation(
    subgraph: String
    path: String
    httpMethod: HTTPMethod
    operationSpecificHeaders: [[String]]
  ) on FIELD_DEFINITION
  directive @resolveRootField(subgraph: String, field: String) on FIELD_DEFINITION
  directive @enum(subgraph: String, value: String) on ENUM_VALUE
  schema @transport(subgraph: "rest", kind: "rest", location: "{env.REST_URL}") { query: Query }
  type Query {
    chatSessions: [ChatSession!] @httpOperation(
      subgraph: "rest"
      path: "/api/v1/ChatSession/ForCurrentUser"
      httpMethod: GET
      operationSpecificHeaders: [["authorization", "{context.headers.authorization}"]]
    )
  }
`;

function annotated(type) {
  if (isEnumType(type)) {
    const members = Object.entries(names.enums[type.name]).map(
      ([name, value]) => `${name} @enum(subgraph: "rest", value: ${quoted(quoted(value))})`,
    );
    return `enum ${type.name} { ${members.join(" ")} }`;
  }
  const fields = Object.values(type.getFields()).map(({ name, type: kind }) => {
    // The gateway resolves the maps: this handler makes no lists of them.
    if (MAPS.has(String(kind).replaceAll(/\W/g, ""))) return `${name}: ${kind}`;
    const property = quoted(names.types[type.name][name]);
    return `${name}: ${kind} @resolveRootField(subgraph: "rest", field: ${property})`;
  });
  return `type ${type.name} { ${fields.join("\n")} }`;
}

const quoted = (text) => JSON.stringify(text);

const types = Object.values(plain.getTypeMap()).filter(
  ({ name, astNode }) => astNode && name !== "Query" && name !== "DateTime",
);
const schema = buildSchema([DIRECTIVES, ...types.map(annotated)].join("\n"));

export const composeConfig = defineConfig({
  subgraphs: [{ sourceHandler: () => ({ name: "rest", schema$: schema }) }],
});
