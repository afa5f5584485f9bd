// node drive_page.mjs PLAYWRIGHT BROWSER ADDRESS PHOTO DOWNLOAD SCREENSHOT: use the page as a visitor would; prints JSON.
import { createRequire } from "node:module";
const [playwright, executablePath, address, photo, target, screenshot] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(playwright);
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
});
const said = [];
const asked = [];
try {
  const context = await browser.newContext({ viewport: { width: 900, height: 1000 }, acceptDownloads: true });
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(address);
  await page.waitForSelector("#file:not([disabled])", { timeout: 60_000 });
  const ready = await page.textContent("#status");
  await page.setInputFiles("#file", photo);
  await page.waitForSelector("body[data-state=done], body[data-state=failed]", { timeout: 120_000 });
  const status = await page.textContent("#status");
  await page.focus("#divider");
  await page.keyboard.press("ArrowLeft");
  const clip = await page.evaluate(() => document.getElementById("after").style.clipPath);
  await page.screenshot({ path: screenshot, fullPage: true });
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  await download.saveAs(target);
  await page.fill("#strength", "0");
  await page.waitForTimeout(200);
  const same = await page.evaluate(() => {
    const [one, other] = ["before", "after"].map((id) => {
      const canvas = document.getElementById(id);
      return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    });
    return one.every((value, index) => value === other[index]);
  });
  const name = download.suggestedFilename();
  // A large photograph, cancelled; then two at once, of which the later one counts.
  const large = await page.evaluate(() => {
    const canvas = new OffscreenCanvas(1600, 1400);
    canvas.getContext("2d").fillRect(0, 0, 800, 700);
    return canvas.convertToBlob().then((blob) => blob.arrayBuffer()).then((bytes) => Array.from(new Uint8Array(bytes)));
  });
  const file = { name: "large.png", mimeType: "image/png", buffer: Buffer.from(large) };
  await page.setInputFiles("#file", file);
  await page.waitForFunction(() => document.getElementById("bar").value > 0, null, { timeout: 60_000 });
  await page.click("#cancel");
  await page.waitForSelector("body[data-state=failed]", { timeout: 60_000 });
  const cancelled = await page.textContent("#status");
  await page.setInputFiles("#file", file);
  await page.setInputFiles("#file", photo);
  await page.waitForSelector("body[data-state=done]", { timeout: 120_000 });
  await page.waitForTimeout(1500);
  const shown = await page.evaluate(() => document.getElementById("after").width);
  const isolated = await page.evaluate(() => crossOriginIsolated);
  console.log(JSON.stringify({ ready, status, clip, name, same, isolated, said, asked, cancelled, shown }));
} finally {
  await browser.close();
}
