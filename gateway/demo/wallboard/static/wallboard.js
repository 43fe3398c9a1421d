// The chat wallboard: two subscriptions, and a clock that counts between their events.
import { connect } from "./live.js";

const ALARM_S = 120; // a longer wait is highlighted
const AWAY_S = 30; // a browser polls every few seconds: after this the customer has left

// Sends an event only when a number changes. `waitSeconds` would change every second, so the page
// counts waits from `whenRequested`.
const NUMBERS = `subscription Numbers {
  chatSessionSummary {
    byTopic { topicId topicName waiting live unanswered longestWaiting { whenRequested } }
    byAgent { agent { associateId fullName } live unanswered }
    averageRating rated
  }
}`;

const QUEUE = `subscription Queue {
  chatSessions(filter: { statusGroup: { in: [WAITING] } }, orderBy: [{ whenRequested: ASC }]) {
    chatSessionId topicId topicName queuePosition customerName whenRequested
    customerAwaySeconds fetchedAt
  }
}`;

const { endpoint, users } = document.body.dataset;
const $ = (id) => document.getElementById(id);
let numbers, queue, connection;

// --- The clock -------------------------------------------------------------------------------
// This computer's clock may be wrong, and be set at any time, so waits are counted by the gateway's
// clock. `fetchedAt` is never in the future: the latest of the last ten origins is the most exact.
let origins = []; // of `performance.now()`, by the gateway's clock
function setClock(fetchedAt) {
  origins = [Date.parse(fetchedAt) - performance.now(), ...origins.slice(0, 9)];
}

function secondsSince(time) {
  const origin = origins.length ? Math.max(...origins) : performance.timeOrigin;
  return Math.max(0, Math.floor((origin + performance.now() - Date.parse(time)) / 1000));
}

function clock(seconds) {
  const [h, m, s] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const mmss = `${h ? String(m).padStart(2, "0") : m}:${String(s).padStart(2, "0")}`;
  return h ? `${h}:${mmss}` : mmss;
}

// --- Drawing ---------------------------------------------------------------------------------
// Customers type their names: show them as text, never as HTML.
function el(tag, className, ...children) {
  const element = Object.assign(document.createElement(tag), { className });
  element.append(...children.map(String));
  return element;
}

function nest(element, ...children) {
  element.append(...children);
  return element;
}

// An element that counts up from a time; `tick` updates all of them every second.
function since(time, tag = "time") {
  const element = el(tag, "since");
  element.dataset.since = time ?? "";
  return element;
}

function fact(name, value, alarm) {
  const pair = nest(el("div", ""), el("dt", "", name), nest(el("dd", ""), value));
  if (alarm) pair.dataset.alarm = alarm;
  return pair;
}

const nameOf = ({ topicId, topicName }) =>
  topicName ?? (topicId ? `Channel ${topicId}` : "No channel");
const total = (rows, name) => rows.reduce((sum, row) => sum + row[name], 0);

function channel(topic) {
  const tile = el("li", "tile");
  tile.dataset.alarm = topic.longestWaiting?.whenRequested ?? "";
  return nest(
    tile,
    el("h3", "", nameOf(topic)),
    nest(el("p", "waiting"), el("strong", "", topic.waiting), el("span", "", " waiting")),
    nest(
      el("dl", ""),
      fact("Longest wait", topic.waiting ? since(topic.longestWaiting?.whenRequested) : "–"),
      fact("Live", topic.live),
      fact("Unanswered", topic.unanswered),
    ),
  );
}

function customer(session) {
  const row = el("li", "customer");
  const isAway = session.customerAwaySeconds >= AWAY_S;
  row.dataset.alarm = session.whenRequested;
  return nest(
    row,
    nest(
      el("span", "who"),
      el("strong", "", session.customerName || "Unknown"),
      el("span", "topic", `${nameOf(session)}, place ${session.queuePosition ?? "?"}`),
      ...(isAway ? [el("span", "away", `left ${clock(session.customerAwaySeconds)} ago`)] : []),
    ),
    since(session.whenRequested),
  );
}

