// Opens pages in one Chromium, does what a person would, and says what came of it: each line of
// JSON on stdin is a visit, in a profile of its own, and is answered by a line of JSON on stdout.
//
// node visit.mjs program
// {"folder": for screenshots, "page": address, "scenario": name, "authorization": header}

import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import * as scenarios from "./scenarios.mjs";

const LONGEST_MS = 240_000;

const browser = await chromium.launch({
  executablePath: process.argv[2],
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Nothing but the gateway can be found.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ],
});

async function visit(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();

  const seen = { console_errors: [], violations: [], requests: [] };
  page.on("console", (message) => {
    if (message.type() === "error") seen.console_errors.push(message.text());
  });
  page.on("pageerror", (error) => seen.console_errors.push(String(error)));
  page.on("request", (request) => seen.requests.push(request.url()));
  await page.exposeFunction("reportViolation", (text) => seen.violations.push(text));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      window.reportViolation(`${event.violatedDirective}: ${event.blockedURI}`),
    );
  });

  const taken = (name) => page.screenshot({ path: join(options.folder, `${name}.png`) });
  const shot = process.env.SCREENSHOTS ? taken : () => {}; // to look at; they take a while

  try {
    await page.goto(options.page);
    const found = await scenarios[options.scenario](page, shot, options);
    return { ...seen, found };
  } catch (error) {
    await taken("failed");
    throw error;
  } finally {
    await context.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const timer = setTimeout(() => process.exit(1), LONGEST_MS);
  const answer = await visit(JSON.parse(line)).catch(({ stack }) => ({ failed: stack }));
  clearTimeout(timer);
  console.log(JSON.stringify(answer));
}
await browser.close();
