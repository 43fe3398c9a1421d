// Mercurius with graphql-jit on Fastify.
import Fastify from "fastify";
import mercurius from "mercurius";
import cache from "mercurius-cache";
import { fetchSessions } from "./rest.mjs";
import { buildSchema, sessionsOf } from "./schema.mjs";

const app = Fastify();
app.register(mercurius, {
  schema: buildSchema(async (_, __, { authorization }) =>
    sessionsOf(await fetchSessions(authorization)),
  ),
  context: ({ headers }) => ({ authorization: headers.authorization }),
  jit: 1,
});
if (process.env.CACHES) {
  // It keeps what the resolver gives, which is the same for every query of a caller.
  const key = ({ ctx }) => ctx.authorization;
  app.register(cache, { ttl: 3600, policy: { Query: { chatSessions: { key } } } });
}
await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
