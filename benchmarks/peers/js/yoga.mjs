// GraphQL Yoga with graphql-jit on Node's own HTTP server.
import { createServer } from "node:http";
import { useGraphQlJit } from "@envelop/graphql-jit";
import { useResponseCache } from "@graphql-yoga/plugin-response-cache";
import { createYoga } from "graphql-yoga";
import { fetchSessions } from "./rest.mjs";
import { buildSchema, sessionsOf } from "./schema.mjs";

const plugins = [useGraphQlJit()];
if (process.env.CACHES) {
  plugins.push(
    useResponseCache({
      session: (request) => request.headers.get("authorization"),
      ttl: 3_600_000,
    }),
  );
}
const yoga = createYoga({
  schema: buildSchema(async (_, __, { request }) =>
    sessionsOf(await fetchSessions(request.headers.get("authorization"))),
  ),
  plugins,
  logging: false,
  graphiql: false,
  landingPage: false,
  multipart: false,
});
createServer(yoga).listen(Number(process.env.PORT), "127.0.0.1");
