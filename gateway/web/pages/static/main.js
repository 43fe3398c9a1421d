// Mounts GraphiQL on its page.

import { comment, examples } from "./examples.js";
import { Login, lacksTenant, users, withLogin, withMe } from "./login.js";
import { openStorage } from "./storage.js";

const { GraphiQL, React, ReactDOM } = window;
const h = React.createElement;

const place = document.getElementById("graphiql");
const url = new URL(place.dataset.endpoint, document.baseURI).href;
const fetcher = GraphiQL.createFetcher({
  url,
  subscriptionUrl: url.replace(/^http/, "ws"), // connection_init carries the headers
  enableIncrementalDelivery: false,
  headers: { accept: "application/graphql-response+json, application/json;q=0.9" },
});

const TEXTS_AND_COMMENTS = /"""(?:\\"""|[^])*?"""|"(?:\\.|[^"\\\n])*"|#.*/g;
const ARGUMENTS = /\([^()]*\)/g;
const OPERATIONS = /(?:^|\})[\s,]*(query\b|subscription\b|\{)\s*(\w*)/g;

// GraphiQL detects the name and the kind of a typed operation with a delay. If it is run sooner, GraphiQL
// would send the name of another one, or send a subscription as a query.
function send(request, { headers, ...more } = {}) {
  const params = withMe(request);
  const options = { ...more, headers: withLogin(headers) };
  const bare = params.query.replace(TEXTS_AND_COMMENTS, "").replace(ARGUMENTS, "");
  const operations = [...bare.matchAll(OPERATIONS)].map(([, kind, name]) =>
    kind === "{" ? { kind: "query", name: "" } : { kind, name },
  );
  const chosen = operations.find(({ name }) => name === params.operationName);
  const only = operations.length === 1 ? operations[0] : undefined;
  if (!chosen && !only) return fetcher(params, options);
  const { kind, name } = chosen ?? only;
  const operation = { kind: "OperationDefinition", operation: kind };
  if (name) operation.name = { kind: "Name", value: name };
  const answer = fetcher(
    { ...params, operationName: name || undefined },
    { ...options, documentAST: { kind: "Document", definitions: [operation] } },
  );
  return kind === "subscription" ? explained(answer) : answer;
}

// Without a connection, a subscription ends with an `Event`, which has no message.
async function explained(answer) {
  const events = await answer;
  const next = events.next.bind(events);
  const fail = (error) => {
    throw error instanceof Event ? { message: "No connection to the gateway. Press ▶ again." } : error;
  };
  events.next = () => next().catch(fail);
  return events;
}

const login = users.length
  ? "Logged in as the user chosen at the top."
  : "Log in at the top: enter SoTicket 7T:...,\nBasic ... or Bearer ... under Authorization.";
const queries = examples(place.dataset.examples, login);
if (!queries.length) queries.push(comment(login)); // their fields are hidden, and GraphiQL needs a tab
const linked = new URLSearchParams(location.search); // of a link to a query
const isNarrow = window.matchMedia("(max-width: 50rem)").matches;
const storage = openStorage();
const needsMe = (query) => !users.length && query.includes("$me");
const variablesOf = (query) => (needsMe(query) ? '{\n  "me": 101\n}' : null);

const link = (text, href) => h("a", { href, target: "_blank", rel: "noreferrer" }, text);
const title = h(
  "div",
  { className: "gateway-title" },
  h(Login, { onTenant: render }),
  place.dataset.manual && link("Manual", place.dataset.manual),
  link("schema.graphql", place.dataset.schema),
);

const root = ReactDOM.createRoot(place);

function render() {
  root.render(
    h(
      GraphiQL,
      {
        fetcher: (...request) => send(...request), // a new function: GraphiQL reads the schema again
        schema: lacksTenant() ? null : undefined,
        storage,
        query: linked.get("query") ?? undefined,
        variables: linked.get("variables") ?? undefined,
        operationName: linked.get("operationName") ?? undefined,
        defaultTabs: queries.map((query) => ({ query, variables: variablesOf(query) })),
        defaultQuery: comment(login),
        defaultEditorToolsVisibility: isNarrow ? false : "variables",
        schemaDescription: true,
        shouldPersistHeaders: storage?.keepsHeaders ?? false,
        showPersistHeadersSettings: true,
      },
      h(GraphiQL.Logo, null, title),
    ),
  );
}

render();
