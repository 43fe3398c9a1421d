// What a person does on each page, step by step; each scenario returns what they saw.

import { readFileSync } from "node:fs";

const AXE = readFileSync("node_modules/axe-core/axe.min.js", "utf8");
const VIOLATIONS = { resultTypes: ["violations"] }; // to describe what is right takes most of the time

const QUERY = ".graphiql-query-editor .CodeMirror";
const HEADERS = ".graphiql-editor-tool .CodeMirror >> nth=-1"; // after the variables
const ANSWER = ".result-window .CodeMirror";

// Half a minute may pass in the demo until something happens that a page shows.
const SOON = { timeout: 60_000 };

const textOf = (page, editor) =>
  page.locator(editor).evaluate((element) => element.CodeMirror.getValue());

const write = async (page, editor, text) => {
  await page.locator(editor).click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText(text);
};

const writeHeaders = async (page, headers) => {
  await page.getByRole("button", { name: "Headers", exact: true }).click();
  await write(page, HEADERS, JSON.stringify(headers));
};

// What axe-core finds serious or critical in the part of the page that is ours.
const barriers = async (page) => {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((options) => axe.run(".gateway-title", options), VIOLATIONS);
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target)}`);
};

// Runs what is in the editors; GraphiQL empties the answer first.
const run = async (page) => {
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.getByRole("button", { name: "Execute query" }).click();
  const response = await answered;
  const status = response.status();
  run.sent = response.request();
  await page.waitForFunction(
    (selector) => document.querySelector(selector).CodeMirror.getValue().trim() !== "",
    ANSWER,
  );
  return { status, ...JSON.parse(await textOf(page, ANSWER)) };
};

// Waits until another answer is shown than the one that is there.
const nextAnswer = async (page, shown) => {
  const before = shown ?? (await textOf(page, ANSWER));
  await page.waitForFunction(
    ([selector, before]) => {
      const text = document.querySelector(selector).CodeMirror.getValue();
      return text.trim() !== "" && text !== before;
    },
    [ANSWER, before],
    SOON,
  );
  return JSON.parse(await textOf(page, ANSWER));
};

// Waits until the page has the schema.
const opened = async (page) => {
  await page.locator(QUERY).waitFor();
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.locator(".graphiql-doc-explorer-content >> text=Query").first().waitFor();
  await page.getByRole("button", { name: "Hide Documentation Explorer" }).click();
};

const chooseSetting = async (page, button) => {
  await page.getByRole("button", { name: "Open settings dialog" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator(button).click();
  await dialog.getByRole("button", { name: "Close dialog" }).click();
  await dialog.waitFor({ state: "detached" });
};

const chooseTheme = async (page, name) => {
  await chooseSetting(page, `[data-theme="${name}"]`);
  const container = page.locator(".graphiql-container");
  return container.evaluate((element) => getComputedStyle(element).backgroundColor);
};

// GraphiQL takes a moment to see which operation this is.
const detected = (page, name) =>
  page.waitForFunction(
    ([selector, name]) => document.querySelector(selector).CodeMirror.operationName === name,
    [QUERY, name],
  );

const choose = async (page, name) => {
  await page.getByRole("tab").filter({ hasText: name }).click();
  await detected(page, name);
};

// What localStorage holds once GraphiQL has written its tabs, which it does after half a second.
const kept = async (page) => {
  await page.waitForTimeout(700);
  return page.evaluate(() => ({ ...localStorage }));
};

// Waits until what is kept has a text in it, or has it no longer.
const keeps = (page, text, is = true) =>
  page.waitForFunction(([text, is]) => JSON.stringify(localStorage).includes(text) === is, [text, is]);

// Each example, as the demo's first user.
export async function examples(page) {
  await opened(page);
  const found = { title: await page.title() };
  found.links = await page
    .locator(".gateway-title a")
    .evaluateAll((links) => links.map(({ href }) => new URL(href).pathname));
  found.tabs = await page.getByRole("tab").allInnerTexts();
  found.examples = [];
  for (const name of found.tabs.filter((name) => name !== "Live")) {
    await choose(page, name);
    found.examples.push(await run(page));
  }
  return found;
}

export async function graphiql(page, shot, { authorization }) {
  const found = await examples(page);
  const tabs = page.getByRole("tab");

  // A subscription, until it has answered for the second time.
  await choose(page, "Live");
  await page.getByRole("button", { name: "Execute query" }).click();
  found.live = [await nextAnswer(page, ""), await nextAnswer(page)];
  const users = page.getByRole("group", { name: "Demo users" }).getByRole("button");
  await users.nth(1).click(); // ends it
  await page.getByRole("button", { name: "Execute query" }).waitFor();
  await users.nth(0).click();
  await shot("light");

  // A subscription that is pasted, and run at once.
  await page.getByRole("button", { name: "New tab" }).click();
  await write(page, QUERY, "subscription { chatSessionSummary { total } }");
  await page.keyboard.press("ControlOrMeta+Enter");
  found.pasted = await nextAnswer(page, "");
  await page.getByRole("button", { name: "Stop query" }).click();

  // Queries that are pasted over others with a name, and run at once.
  for (const [name, list] of [
    ["noList", "limit: 2"],
    ["twoKeys", "orderBy: [{ status: ASC }, { whenRequested: ASC }]"],
    ["twoFilters", "filter: { or: [{ assigned: true }, { assigned: false }] }"],
  ]) {
    const shown = await textOf(page, ANSWER);
    await write(page, QUERY, `query ${name} { ${name}: chatSessions(${list}) { id } }`);
    await page.keyboard.press("ControlOrMeta+Enter");
    found[name] = await nextAnswer(page, shown);
    await detected(page, name);
  }

  // A query of one's own, with completion.
  await page.getByRole("button", { name: "New tab" }).click();
  await page.locator(QUERY).click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("{ chatSessionSum");
  const hints = page.locator(".CodeMirror-hints");
  await hints.waitFor();
  found.completion = await hints.locator("li").allInnerTexts();
  await shot("completion");
  await page.keyboard.press("Enter");
  await page.keyboard.type(" { total");
  await page.keyboard.press("Escape");
  found.typed = await textOf(page, QUERY);

  // With headers of one's own, and as another user.
  await writeHeaders(page, { "SO-TimeZone": "UTC", Authorization: authorization });
  // As with the examples: this one has no name.
  await page.waitForFunction(
    (selector) => !document.querySelector(selector).CodeMirror.operationName,
    QUERY,
  );
  found.answer = await run(page);
  found.ownAuthorization = await run.sent.headerValue("authorization");
  await write(page, HEADERS, '{"SO-TimeZone": "UTC"}');
  await page.getByRole("button", { name: "Emma" }).click();
  found.answerToEmma = await run(page);
  found.emmas = [await run.sent.headerValue("authorization"), await run.sent.headerValue("so-timezone")];
  await choose(page, "MyChats");
  await run(page);
  found.emmasVariables = run.sent.postDataJSON().variables;
  found.barriers = await barriers(page);

  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.getByRole("combobox").click();
  await page.keyboard.type("waitSeconds");
  await page.getByRole("option", { name: "ChatSession.waitSeconds" }).click();
  found.docs = await page.locator(".graphiql-doc-explorer-content").innerText();
  await shot("docs");

  await page.getByRole("button", { name: "Show History" }).click();
  found.history = await page.locator(".graphiql-history-item-label").allInnerTexts();

  found.dark = await chooseTheme(page, "dark");
  await shot("dark");
  await page.reload();
  await opened(page);
  found.isStillDark = await page.evaluate(() => document.body.matches(".graphiql-dark"));
  found.tabsAfterReload = await tabs.allInnerTexts();
  found.light = await chooseTheme(page, "light");

  await page.getByRole("button", { name: "Open short keys dialog" }).click();
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  found.kept = await kept(page);
  return found;
}

// Someone with a phone, who turns to a desk: where things are in each window.
export async function narrowAndWide(page, shot) {
  const boxOf = (selector) => page.locator(selector).first().boundingBox();
  const found = {};
  await opened(page);
  found.hint = await page
    .locator(".result-window")
    .evaluate((element) => getComputedStyle(element, "::after").content);
  found.comment = (await textOf(page, QUERY)).split("\n")[1];
  for (const [name, width, height] of [["narrow", 390, 844], ["wide", 1280, 800]]) {
    await page.setViewportSize({ width, height });
    await run(page);
    found[name] = {
      login: await boxOf(".demo-users"),
      link: await boxOf(".gateway-title a"),
      tabs: await boxOf(".graphiql-tabs"),
      editor: await boxOf(".graphiql-query-editor .graphiql-editor"),
      answer: await boxOf(".result-window"),
    };
    await shot(name);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole("tab", { name: "Live" }).click(); // scrolls there
  found.lastTab = await boxOf(".graphiql-tab-active");
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.locator(".graphiql-doc-explorer-content >> text=Query").first().waitFor();
  found.docs = await boxOf(".graphiql-plugin");
  await shot("narrow-docs");

  // A real gateway, at the same address later.
  await kept(page);
  const withoutUsers = async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace(/data-users="[^"]*"/, 'data-users="[]"');
    await route.fulfill({ response, body });
  };
  await page.route("**/graphql", withoutUsers, { times: 1 });
  await page.reload();
  await page.locator(QUERY).waitFor();
  found.commentWithoutUsers = (await textOf(page, QUERY)).split("\n")[1];
  return found;
}

// Someone who wants their headers kept, and then no longer.
export async function keepingHeaders(page, shot, { authorization }) {
  const found = {};
  await opened(page);
  await writeHeaders(page, { Authorization: authorization });
  await chooseSetting(page, "#enable-persist-headers");
  await keeps(page, authorization);
  found.keptOnceAsked = await kept(page);
  await page.reload();
  await opened(page);
  found.headersAfterReload = await textOf(page, HEADERS);
  const other = await page.context().newPage(); // another tab, with its own copy of the headers
  await other.goto(page.url());
  await opened(other);
  await chooseSetting(page, "#disable-persist-headers");
  await keeps(page, authorization, false);
  await write(other, QUERY, "{ __typename }");
  await keeps(other, "{ __typename }");
  await other.close();
  found.keptNoLonger = await kept(page);
  await page.reload();
  await opened(page);
  found.headersInTheEnd = await textOf(page, HEADERS);
  await shot("without-users");
  return found;
}

// Someone who logs in once, to a tenant of their own.
export async function loggingIn(page, shot, { authorization }) {
  await page.locator(QUERY).waitFor();
  const found = { barriers: await barriers(page) };
  await page.getByLabel("Tenant").fill("cust10001");
  await page.getByLabel("Authorization").fill(authorization);
  await opened(page);
  found.statuses = [];
  for (const name of ["Queue", "Summary"]) {
    await page.getByRole("tab", { name }).click();
    found.statuses.push((await run(page)).errors ?? "data");
  }
  found.kept = await kept(page);
  await shot("logged-in");
  return found;
}

// Someone with a subscription, while the gateway goes away.
export async function losing(page) {
  await opened(page);
  await choose(page, "Live");
  await page.getByRole("button", { name: "Execute query" }).click();
  await nextAnswer(page, "");
  await page.request.get(new URL("/stop", page.url()).href);
  const isError = ([selector]) =>
    document.querySelector(selector).CodeMirror.getValue().includes('"errors"');
  await page.waitForFunction(isError, [ANSWER], SOON);
  return { answer: JSON.parse(await textOf(page, ANSWER)) };
}

// Follows a link to a query.
export async function linked(page) {
  await page.locator(QUERY).waitFor();
  const variables = await textOf(page, ".graphiql-editor-tool .CodeMirror >> nth=0");
  return { query: await textOf(page, QUERY), variables, answer: await run(page) };
}

// A table of contents, wide tables, pictures, and code that is wider than a desk's window.
const MANUAL = ["docs", "docs/settings", "docs/performance", "docs/live"];

// The manual, in a phone's window and in a desk's, in light and in dark, with what axe finds there.
export async function manual(page, shot, { page: home }) {
  const found = { overflowing: [], inaccessible: [] };
  await page.goto(new URL("docs/", home).href);
  const pages = page.locator("nav a");
  const all = await pages.evaluateAll((links) => links.map(({ href }) => new URL(href).pathname.slice(1)));
  for (const [width, colorScheme] of [[390, "dark"], [390, "light"], [1280, "dark"], [1280, "light"]]) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme });
    // Every page once, those with all that can go wrong in each window and colour. Contrast, which
    // takes most of the time, is that of one style sheet: once in dark, once in light.
    const hasContrast = (width === 390) === (colorScheme === "dark");
    for (const path of width === 390 && colorScheme === "light" ? all : MANUAL) {
      const rules = { "color-contrast": { enabled: hasContrast && MANUAL.includes(path) } };
      const options = { ...VIOLATIONS, rules };
      await page.goto(new URL(path, home).href);
      const name = `${path.replace("/", "-")}-${width}-${colorScheme}`;
      const content = await page.evaluate(() => document.documentElement.scrollWidth);
      if (content > width) found.overflowing.push(name);
      await page.evaluate(AXE);
      const { violations } = await page.evaluate((options) => window.axe.run(options), options);
      for (const { id, nodes } of violations) {
        found.inaccessible.push(`${name}: ${id}: ${nodes[0].html.slice(0, 200)}`);
      }
      if (MANUAL.includes(path)) await shot(name);
    }
  }
  found.picture = await page.goto(new URL("docs/performance", home).href).then(() =>
    page.locator("img").evaluate(({ naturalWidth }) => naturalWidth),
  );

  await page.keyboard.press("/");
  await page.keyboard.type("webhook redis");
  const first = page.locator("#hits a").first();
  await first.waitFor();
  found.hits = await page.locator("#hits a").allInnerTexts();
  await shot("search");
  found.ranked = {};
  for (const word of ["rate", "log"]) {
    await page.locator("#search").fill(word);
    found.ranked[word] = await page.locator("#hits a").allInnerTexts();
  }
  await page.locator("#search").fill("webhook redis");
  await first.click();
  await page.waitForURL("**/docs/live#webhooks");
  found.heading = await page.locator("#webhooks").innerText();
  await page.locator("#search").fill("zebra");
  await page.locator("#hits:not([hidden])").waitFor();
  found.nothing = await page.locator("#hits").innerText();
  await page.keyboard.press("Escape");
  found.isBack = await page.locator("article").isVisible();
  return found;
}

export async function queryPage(page, shot, { authorization }) {
  const run = async () => {
    const answered = page.waitForResponse((response) => response.request().method() === "POST");
    await page.getByRole("button", { name: "Run" }).click();
    const status = (await answered).status();
    await page.locator("#run >> text=Run").waitFor();
    return { status, ...JSON.parse(await page.locator("#answer").innerText()) };
  };
  const found = { title: await page.title(), examples: [] };
  found.tabs = await page.locator("#example option").allInnerTexts();
  for (const name of found.tabs.filter((name) => name !== "Live")) {
    await page.getByLabel("Example").selectOption(name);
    found.examples.push(await run());
  }

  await page.getByLabel("Example").selectOption("Live");
  const answer = page.locator("#answer");
  const other = async (before) => {
    await page.waitForFunction(
      (text) => document.getElementById("answer").textContent !== text,
      before,
      SOON,
    );
    return answer.textContent();
  };
  const before = await answer.textContent();
  await page.getByRole("button", { name: "Run" }).click();
  const first = await other(before);
  found.live = [first, await other(first)].map((text) => JSON.parse(text));
  await page.getByLabel("Demo user").selectOption({ index: 1 }); // ends it
  await page.locator("#run >> text=Run").waitFor();
  await page.getByLabel("Demo user").selectOption({ index: 0 });
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator("#run >> text=Run").waitFor();
  await shot("light");

  await page.locator("#query").fill("query ($is: Boolean!) { chatSessionSummary @include(if: $is) { total } }");
  await page.locator("#variables").fill('{"is": true}');
  await page.locator("#headers").fill(`SO-TimeZone: UTC\nAuthorization: ${authorization}`);
  found.answer = await run();
  await page.getByLabel("Demo user").selectOption({ label: "Emma Clarke" });
  found.headers = await page.locator("#headers").inputValue();
  found.answerToEmma = await run();

  await page.emulateMedia({ colorScheme: "dark" });
  await shot("dark");
  found.kept = await kept(page);

  const query = "query A { __typename } query B { chatSessionSummary { total } }";
  await page.goto(`${page.url()}?${new URLSearchParams({ query, operationName: "B" })}`);
  found.linked = [await run()];
  await page.getByLabel("Example").selectOption("Summary");
  found.linked.push(await run());
  return found;
}

// A person in front of the wallboard, from a phone to a wall, while the gateway is restarted.
export async function wallboard(page, shot) {
  const state = (name) => page.locator(`#state[data-state="${name}"]`).waitFor();
  const texts = (selector) => page.locator(selector).allInnerTexts();
  const lines = async (selector) => (await texts(selector)).map((text) => text.split(/\s*\n\s*/));
  const found = { title: await page.title() };
  await state("live");
  await page.locator(".customer").first().waitFor();
  found.channels = await lines(".tile");
  found.queue = await lines(".customer");
  found.agents = await lines(".agent");
  found.totals = await lines("#totals div");
  found.isCalm = await page.locator("#alarm").isHidden();

  await page.locator("#alarm").waitFor();
  found.alarm = await page.locator("#alarm").innerText();
  found.late = await texts(".tile.late h3");
  // Its clock is set forward by an hour.
  await page.evaluate(() => {
    const before = Date.now;
    Date.now = () => before() + 3_600_000;
  });
  await page.waitForTimeout(1_100); // a tick
  found.longestWait = await page.locator("#totals .since").innerText();
  found.axe = {};
  found.overflow = [];
  found.channelsBelow = [];
  await page.evaluate(AXE);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const [width, height] of [[390, 844], [1280, 800], [1920, 1080]]) {
      await page.setViewportSize({ width, height });
      const { violations } = await page.evaluate((options) => window.axe.run(options), VIOLATIONS);
      for (const { id, nodes } of violations) found.axe[`${colorScheme} ${width} ${id}`] = nodes[0].html;
      found.overflow.push(
        await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
      );
      await shot(`${colorScheme}-${width}`);
      if (width === 390) continue;
      // A busy day, until the next event.
      const below = await page.evaluate(() => {
        const fill = (list, count) => {
          while (list.children.length < count) list.append(list.lastElementChild.cloneNode(true));
        };
        fill(document.getElementById("queue"), 30);
        fill(document.getElementById("channels"), 4);
        const tiles = [...document.querySelectorAll(".tile")];
        return tiles.filter((tile) => tile.getBoundingClientRect().bottom > window.innerHeight).length;
      });
      found.channelsBelow.push(below);
    }
  }

  // It waits for half a second at least: each text is noted, so that none is missed.
  await page.evaluate(() => {
    const shown = document.getElementById("state");
    window.told = [];
    new MutationObserver(() => window.told.push(shown.innerText)).observe(shown, {
      characterData: true,
      childList: true,
      subtree: true,
    });
  });
  const warning = page.waitForEvent("console", (message) => message.type() === "warning");
  await page.request.get(new URL("/restart", page.url()).href);
  const waiting = await page.waitForFunction(() =>
    window.told.find((text) => text.startsWith("Disconnected. Next try in ")),
  );
  found.waiting = await waiting.jsonValue();
  await state("live");
  found.warning = (await warning).text();
  found.told = await page.evaluate(() => window.told);

  await page.getByLabel("Log in as").selectOption({ label: "Nobody" });
  await state("stopped");
  found.stopped = await page.locator("#state").innerText();
  found.left = await texts("#totals > *, #channels > *, #queue > *, #agents > *");
  await page.reload();
  found.userAfterReload = await page.locator("#user option:checked").innerText();
  found.kept = await page.evaluate(() => ({ ...localStorage }));

  await page.routeWebSocket("**/graphql", (socket) =>
    socket.onMessage((text) => {
      const { type, id } = JSON.parse(text);
      const send = (message) => socket.send(JSON.stringify(message));
      const topic = { topicId: 10, waiting: 3, live: 0, unanswered: 0 };
      const chatSessionSummary = { byTopic: [topic], byAgent: [], averageRating: null, rated: 0 };
      const extensions = { code: "GRAPHQL_VALIDATION_FAILED" };
      if (type === "connection_init") send({ type: "connection_ack" });
      if (id === "numbers") send({ id, type: "next", payload: { data: { chatSessionSummary } } });
      if (id === "queue") send({ id, type: "error", payload: [{ message: "Hidden", extensions }] });
    }),
  );
  await page.reload();
  await state("stopped");
  found.withoutQueue = [
    await page.locator("#state").innerText(),
    ...(await texts("#totals > *, #channels > *, #queue > *, #agents > *")),
  ];
  return found;
}
