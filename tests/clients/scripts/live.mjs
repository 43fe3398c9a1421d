// Subscriptions, in each client as apps use it.
import { ApolloClient, HttpLink, InMemoryCache, gql as apolloGql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client, fetchExchange, gql as urqlGql, subscriptionExchange } from "@urql/core";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import WebSocket from "ws";

import { answer } from "./answer.mjs";

// Until a gateway is there again; by default the clients wait longer and longer, by chance.
let retries = 0;
const persistent = {
  retryAttempts: Infinity,
  retryWait() {
    retries += 1;
    return new Promise((resolve) => setTimeout(resolve, 50));
  },
};

const overWs = ({ url, authorization }) =>
  createWsClient({
    url: url.replace("http", "ws"),
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    ...persistent,
    shouldRetry: () => true, // also while nobody listens
  });
const overSse = ({ url, authorization }) =>
  createSseClient({ url, headers: { authorization }, retryAttempts: Infinity, retry: persistent.retryWait });

// The data of the first so many answers.
async function first(count, answers) {
  const found = [];
  for await (const { data } of answers) {
    found.push(data);
    if (found.length === count) return found;
  }
}

// The same of an observable, which calls back.
function firstOf(count, subscribe) {
  return new Promise((resolve, reject) => {
    const found = [];
    const subscription = subscribe(({ data, error }) => {
      if (error) reject(error);
      found.push(data);
      if (found.length < count) return;
      resolve(found);
      setTimeout(() => subscription.unsubscribe());
    });
  });
}

function apollo({ query, count }, link) {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const document = apolloGql(query);
  return firstOf(count, (next) => client.subscribe({ query: document }).subscribe(next));
}

function urql({ url, authorization, query, count }, options) {
  const client = new Client({ url, fetchOptions: { headers: { authorization } }, ...options });
  return firstOf(count, (next) => client.subscription(urqlGql(query), {}).subscribe(next));
}

// For urql, the clients of either transport look alike.
const forwarding = (client) =>
  subscriptionExchange({
    forwardSubscription: (request) => ({
      subscribe: (sink) => ({ unsubscribe: client.subscribe(request, sink) }),
    }),
  });

// What each client watches between `begin` and `end`.
const watched = {};

await answer({
  async begin({ name, query, ...to }) {
    watched[name] = { graphqlWs: overWs, graphqlSse: overSse }[name](to).iterate({ query });
    return (await watched[name].next()).value.data;
  },
  // The next answer; or the first one of a new connection, as the old one may have had more.
  async end({ name, isAnew }) {
    let data;
    do data = (await watched[name].next()).value.data;
    while (isAnew && !data.chatSessionChanges.isInitial);
    await watched[name].return(); // or it would come back for ever
    return data;
  },
  // Asleep: nothing runs, as in a tab in the background or with a closed lid.
  async sleep({ ms }) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    return true;
  },
  graphqlWs: (to) => first(to.count, overWs(to).iterate({ query: to.query })),
  graphqlSse: (to) => first(to.count, overSse(to).iterate({ query: to.query })),
  // After so many more attempts to connect have failed.
  async retries({ count }) {
    const enough = retries + count;
    while (retries < enough) await new Promise((resolve) => setTimeout(resolve, 20));
    return true;
  },
  apolloOverWs: (to) => apollo(to, new GraphQLWsLink(overWs(to))),
  apolloByItself({ url, authorization, ...to }) {
    return apollo(to, new HttpLink({ uri: url, headers: { authorization } }));
  },
  urqlOverWs: (to) => urql(to, { exchanges: [forwarding(overWs(to))] }),
  urqlOverSse: (to) => urql(to, { exchanges: [forwarding(overSse(to))] }),
  urqlByItself: (to) => urql(to, { exchanges: [fetchExchange], fetchSubscriptions: true }),
});
