// Tools that read the schema: stitching over the network, and composition as a subgraph.
import { composeServices as apolloCompose } from "@apollo/composition";
import { composeServices as guildCompose } from "@theguild/federation-composition";
import { loadSchema } from "@graphql-tools/load";
import { stitchSchemas } from "@graphql-tools/stitch";
import { UrlLoader } from "@graphql-tools/url-loader";
import { graphql, parse } from "graphql";

import { answer } from "./answer.mjs";

const TOPICS = { 10: "Support" };

await answer({
  async stitched({ url, authorization }) {
    const schema = await loadSchema(url, {
      loaders: [new UrlLoader()],
      headers: { authorization },
    });
    const stitched = stitchSchemas({
      subschemas: [{ schema }],
      typeDefs: "extend type ChatSession { channelLabel: String }",
      resolvers: {
        ChatSession: {
          channelLabel: {
            selectionSet: "{ topicId }",
            resolve: ({ topicId }) => TOPICS[topicId] ?? `Channel ${topicId}`,
          },
        },
      },
    });
    return graphql({ schema: stitched, source: "{ chatSessions { id channelLabel } }" });
  },
  // Hive Gateway over a supergraph: a query, and the first event of a subscription.
  async supergraph({ file, authorization }) {
    const { createGatewayRuntime } = await import("@graphql-hive/gateway-runtime");
    const hive = createGatewayRuntime({ supergraph: file, logging: false });
    const ask = (query, accept) =>
      hive.fetch("http://hive.invalid/graphql", {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: accept, authorization },
        body: JSON.stringify({ query }),
      });
    const list = await ask("{ chatSessions { id user { fullName } } }", "application/json");
    const { body } = await ask("subscription { chatSessionSummary { total } }", "text/event-stream");
    let text = "";
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (/^data: .+$/m.test(text)) break;
    }
    return { list: await list.json(), event: JSON.parse(text.match(/^data: (.+)$/m)[1]) };
  },
  // The errors of both compositions, beside a subgraph of another team.
  composed({ sdl, other }) {
    const services = [
      { name: "chats", url: "http://chats.invalid/graphql", typeDefs: parse(sdl) },
      { name: "other", url: "http://other.invalid/graphql", typeDefs: parse(other) },
    ];
    return [apolloCompose, guildCompose].map((compose) => {
      const { errors, supergraphSdl } = compose(services);
      return errors?.map(({ message }) => message) ?? [supergraphSdl ? "composed" : "nothing"];
    });
  },
});
