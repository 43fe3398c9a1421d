// Apollo Server with the HTTP server it comes with, which its documentation recommends.
import { ApolloServer } from "@apollo/server";
import responseCache from "@apollo/server-plugin-response-cache";
import { ApolloServerPluginCacheControl } from "@apollo/server/plugin/cacheControl";
import { ApolloServerPluginCacheControlDisabled } from "@apollo/server/plugin/disabled";
import { startStandaloneServer } from "@apollo/server/standalone";
import { fetchSessions } from "./rest.mjs";
import { buildSchema, sessionsOf } from "./schema.mjs";

const TTL = 3600;

const plugins = process.env.CACHES
  ? [
      ApolloServerPluginCacheControl({ defaultMaxAge: TTL }),
      responseCache({
        sessionId: async ({ request }) => request.http.headers.get("authorization"),
      }),
    ]
  : [ApolloServerPluginCacheControlDisabled()]; // it looks at every field

const server = new ApolloServer({
  schema: buildSchema(async (_, __, { authorization }, info) => {
    info.cacheControl?.setCacheHint({ maxAge: TTL, scope: "PRIVATE" });
    return sessionsOf(await fetchSessions(authorization));
  }),
  plugins,
});
await startStandaloneServer(server, {
  context: async ({ req }) => ({ authorization: req.headers.authorization }),
  listen: { host: "127.0.0.1", port: Number(process.env.PORT) },
});
