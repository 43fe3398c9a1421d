// The caches of clients, set up as in the manual.
import { ApolloClient, ApolloLink, HttpLink, gql as apolloGql } from "@apollo/client";
import { Client, fetchExchange, gql as urqlGql } from "@urql/core";

import { answer } from "./answer.mjs";
import { chatCache as apolloCache, defaultOptions } from "./manual/apolloCache.mjs";
import { LIST, keepList } from "./manual/apolloLive.mjs";
import { chatCache as graphcache } from "./manual/graphcache.mjs";
import { CHANGES, LIST as URQL_LIST } from "./manual/graphcacheLive.mjs";

const PAGE = `query Page($after: String) {
  chatSessionConnection(first: 5, after: $after) {
    edges { node { id status } } pageInfo { endCursor hasNextPage }
  }
}`;
const SUMMARIES = [
  "query Totals { chatSessionSummary { total unassigned } }",
  "query Waits { chatSessionSummary { longestWaitSeconds transfersPending } }",
];
const WIDE = `{
  chatSessions(limit: 5) {
    id tableRight { mask } fieldProperties { name fieldRight { mask } }
    contact { id address { formatted street { city } localizedAddress { label value } } }
    user { id customFields { name value } }
  }
  chatSessionSummary {
    byStatus { status count } byStatusGroup { statusGroup count } byTopic { topicId count }
    byAgent { count agent { id } }
  }
}`;

function apollo({ url, authorization }) {
  const link = new HttpLink({ uri: url, headers: { authorization } });
  return new ApolloClient({ link, cache: apolloCache(), defaultOptions });
}

const urql = ({ url, authorization }) =>
  new Client({
    url,
    exchanges: [graphcache(), fetchExchange],
    fetchOptions: { headers: { authorization } },
    fetchSubscriptions: true,
  });

// Lists that are shown and kept up to date. Each returns a function that fetches its list again.
let shown;
const show = ({ data }) => (shown = data?.chatSessions);
const KEEPING = {
  apollo(to) {
    const client = apollo(to);
    const list = client.watchQuery({ query: LIST });
    list.subscribe(show);
    keepList(client);
    return () => list.refetch();
  },
  urql(to) {
    const client = urql(to);
    client.query(URQL_LIST, {}).subscribe(show);
    client.subscription(CHANGES, {}).subscribe(() => {});
    return () => client.query(URQL_LIST, {}, { requestPolicy: "network-only" }).toPromise();
  },
};
let refetch;

const idsOf = (data) => data?.chatSessions?.map(({ id }) => id) ?? [];

// The rows of a list after all that are there have come, and after the last of some changes of rows.
async function rowsOf(changes, subscribe) {
  const seen = [];
  const stop = subscribe((data) => {
    const ids = idsOf(data);
    if (ids.length && ids.join() !== seen.at(-1)?.join()) seen.push(ids);
  });
  while (seen.length <= changes) await new Promise((resolve) => setTimeout(resolve, 20));
  stop();
  return { first: seen[0], last: seen.at(-1) };
}

// What was logged as a warning while `act` ran.
async function warnings(act) {
  const { warn, error } = console;
  const found = [];
  console.warn = console.error = (...parts) => found.push(parts.join(" ").slice(0, 200));
  await act();
  Object.assign(console, { warn, error });
  return found;
}

await answer({
  // Each polls until it was answered so often; what comes then was caused by the other.
  async summaries({ times, ...to }) {
    const client = apollo(to);
    const counts = [0, 0];
    const watched = SUMMARIES.map((text) =>
      client.watchQuery({ query: apolloGql(text), pollInterval: 50, fetchPolicy: "network-only" }),
    );
    const count = new ApolloLink((operation, forward) => {
      const index = operation.operationName === "Totals" ? 0 : 1;
      counts[index] += 1;
      if (counts[index] >= times) watched[index].stopPolling();
      return forward(operation);
    });
    client.setLink(count.concat(client.link));
    const subscriptions = watched.map((one) => one.subscribe(() => {}));
    while (Math.min(...counts) < times) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const one of subscriptions) one.unsubscribe();
    return counts;
  },
  async pages(to) {
    const pages = apollo(to).watchQuery({ query: apolloGql(PAGE) });
    let rows = [];
    const subscription = pages.subscribe(({ data }) => {
      rows = data?.chatSessionConnection?.edges ?? rows;
    });
    const { data } = await pages.refetch();
    await pages.fetchMore({ variables: { after: data.chatSessionConnection.pageInfo.endCursor } });
    await new Promise((resolve) => setTimeout(resolve, 100));
    subscription.unsubscribe();
    return rows.map(({ node }) => node.id);
  },
  async oddValue(to) {
    const query = apolloGql("query Odd { chatSessions { id chatSessionId } }");
    const { data, error } = await apollo(to).query({ query });
    return { rows: data.chatSessions.length, paths: error.errors.map(({ path }) => path) };
  },
  keep() {
    const [name, url, authorization] = process.argv.slice(2);
    refetch = KEEPING[name]({ url, authorization });
    return true;
  },
  // Fetches the list during an outage.
  async lose() {
    do await refetch();
    while (shown); // the gateway may have it in its cache at first
    return true;
  },
  // The names in the list, once they are the expected ones; otherwise those after ten seconds.
  async names({ expected }) {
    const names = () => (shown ?? []).map(({ customerName }) => customerName);
    for (let tries = 0; tries < 500 && names().join() !== expected.join(); tries++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    return names();
  },
  async apolloWarnings(to) {
    return warnings(() => apollo(to).query({ query: apolloGql(WIDE) }));
  },
  async graphcacheWarnings(to) {
    return warnings(() => urql(to).query(urqlGql(WIDE), {}).toPromise());
  },
  async apolloList({ changes, ...to }) {
    const client = apollo(to);
    const rows = await rowsOf(changes, (next) => {
      const list = client.watchQuery({ query: LIST, fetchPolicy: "cache-only" });
      const subscriptions = [list.subscribe(({ data }) => next(data)), keepList(client)];
      return () => subscriptions.forEach((one) => one.unsubscribe());
    });
    const { data } = await client.query({ query: LIST, fetchPolicy: "network-only" });
    return { ...rows, now: idsOf(data) };
  },
  async urqlList({ changes, ...to }) {
    const client = urql(to);
    await client.query(URQL_LIST, {}).toPromise();
    const rows = await rowsOf(changes, (next) => {
      const subscriptions = [
        client.query(URQL_LIST, {}).subscribe(({ data }) => next(data)),
        client.subscription(CHANGES, {}).subscribe(() => {}),
      ];
      return () => subscriptions.forEach((one) => one.unsubscribe());
    });
    const fresh = { requestPolicy: "network-only" };
    return { ...rows, now: idsOf((await client.query(URQL_LIST, {}, fresh)).data) };
  },
});