const agent = ({ agent, live, unanswered }) =>
  nest(
    el("li", "agent"),
    el("span", "", agent.fullName || `Agent ${agent.associateId}`),
    el("span", "live", `${live} live`),
    ...(unanswered ? [el("span", "unanswered", `${unanswered} unanswered`)] : []),
  );

function draw() {
  if (!numbers || !queue) return; // of two answers, one can fail
  const { byTopic, byAgent, averageRating, rated } = numbers;
  const byName = (a, b) => nameOf(a).localeCompare(nameOf(b)); // tiles keep their places
  const first = queue[0]?.whenRequested;
  $("totals").replaceChildren(
    fact("Waiting", total(byTopic, "waiting"), first),
    fact("Longest wait", first ? since(first) : "–", first),
    fact("Live", total(byTopic, "live")),
    fact("Unanswered", total(byTopic, "unanswered")),
    fact(`Average of ${rated} rating${rated === 1 ? "" : "s"}`, rated ? `${averageRating.toFixed(1)} ★` : "–"),
  );
  $("channels").replaceChildren(...byTopic.toSorted(byName).map(channel));
  $("queue").replaceChildren(
    ...(queue.length ? queue.map(customer) : [el("li", "nobody", "Nobody is waiting.")]),
  );
  const busy = byAgent.filter(({ live }) => live);
  $("agents").replaceChildren(
    ...(busy.length ? busy.map(agent) : [el("li", "nobody", "No agent has a live chat.")]),
  );
  tick();
}

// Once a second: count up, and highlight long waits.
function tick() {
  for (const element of document.querySelectorAll("[data-since]"))
    element.textContent = element.dataset.since ? clock(secondsSince(element.dataset.since)) : "?";
  const isLate = (time) => Boolean(time) && secondsSince(time) >= ALARM_S;
  for (const element of document.querySelectorAll("[data-alarm]"))
    element.classList.toggle("late", isLate(element.dataset.alarm));
  const waiting = queue ?? [];
  const late = waiting.filter(({ whenRequested }) => isLate(whenRequested)).length;
  const who = late === 1 ? "1 customer has" : `${late} customers have`;
  const alarm = late ? `${who} waited for over two minutes` : "";
  if ($("alarm").textContent !== alarm) $("alarm").textContent = alarm; // read out once
  $("alarm").hidden = !late;
  document.title = `${late ? "⚠ " : ""}${waiting.length} waiting · Chat wallboard`;
}

// --- Logging in ------------------------------------------------------------------------------
function logIn(authorization) {
  connection?.close();
  numbers = queue = undefined;
  // Nothing of the last user stays, even if the gateway does not answer.
  for (const id of ["totals", "channels", "queue", "agents"]) $(id).replaceChildren();
  const url = new URL(endpoint, location.href.replace(/^http/, "ws"));
  // Headers go into `connection_init`: browsers cannot send them with a WebSocket. Times with an
  // offset mean the same everywhere.
  const headers = { Authorization: authorization, "SO-TimeZone": "UTC, includeTZOffset" };
  connection = connect(
    url,
    headers,
    {
      // Each event is the full state, also the first after a reconnect: replace the old one.
      numbers: {
        query: NUMBERS,
        show({ chatSessionSummary }) {
          numbers = chatSessionSummary;
          draw();
        },
      },
      queue: {
        query: QUEUE,
        show({ chatSessions }) {
          queue = chatSessions;
          if (queue.length) setClock(queue[0].fetchedAt);
          draw();
        },
      },
    },
    (state, text) => {
      $("state").dataset.state = document.body.dataset.state = state;
      $("state").textContent = text;
    },
  );
}

// The address has the user's name, so that a screen shows the same user after a restart.
const named = decodeURIComponent(location.hash.slice(1));
for (const [name, authorization] of JSON.parse(users))
  $("user").add(new Option(name, authorization, false, name === named));
$("user").onchange = ({ target }) => {
  location.hash = target.selectedOptions[0].text;
  logIn(target.value);
};
setInterval(tick, 1000);
logIn($("user").value);
