// Opens a console in Chromium, in New York, and prints what its rows show.
//
// node console.mjs '{"chromium": program, "page": address, "shot": file}'
import { chromium } from "playwright-core";

const { chromium: executablePath, page: address, shot } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({ executablePath, headless: true, args: ["--no-sandbox"] });
const context = await browser.newContext({ timezoneId: "America/New_York", locale: "en-US" });
const page = await context.newPage();
const errors = [];
page.on("console", (message) => {
  if (["error", "warning"].includes(message.type())) errors.push(message.text());
});
page.on("pageerror", (error) => errors.push(String(error)));

const read = () =>
  page.locator("tbody tr").evaluateAll((rows) =>
    rows.map((row) => ({
      country: row.cells[1].textContent,
      status: row.dataset.status,
      wait: Number(row.dataset.wait),
      age: Number(row.querySelector("[data-age]").dataset.age),
      text: row.textContent,
    })),
  );
await page.goto(address);
await page.locator("tbody tr").first().waitFor();
const rows = await read();
await page.screenshot({ path: shot });
// Something happens at the desk every second.
const statuses = () => page.locator("tbody tr").evaluateAll((all) => all.map((row) => row.dataset.status));
const before = (await statuses()).join();
for (const end = Date.now() + 20_000; (await statuses()).join() === before && Date.now() < end; ) {
  await page.waitForTimeout(200);
}
console.log(JSON.stringify({ rows, errors, hasChanged: (await statuses()).join() !== before }));
await browser.close();
