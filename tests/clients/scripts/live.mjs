// Subscriptions, in each client as apps use it.
import { ApolloClient, InMemoryCache, gql as apolloGql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client, fetchExchange, gql as urqlGql, subscriptionExchange } from "@urql/core";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import WebSocket from "ws";

import { answer } from "./answer.mjs";

const overWs = ({ url, authorization }) =>
  createWsClient({
    url: url.replace("http", "ws"),
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 10,
  });
const overSse = ({ url, authorization }) => createSseClient({ url, headers: { authorization } });

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

await answer({
  graphqlWs: (to) => first(to.count, overWs(to).iterate({ query: to.query })),
  graphqlSse: (to) => first(to.count, overSse(to).iterate({ query: to.query })),
  apollo(to) {
    const link = new GraphQLWsLink(overWs(to));
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    const query = apolloGql(to.query);
    return firstOf(to.count, (next) => client.subscribe({ query }).subscribe(next));
  },
  urqlOverWs: (to) => urql(to, { exchanges: [forwarding(overWs(to))] }),
  urqlOverSse: (to) => urql(to, { exchanges: [forwarding(overSse(to))] }),
  urqlByItself: (to) => urql(to, { exchanges: [fetchExchange], fetchSubscriptions: true }),
});
