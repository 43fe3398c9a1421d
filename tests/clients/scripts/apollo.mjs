// Apollo Client as apps use it. Argument: its version, 4 or 3.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";

import { answer } from "./answer.mjs";

const require = createRequire(import.meta.url);
const [name, core] =
  process.argv[2] === "3"
    ? ["apollo-client-3", "apollo-client-3/core"]
    : ["@apollo/client", "@apollo/client"];
const { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } = require(core);
const { createPersistedQueryLink } = require(`${name}/link/persisted-queries`);
const { BatchHttpLink } = require(`${name}/link/batch-http`);

const QUEUE = gql`query Queue { chatSessions(limit: 2) { id status } }`;
const COUNT = gql`query Count { chatSessionSummary { fetchedAt total } }`;
const FIRST = gql`query First { chatSessionConnection(first: 1) { fetchedAt totalCount } }`;
const AGENTS = gql`query Agents { chatSessions { id user { id fullName } } }`;
const AGENT = gql`query Agent($id: ID!) { node(id: $id) { id ... on Associate { fullName } } }`;
const WRONG = {
  unknownField: gql`{ chatSessions { nope } }`,
  badValue: gql`{ chatSessions(limit: -1) { id } }`,
  badVariable: AGENT,
  tooDeep: gql`{ ${"a { ".repeat(20)} b ${" }".repeat(20)} }`,
};

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const persisted = (options) => createPersistedQueryLink({ sha256, ...options });

function headers(authorization) {
  return authorization ? { authorization } : {};
}

function http({ url, authorization }) {
  return new HttpLink({ uri: url, headers: headers(authorization) });
}

function batch({ url, authorization }) {
  return new BatchHttpLink({ uri: url, headers: headers(authorization), batchMax: 8 });
}

function clientOf(...links) {
  return new ApolloClient({ link: ApolloLink.from(links), cache: new InMemoryCache() });
}

async function ask(client, query, variables) {
  return (await client.query({ query, variables, fetchPolicy: "no-cache" })).data;
}

// The codes of a failed query, wherever this version and this link have put the answer.
function codesOf(error) {
  const graphQLErrors = { errors: error.graphQLErrors };
  const places = [error, error.result?.[0], error.networkError?.result, graphQLErrors];
  const { errors } = places.find((place) => place?.errors?.length);
  return errors.map(({ extensions }) => extensions.code);
}

function codes(client, query, variables) {
  return ask(client, query, variables).then(() => [], codesOf);
}

async function twice(client, ...queries) {
  const all = () => Promise.all(queries.map((query) => ask(client, query)));
  return [await all(), await all()];
}

await answer({
  persisted: (to) => twice(clientOf(persisted(), http(to)), QUEUE),
  persistedByGet: (to) =>
    twice(clientOf(persisted({ useGETForHashedQueries: true }), http(to)), QUEUE),
  batched: (to) => twice(clientOf(batch(to)), COUNT, FIRST),
  batchedAndPersisted: (to) => twice(clientOf(persisted(), batch(to)), COUNT, FIRST),
  batchTooLong(to) {
    const client = clientOf(batch(to));
    return Promise.all([QUEUE, COUNT, FIRST].map((query) => codes(client, query)));
  },
  async normalised(to) {
    const client = clientOf(http(to));
    const { data } = await client.query({ query: AGENTS });
    const { id } = data.chatSessions.find(({ user }) => user).user;
    const { node } = await ask(client, AGENT, { id });
    return { data, node, cached: Object.keys(client.cache.extract()) };
  },
  async errors(to) {
    const client = clientOf(http(to));
    const failures = Object.entries(WRONG).map(async ([what, query]) => [
      what,
      await codes(client, query, { id: {} }),
    ]);
    return Object.fromEntries(await Promise.all(failures));
  },
  trusted({ manifest, ...to }) {
    const loadManifest = () => JSON.parse(readFileSync(manifest));
    const link = createPersistedQueryLink(generatePersistedQueryIdsFromManifest({ loadManifest }));
    return ask(clientOf(link, http(to)), QUEUE);
  },
  failing: (to) => codes(clientOf(http(to)), QUEUE),
  failingPersisted: (to) => codes(clientOf(persisted(), http(to)), QUEUE),
});
