// Subscriptions over one WebSocket (graphql-transport-ws) that reconnects until it is closed.
//
//   const connection = connect(url, { Authorization: "…" }, {
//     queue: { query: "subscription { … }", show: (data) => … },
//   }, (state, text) => …);
//   connection.close();
//
// States: "connecting", "live", "waiting" (it will reconnect), "stopped" (it will not).

// Close codes after which a reconnect fails too: invalid messages and rejected credentials.
const FINAL = new Set([4400, 4401, 4403]);
const FINAL_ERRORS = new Set(["UNAUTHENTICATED", "FORBIDDEN", "GRAPHQL_VALIDATION_FAILED"]);
const PING_MS = 10_000;

export function connect(url, credentials, subscriptions, report) {
  let socket, timer;
  let isClosed = false;
  let failures = 0, unanswered = 0, problem = "Disconnected.";

  function open() {
    report("connecting", "Connecting …");
    socket = new WebSocket(url, "graphql-transport-ws");
    socket.onopen = () => send({ type: "connection_init", payload: credentials });
    socket.onmessage = ({ data }) => receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => (FINAL.has(code) ? stop(reason) : retry());
    unanswered = 0;
    clearTimeout(timer);
    timer = setTimeout(check, PING_MS);
  }

  const send = (message) => socket.send(JSON.stringify(message));

  function receive({ type, id, payload }) {
    unanswered = 0;
    if (type === "connection_ack") {
      for (const [id, { query }] of Object.entries(subscriptions))
        send({ id, type: "subscribe", payload: { query } });
    } else if (type === "ping") {
      send({ type: "pong" });
    } else if (type === "next") {
      // An error nulls only its field: the other data is valid.
      const [error] = payload.errors ?? [];
      const hasData = payload.data && Object.values(payload.data).every((value) => value !== null);
      if (hasData) subscriptions[id].show(payload.data);
      else if (error) return fail(error);
      if (error) console.warn(error.message);
      [failures, problem] = [0, "Disconnected."];
      report("live", "Live");
    } else if (type === "error") {
      fail(payload[0]);
      if (!isClosed) socket.close(); // the subscription has ended: reconnect
    } else if (type === "complete") {
      socket.close();
    }
  }

  function fail({ message, extensions = {} }) {
    if (FINAL_ERRORS.has(extensions.code)) return stop(message);
    problem = message;
    report("waiting", problem);
  }

  // A connection can be lost without an event: it is dead if nothing arrives after three pings. On a
  // slow line, a large event takes longer than one.
  function check() {
    if (unanswered++ === 3) return abandon();
    if (socket.readyState === WebSocket.OPEN) send({ type: "ping" });
    timer = setTimeout(check, PING_MS);
  }

  function abandon() {
    hangUp();
    retry();
  }

  // Close without waiting for the server, which may be unreachable.
  function hangUp() {
    socket.onclose = socket.onmessage = null;
    socket.close();
  }

  // Exponential backoff with jitter, so that screens do not reconnect at the same moment.
  function retry() {
    clearTimeout(timer);
    if (isClosed) return;
    const wait = Math.min(30, 2 ** failures++) * (0.5 + Math.random());
    report("waiting", `${problem} Next try in ${Math.ceil(wait)} s.`);
    timer = setTimeout(open, wait * 1000);
  }

  function stop(reason) {
    close();
    report("stopped", reason || "The gateway has refused the connection.");
  }

  function close() {
    isClosed = true;
    clearTimeout(timer);
    removeEventListener("online", now);
    hangUp();
  }

  // The network is back: do not wait for the timer.
  function now() {
    if (socket.readyState !== WebSocket.CLOSED) return;
    clearTimeout(timer);
    open();
  }

  addEventListener("online", now);
  open();
  return { close };
}
