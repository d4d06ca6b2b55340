// Looks at the page of the demo in headless Chromium, over its debugging protocol.
//
//   node --experimental-websocket console/tests/browser/look.mjs \
//     target/release/examples/demo target/console.png
//
// Needs node 20.10 or newer, and Chromium: $CHROMIUM, or `chromium`. Fails if rows do not appear,
// settle or show failures, if the page reports an error, or if it asks another host for anything.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [program, picture] = process.argv.slice(2);
const PATIENCE = 60_000; // milliseconds

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

// The first match in what a child says.
function said(stream, pattern) {
  return new Promise((resolve, reject) => {
    let text = "";
    stream.on("data", (data) => {
      text += data;
      const match = text.match(pattern);
      if (match) resolve(match[1]);
    });
    stream.on("close", () => reject(new Error(`it ended without ${pattern}: ${text}`)));
  });
}

// A tab of the browser: commands, and what it has told.
class Tab {
  static async open(port) {
    const response = await fetch(`http://127.0.0.1:${port}/json/new`, { method: "PUT" });
    const { webSocketDebuggerUrl } = await response.json();
    const tab = new Tab();
    tab.socket = new WebSocket(webSocketDebuggerUrl);
    tab.pending = new Map();
    tab.events = [];
    tab.socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.id) tab.pending.get(message.id)(message);
      else tab.events.push(message);
    };
    await new Promise((resolve, reject) => {
      tab.socket.onopen = resolve;
      tab.socket.onerror = reject;
    });
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await tab.ask(`${domain}.enable`);
    return tab;
  }

  ask(method, params = {}) {
    const id = this.pending.size + 1;
    this.socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => {
      this.pending.set(id, ({ result, error }) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result));
    });
  }

  async value(expression) {
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", {
      expression, returnByValue: true,
    });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.text}`);
    return result.value;
  }

  async until(what, expression) {
    const start = Date.now();
    // The page may not be there yet.
    const guarded = `(() => { try { return ${expression} } catch { return false } })()`;
    while (!(await this.value(guarded))) {
      if (Date.now() - start > PATIENCE) throw new Error(`not on the page: ${what}`);
      await pause(100);
    }
    console.log(`ok: ${what}`);
  }
}

async function look(tab, url) {
  await tab.ask("Emulation.setDeviceMetricsOverride", {
    width: 1280, height: 1000, deviceScaleFactor: 1, mobile: false,
  });
  await tab.ask("Page.navigate", { url });
  const rows = (body, text) =>
    `[...document.querySelectorAll("#${body} tr")].some((row) => row.innerText.includes("${text}"))`;
  await tab.until("it is connected", `document.getElementById("link").innerText === "live"`);
  await tab.until("a task runs", rows("live", "running"));
  await tab.until("a task has a place", rows("live", "demo.rs:"));
  await tab.until("a task has settled", rows("ended", "succeeded"));
  await tab.until("a failure is shown", rows("failures", "the proof has a hole"));
  await tab.until("both pools are there", `document.querySelectorAll(".pool").length === 2`);
  await tab.until("the timeline has slices", `state.boxes.length > 10`);
  // Long enough for the sparklines and the timeline to have something to show.
  await pause(6000);
  const frames = await tab.value("Number(document.body.dataset.frames)");
  await pause(2000);
  const later = await tab.value("Number(document.body.dataset.frames)");
  if (later - frames < 4) throw new Error(`the page froze: ${later - frames} frames in 2 s`);
  console.log(`ok: ${later - frames} frames in 2 s`);
  const wrong = tab.events.filter(({ method, params }) =>
    method === "Runtime.exceptionThrown" || (method === "Log.entryAdded" &&
      params.entry.level === "error"));
  if (wrong.length) throw new Error(`the page reports ${JSON.stringify(wrong)}`);
  const asked = tab.events.filter(({ method }) => method === "Network.requestWillBeSent");
  const foreign = asked.map(({ params }) => params.request.url)
    .filter((it) => !it.startsWith(url) && !it.startsWith("data:"));
  if (foreign.length) throw new Error(`the page asks for ${foreign}`);
  console.log(`ok: ${asked.length} requests, all to the console`);
  const { data } = await tab.ask("Page.captureScreenshot", { format: "png" });
  await writeFile(picture, Buffer.from(data, "base64"));
  console.log(`ok: ${picture}`);
}

const profile = await mkdtemp(join(tmpdir(), "console-"));
const demo = spawn(program, ["120"], { stdio: ["ignore", "pipe", "ignore"] });
const browser = spawn(process.env.CHROMIUM ?? "chromium", [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
  `--user-data-dir=${profile}`, "about:blank",
], { stdio: ["ignore", "ignore", "pipe"] });
try {
  const url = await said(demo.stdout, /open (\S+)/);
  const port = await said(browser.stderr, /DevTools listening on ws:\/\/[^:]+:(\d+)/);
  await look(await Tab.open(port), url);
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
} finally {
  const gone = new Promise((resolve) => browser.on("close", resolve));
  demo.kill();
  browser.kill();
  await gone;
  await rm(profile, { recursive: true, force: true });
  process.exit();
}
