// graphql-request as apps use it.
import { GraphQLClient, batchRequests, gql, request } from "graphql-request";

import { answer } from "./answer.mjs";

const QUEUE = gql`query Queue($limit: Int!) { chatSessions(limit: $limit) { id status } }`;
const COUNT = gql`query Count { chatSessionSummary { total } }`;
const variables = { limit: 2 };

function codesOf({ response }) {
  return [response.status, ...response.errors.map(({ extensions }) => extensions.code)];
}

await answer({
  asked: ({ url, authorization }) => request(url, QUEUE, variables, { authorization }),
  askedByGet({ url, authorization }) {
    const options = { method: "GET", headers: { authorization }, jsonSerializer: JSON };
    return new GraphQLClient(url, options).request(QUEUE, variables);
  },
  batched: ({ url, authorization }) =>
    batchRequests(url, [{ document: QUEUE, variables }, { document: COUNT }], { authorization }),
  failing: ({ url }) => request(url, COUNT).catch(codesOf),
  wrong: ({ url, authorization }) =>
    request(url, "{ nope }", {}, { authorization }).catch(codesOf),
});
