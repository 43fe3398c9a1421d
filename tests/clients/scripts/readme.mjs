// The README's clients, as they stand there, with queries of an app.
import { readFileSync } from "node:fs";

import { gql as apolloGql } from "@apollo/client";
import { gql as urqlGql } from "@urql/core";
import { fetchQuery } from "relay-runtime";
import WebSocket from "ws";

import { answer } from "./answer.mjs";
import { chatClient as apolloClient } from "./manual/apollo.mjs";
import { chatQuery } from "./manual/fetch.mjs";
import { liveClient } from "./manual/live.mjs";
import { chatEnvironment } from "./manual/relay.mjs";
import { chatClient as urqlClient } from "./manual/urql.mjs";

const QUEUE = "query Queue($limit: Int) { chatSessions(limit: $limit) { id user { id fullName } } }";
const variables = { limit: 12 };

async function compiled(name) {
  return (await import(`./app/relay/src/__generated__/${name}.graphql.js`)).default;
}

await answer({
  async plain({ url, authorization }) {
    const { data } = await chatQuery(url, authorization, QUEUE, variables);
    const refused = await chatQuery(url, "Basic bm9ib2R5Om5vdGhpbmc=", QUEUE).catch((error) => error.message);
    return { data, refused };
  },
  async liveUpdates({ url, authorization }) {
    globalThis.WebSocket ??= WebSocket; // as browsers have it
    let logins = 0;
    const client = liveClient(url.replace("http", "ws"), () => (logins++, authorization));
    const events = client.iterate({ query: "subscription { chatSessionSummary { total } }" });
    const { value } = await events.next();
    await client.dispose();
    return { event: value, logins };
  },
  async apollo({ url, authorization }) {
    const client = apolloClient(url, authorization);
    const query = apolloGql(QUEUE);
    await client.query({ query, variables });
    const { data } = await client.query({ query, variables, fetchPolicy: "network-only" });
    return { data, cached: Object.keys(client.cache.extract()) };
  },
  async urql({ url, authorization }) {
    const client = urqlClient(url, authorization);
    const query = urqlGql(QUEUE);
    await client.query(query, variables);
    const { data } = await client.query(query, variables, { requestPolicy: "network-only" });
    return { data };
  },
  async relay({ url, authorization }) {
    const environment = chatEnvironment(url, authorization);
    const ask = async (name, given) => fetchQuery(environment, await compiled(name), given).toPromise();
    const cached = () => environment.getStore().getSource().toJSON();

    await ask("queueQuery", variables);
    const agents = Object.values(cached()).filter(({ __typename }) => __typename === "Associate");
    const [{ __id }] = agents;
    environment.commitUpdate((store) => store.get(__id).setValue("?", "fullName"));
    await ask("queueAgentQuery", { id: __id });
    const refetched = cached()[__id];
    await ask("queuePagesQuery", { count: 5 });
    return { agents, refetched };
  },
  async relayByText({ url, authorization, manifest }) {
    const query = await compiled("queueQuery");
    const text = JSON.parse(readFileSync(manifest))[query.params.id];
    const byText = { ...query, params: { ...query.params, id: null, cacheID: "1", text } };
    return fetchQuery(chatEnvironment(url, authorization), byText, variables).toPromise();
  },
});
