// Subscriptions, in each client as apps use it. Argument: how much faster than real time timers run.
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql as apolloGql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client, fetchExchange, gql as urqlGql, subscriptionExchange } from "@urql/core";
import { createClient as createSseClient } from "graphql-sse";
import WebSocket, { WebSocketServer } from "ws";

import { answer } from "./answer.mjs";
import { retryLink } from "./manual/apolloRetry.mjs";
import { liveClient, retryWait } from "./manual/live.mjs";

const { setTimeout } = globalThis;
const SPEED = Number(process.argv[2] ?? 1);
globalThis.setTimeout = (act, ms, ...more) => setTimeout(act, ms / SPEED, ...more);
globalThis.WebSocket ??= WebSocket; // as browsers have it

let attempts = 0; // to connect
const attempt = () => (attempts += 1);

function overWs({ url, authorization }) {
  const client = liveClient(url.replace("http", "ws"), () => authorization);
  client.on("connecting", attempt);
  return client;
}
const overSse = ({ url, authorization }) =>
  createSseClient({
    url,
    headers: { authorization },
    retryAttempts: Infinity,
    retry: retryWait,
    on: { connecting: attempt },
  });

// Apollo's observable as an iterator.
function overHttp({ url, authorization }) {
  const fetchFn = (...request) => (attempt(), fetch(...request));
  const http = new HttpLink({ uri: url, headers: { authorization }, fetch: fetchFn });
  const client = new ApolloClient({
    link: ApolloLink.from([retryLink(), http]),
    cache: new InMemoryCache(),
  });
  return {
    async *iterate({ query }) {
      const events = [];
      let ended;
      const subscription = client
        .subscribe({ query: apolloGql(query) })
        .subscribe({ next: (event) => events.push(event), complete: () => (ended = true) });
      try {
        for (; !ended || events.length; await wait(20)) yield* events.splice(0);
      } finally {
        subscription.unsubscribe();
      }
    },
  };
}

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
    const over = { graphqlWs: overWs, graphqlSse: overSse, apolloOverHttp: overHttp }[name];
    watched[name] = over(to).iterate({ query });
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
  // After so many more attempts to connect.
  async attempts({ count }) {
    const enough = attempts + count;
    while (attempts < enough) await wait(20);
    return true;
  },
  // The milliseconds that a client waits before each attempt, while nothing listens.
  async waits({ count, ...to }) {
    const before = globalThis.setTimeout;
    const waits = [];
    globalThis.setTimeout = (act, ms) => (waits.push(ms), setImmediate(act));
    const stop = overWs(to).subscribe({ query: to.query }, {});
    while (waits.length < count) await wait(20);
    globalThis.setTimeout = before;
    stop();
    return waits.slice(0, count);
  },
  // On a slow line, large events arrive every 20 seconds, and no answer to a ping. Returns how many
  // events each client got before it gave the connection up, in the silence after the third one.
  async slowLine({ wallboard }) {
    globalThis.addEventListener ??= globalThis.removeEventListener ??= () => {}; // browsers'
    const { connect } = await import(`data:text/javascript,${encodeURIComponent(wallboard)}`);
    const subscription = { query: "subscription { event }" };
    const eventsUntilLoss = async (begin) => {
      const server = new WebSocketServer({ port: 0 });
      let end, events = 0;
      const isLost = new Promise((give) => {
        end = begin(`ws://127.0.0.1:${server.address().port}`, () => give(true));
      });
      const [socket] = await once(server, "connection");
      socket.send(JSON.stringify({ type: "connection_ack" }));
      while (events < 3 && !(await Promise.race([isLost, wait(20_000 / SPEED)]))) {
        socket.send(JSON.stringify({ type: "next", id: "event", payload: {} }));
        events += 1;
      }
      await isLost;
      end();
      server.close();
      return events;
    };
    return Promise.all([
      eventsUntilLoss((url, give) => {
        const client = liveClient(url, () => "");
        client.on("closed", give);
        client.subscribe(subscription, { next() {}, error() {}, complete() {} });
        return () => client.dispose();
      }),
      eventsUntilLoss((url, give) => {
        const tell = (state) => state === "waiting" && give();
        return connect(url, {}, { event: subscription }, tell).close;
      }),
    ]);
  },
  apolloOverWs: (to) => apollo(to, new GraphQLWsLink(overWs(to))),
  apolloByItself({ url, authorization, ...to }) {
    return apollo(to, new HttpLink({ uri: url, headers: { authorization } }));
  },
  urqlOverWs: (to) => urql(to, { exchanges: [forwarding(overWs(to))] }),
  urqlOverSse: (to) => urql(to, { exchanges: [forwarding(overSse(to))] }),
  urqlByItself: (to) => urql(to, { exchanges: [fetchExchange], fetchSubscriptions: true }),
  // Its last result, after the connection was lost.
  async urqlBegin({ url, authorization, query }) {
    const options = { url, fetchOptions: { headers: { authorization } } };
    const client = new Client({ ...options, exchanges: [fetchExchange], fetchSubscriptions: true });
    await new Promise((resolve) => {
      client.subscription(urqlGql(query), {}).subscribe((result) => resolve((watched.urql = result)));
    });
    return watched.urql.data;
  },
  async urqlEnd() {
    while (watched.urql.hasNext) await wait(20);
    return { error: watched.urql.error ?? null };
  },
});
