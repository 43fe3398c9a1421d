"use strict";

const byId = (id) => document.getElementById(id);

function headersFrom(text) {
  const headers = {};
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
    else if (line.trim()) throw new Error(`A header is written "Name: value", not "${line.trim()}".`);
  }
  return headers;
}

function variablesFrom(text) {
  try {
    return JSON.parse(text.trim() || "{}");
  } catch (error) {
    throw new Error(`The variables are not JSON: ${error.message}`);
  }
}

async function run() {
  const answer = byId("answer");
  const took = byId("took");
  const started = performance.now();
  byId("run").disabled = true;
  try {
    const response = await fetch(location.pathname, {
      method: "POST",
      headers: {
        ...headersFrom(byId("headers").value),
        "Content-Type": "application/json",
        Accept: "application/graphql-response+json, application/json;q=0.9",
      },
      body: JSON.stringify({
        query: byId("query").value,
        variables: variablesFrom(byId("variables").value),
      }),
    });
    const text = await response.text();
    answer.textContent = JSON.stringify(JSON.parse(text), null, 2);
    took.textContent = `${response.status} · ${Math.round(performance.now() - started)} ms · ${text.length} characters`;
  } catch (error) {
    answer.textContent = error.message;
    took.textContent = "";
  } finally {
    byId("run").disabled = false;
  }
}

byId("run").addEventListener("click", run);
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") run();
});
