// Opens both consoles and Altair in Chromium, in New York, and prints what they show.
//
// node console.mjs '{"chromium": program, "site": address, "login": {"url", "authorization"}, "folder": of the site}'
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderAltair } from "altair-static";
import { chromium } from "playwright-core";

const { chromium: executablePath, site, login, folder } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({ executablePath, headless: true, args: ["--no-sandbox"] });
const context = await browser.newContext({ timezoneId: "America/New_York", locale: "en-US" });

async function opened(address) {
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(address);
  return { page, errors };
}

async function consoleOf(name) {
  const { page, errors } = await opened(`${site}/${name}.html#${new URLSearchParams(login)}`);
  const rows = page.locator("tbody tr");
  const read = () =>
    rows.evaluateAll((all) =>
      all.map((row) => ({
        country: row.cells[1].textContent,
        status: row.dataset.status,
        wait: Number(row.dataset.wait),
        age: Number(row.querySelector("[data-age]").dataset.age),
        text: row.textContent,
      })),
    );
  await rows.first().waitFor();
  const first = await read();
  await page.screenshot({ path: join(folder, `${name}.png`) });
  // Something happens at the desk every second.
  const statuses = () => rows.evaluateAll((all) => all.map((row) => row.dataset.status).join());
  const before = await statuses();
  for (const end = Date.now() + 20_000; (await statuses()) === before && Date.now() < end; ) {
    await page.waitForTimeout(200);
  }
  return { rows: first, errors, hasChanged: (await statuses()) !== before };
}

// Altair as somebody hosts it for their team: it fetches the docs, a query runs, and a subscription.
async function altair() {
  const headers = { Authorization: login.authorization };
  const html = renderAltair({
    baseURL: "altair/",
    endpointURL: login.url,
    subscriptionsEndpoint: login.url.replace("http", "ws"),
    initialSubscriptionRequestHandlerId: "graphql-ws",
    initialHeaders: headers,
    initialSubscriptionsPayload: headers,
    initialQuery: `query Count { chatSessionSummary { total } }
      subscription Live { chatSessionChanges { isInitial } }`,
  });
  writeFileSync(join(folder, "altair.html"), html);
  const { page, errors } = await opened(`${site}/altair.html`);
  const result = (pattern) => page.getByText(pattern).first().waitFor();
  const send = page.getByText("(Send query Count)");
  const appears = () => send.waitFor({ timeout: 8_000 }).then(() => true, () => false);
  // Now and then Altair starts without offering the operations, until it is loaded again.
  for (let tries = 0; tries < 5 && !(await appears()); tries++) await page.reload();
  await send.click();
  await result('"total": 20');
  await page.getByText("(Send subscription Live)").click();
  await result('"isInitial": true');
  await result('"isInitial": false');
  await page.locator("[track-id=show_docs]").click();
  const docs = page.locator("app-doc-viewer");
  await docs.getByText("Query", { exact: true }).click();
  await docs.getByText("chatSessionConnection").first().waitFor();
  await page.screenshot({ path: join(folder, "altair.png") });
  return { errors };
}

const [apollo, urql, seen] = await Promise.all([consoleOf("apollo"), consoleOf("urql"), altair()]);
console.log(JSON.stringify({ apollo, urql, altair: seen }));
await browser.close();
