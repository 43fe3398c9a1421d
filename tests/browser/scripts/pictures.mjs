// Takes the pictures of the manual: each page in light and in dark, as JPEG.
//
// node pictures.mjs '{"chromium": program, "folder": of the pictures, "url": of a demo gateway}'

import { join } from "node:path";
import { chromium } from "playwright-core";

const { chromium: executablePath, folder, url } = JSON.parse(process.argv[2]);

const SIZES = { graphiql: [1280, 800], wallboard: [1440, 940] };
const PAGES = {
  async graphiql(page) {
    await page.getByRole("tab", { name: "Queue" }).click();
    const answered = page.waitForResponse((response) => response.request().method() === "POST");
    await page.getByRole("button", { name: "Execute query" }).click();
    await answered;
    await page.waitForTimeout(1_000);
  },
  async wallboard(page) {
    // With somebody who waits too long, if that happens soon.
    await page.locator("#alarm").waitFor({ timeout: 150_000 }).catch(() => {});
  },
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
for (const colorScheme of ["light", "dark"]) {
  const context = await browser.newContext({ colorScheme });
  for (const [name, path] of [["graphiql", "graphql"], ["wallboard", "wallboard"]]) {
    const page = await context.newPage();
    const [width, height] = SIZES[name];
    await page.setViewportSize({ width, height });
    const response = await page.goto(`${url}/${path}`, { waitUntil: "load" });
    if (response.ok()) {
      await PAGES[name](page);
      const file = join(folder, `${name}-${colorScheme}.jpg`);
      await page.screenshot({ path: file, type: "jpeg", quality: 80 });
      console.log(file);
    }
    await page.close();
  }
  await context.close();
}
await browser.close();
