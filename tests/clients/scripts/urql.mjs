// urql as apps use it.
import { Client, cacheExchange, fetchExchange, gql } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

import { answer } from "./answer.mjs";

const QUEUE = gql`query Queue { chatSessions(limit: 2) { id status } }`;
const WRONG = {
  unknownField: gql`{ chatSessions { nope } }`,
  badValue: gql`{ chatSessions(limit: -1) { id } }`,
};

function clientOf({ url, authorization, ...more }, ...exchanges) {
  const headers = authorization ? { authorization } : {};
  const options = { url, fetchOptions: { headers }, exchanges: [...exchanges, fetchExchange] };
  return new Client({ ...options, ...more });
}

async function ask(client, query) {
  const { data, error } = await client.query(query, {}).toPromise();
  return error ? error.graphQLErrors.map(({ extensions }) => extensions.code) : data;
}

async function twice(client) {
  return [await ask(client, QUEUE), await ask(client, QUEUE)];
}

await answer({
  byDefault: (to) => ask(clientOf(to, cacheExchange), QUEUE),
  cached: (to) => twice(clientOf(to, cacheExchange)),
  byGet: (to) => ask(clientOf({ ...to, preferGetMethod: "force" }), QUEUE),
  byPost: (to) => ask(clientOf({ ...to, preferGetMethod: false }), QUEUE),
  persistedByGet: (to) =>
    twice(clientOf(to, persistedExchange({ preferGetForPersistedQueries: true }))),
  persistedByPost: (to) =>
    twice(clientOf(to, persistedExchange({ preferGetForPersistedQueries: false }))),
  async errors(to) {
    const client = clientOf(to, cacheExchange);
    const failures = Object.entries(WRONG).map(async ([what, query]) => [
      what,
      await ask(client, query),
    ]);
    return Object.fromEntries(await Promise.all(failures));
  },
});
