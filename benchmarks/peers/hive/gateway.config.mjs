// Hive Gateway over the supergraph, with Mesh's REST transport in the same process.
//
// It is started with the Hive Router runtime, which is faster than the default one with
// graphql-jit. The two cannot be used together: then every answer is null.
import { defineConfig } from "@graphql-hive/gateway";
import rest from "@graphql-mesh/transport-rest";

const SUFFIX = ":DisplayText";

const properties = (object) =>
  object && Object.entries(object).map(([name, entry]) => ({ ...entry, Name: name }));

const texts = (object) =>
  object &&
  Object.keys(object)
    .filter((name) => !(name.endsWith(SUFFIX) && name.slice(0, -SUFFIX.length) in object))
    .map((name) => ({ Name: name, Value: object[name], DisplayText: object[name + SUFFIX] }));

const MAPS = { fieldProperties: properties, extraFields: texts, customFields: texts };

const restWithMaps = {
  getSubgraphExecutor(options) {
    for (const type of Object.values(options.subgraph.getTypeMap())) {
      for (const [name, field] of Object.entries(type.getFields?.() ?? {})) {
        if (!(name in MAPS)) continue;
        const property = name[0].toUpperCase() + name.slice(1);
        field.resolve = (object) => MAPS[name](object[property]);
      }
    }
    return rest.getSubgraphExecutor(options);
  },
};

export const gatewayConfig = defineConfig({
  transports: { rest: restWithMaps },
  logging: "error",
  graphiql: false,
  landingPage: false,
  disableWebsockets: true,
  ...(process.env.CACHES && {
    responseCaching: {
      session: (request) => request.headers.get("authorization"),
      ttl: 3_600_000,
    },
  }),
});
