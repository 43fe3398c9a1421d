// The page of our own, for a gateway that was built without GraphiQL.

import { examples } from "./examples.js";

const byId = (id) => document.getElementById(id);
let running; // what stops the query
const users = new Map(JSON.parse(document.body.dataset.users).map(([name, ...rest]) => [name, rest]));
const queries = examples(
  document.body.dataset.examples,
  users.size
    ? "Logged in as the user chosen at the top."
    : "Log in below: enter an Authorization header.",
);

function fill(select, names, onChoice) {
  select.append(...names.map((name) => new Option(name)));
  select.addEventListener("change", onChoice);
  onChoice();
}

function showExample() {
  byId("query").value = queries[byId("example").selectedIndex] ?? "";
  byId("variables").value = byId("query").value.includes("$me") ? JSON.stringify({ me: me() }) : "";
}

// The associateId of the chosen demo user.
const me = () => users.get(byId("user").value)?.[1] ?? 101;

function logIn() {
  running?.abort(); // a live query would go on as the last user
  const lines = byId("headers").value.split("\n");
  const others = lines.filter((line) => line.trim() && !/^\s*authorization\s*:/i.test(line));
  const authorization = `Authorization: ${users.get(byId("user").value)[0]}`;
  byId("headers").value = [authorization, ...others].join("\n");
  if (byId("query").value.includes("$me")) byId("variables").value = JSON.stringify({ me: me() });
}

function headersFrom(text) {
  const headers = {};
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
    else if (line.trim()) throw new Error(`Write each header as "Name: value", not "${line.trim()}".`);
  }
  return headers;
}

function variablesFrom(text) {
  try {
    return JSON.parse(text.trim() || "{}");
  } catch (error) {
    throw new Error(`The variables are not valid JSON: ${error.message}`);
  }
}

// Gives the data of one server-sent event after the other.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let chunk; !(chunk = await reader.read()).done; ) {
    const parts = (rest + chunk.value).split(/\r?\n\r?\n/);
    rest = parts.pop();
    for (const part of parts) {
      const data = part.match(/^data: (.+)$/m);
      if (data) yield data[1];
    }
  }
}

async function* answers(response) {
  const isStream = response.headers.get("Content-Type").startsWith("text/event-stream");
  if (isStream) yield* events(response.body);
  else yield await response.text();
}

async function run() {
  const answer = byId("answer");
  const took = byId("took");
  const started = performance.now();
  running = new AbortController();
  byId("run").textContent = "Stop";
  try {
    const response = await fetch(document.body.dataset.endpoint, {
      method: "POST",
      headers: {
        ...headersFrom(byId("headers").value),
        "Content-Type": "application/json",
        Accept:
          "application/graphql-response+json, application/json;q=0.9, text/event-stream;q=0.8",
      },
      body: JSON.stringify({
        query: byId("query").value,
        operationName: byId("query").value === linked ? link.get("operationName") : null,
        variables: variablesFrom(byId("variables").value),
      }),
      signal: running.signal,
    });
    for await (const text of answers(response)) {
      answer.textContent = JSON.stringify(JSON.parse(text), null, 2);
      took.textContent = `${response.status} · ${Math.round(performance.now() - started)} ms · ${text.length} characters`;
    }
  } catch (error) {
    if (error.name !== "AbortError") {
      answer.textContent = error.message;
      took.textContent = "";
    }
  } finally {
    running = undefined;
    byId("run").textContent = "Run";
  }
}

const runOrStop = () => (running ? running.abort() : run());

const nameOf = (query) => query.match(/^(?:query|subscription) (\w+)/m)[1];
fill(byId("example"), queries.map(nameOf), showExample);
const link = new URLSearchParams(location.search); // to a query
if (link.get("query")) {
  byId("query").value = link.get("query");
  byId("variables").value = link.get("variables") ?? "";
}
const linked = byId("query").value;
if (users.size) {
  byId("users").hidden = false;
  fill(byId("user"), [...users.keys()], logIn);
}
byId("run").addEventListener("click", runOrStop);
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") runOrStop();
});
