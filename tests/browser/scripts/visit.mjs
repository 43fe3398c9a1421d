// Opens a page in Chromium, does what a person would, and prints what came of it as JSON.
//
// node visit.mjs '{"chromium": program, "folder": of its own, "page": address,
//                  "scenario": name, "authorization": header}'

import { join } from "node:path";
import { chromium } from "playwright-core";
import * as scenarios from "./scenarios.mjs";

const options = JSON.parse(process.argv[2]);

const context = await chromium.launchPersistentContext(join(options.folder, "profile"), {
  executablePath: options.chromium,
  headless: true,
  viewport: { width: 1280, height: 800 },
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
context.setDefaultTimeout(15_000);
const page = context.pages()[0];

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

const shot = (name) => page.screenshot({ path: join(options.folder, `${name}.png`) });

try {
  await page.goto(options.page);
  const found = await scenarios[options.scenario](page, shot, options);
  console.log(JSON.stringify({ ...seen, found }));
} catch (error) {
  await shot("failed");
  throw error;
} finally {
  await context.close();
}
