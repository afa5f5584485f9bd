/** The page: a photograph in, a sharper one out. Everything is computed here, nothing is sent anywhere. */
import { decode } from "./ensharpen/index.js";

const RUNTIME = new URL("node_modules/onnxruntime-web/dist/", location.href).href;
const BACKEND = new URLSearchParams(location.search).get("backend") === "webgpu" ? "webgpu" : "wasm";

/** @type {<T extends HTMLElement>(id: string) => T} */
const element = (id) => /** @type {any} */ (document.getElementById(id));
const parts = {
  model: /** @type {HTMLSelectElement} */ (element("model")),
  file: /** @type {HTMLInputElement} */ (element("file")),
  drop: element("drop"),
  status: element("status"),
  bar: /** @type {HTMLProgressElement} */ (element("bar")),
  cancel: /** @type {HTMLButtonElement} */ (element("cancel")),
  result: element("result"),
  before: /** @type {HTMLCanvasElement} */ (element("before")),
  after: /** @type {HTMLCanvasElement} */ (element("after")),
  divider: /** @type {HTMLInputElement} */ (element("divider")),
  strength: /** @type {HTMLInputElement} */ (element("strength")),
  download: /** @type {HTMLButtonElement} */ (element("download")),
};

const worker = new Worker(new URL("./ensharpen/worker.js", import.meta.url), { type: "module" });
/** @type {Map<number, { resolve: (answer: any) => void, reject: (error: Error) => void, onProgress?: Function }>} */
const waiting = new Map();
let asked = 0;

worker.addEventListener("message", ({ data: { number, answer, error, progress } }) => {
  const request = waiting.get(number);
  if (progress) return void request?.onProgress?.(progress);
  waiting.delete(number);
  if (error === undefined) request?.resolve(answer);
  else request?.reject(new Error(error));
});
worker.addEventListener("error", (event) => {
  for (const { reject } of waiting.values()) reject(new Error(`the worker failed: ${event.message}`));
  waiting.clear();
});

/**
 * @param {string} task
 * @param {any} content
 * @param {Function} [onProgress]
 * @returns {Promise<any>}
 */
function ask(task, content, onProgress) {
  const number = ++asked;
  return new Promise((resolve, reject) => {
    waiting.set(number, { resolve, reject, onProgress });
    worker.postMessage({ number, task, content });
  });
}

/** @param {string} text */
function say(text) {
  parts.status.textContent = text;
}

/** @type {{ name: string, before: ImageData, after: ImageData } | undefined} */
let shown;
/** @type {Promise<any>} */
let network = Promise.reject(new Error("no model is open"));
network.catch(() => undefined);

async function openModel() {
  const folder = new URL(parts.model.value, location.href).href;
  say("Opening the model …");
  parts.file.disabled = true;
  network = ask("open", { folder, runtime: RUNTIME, backend: BACKEND });
  try {
    const { manifest, agreement, threads } = await network;
    const exact = Number.isFinite(agreement) ? `${agreement.toFixed(0)} dB` : "exactly";
    say(
      `${manifest.name}, ${manifest.precision}, ${BACKEND}${threads ? ", several threads" : ""}: reproduces its golden ` +
        `picture (${exact}). Choose a photograph.`,
    );
    parts.file.disabled = false;
  } catch (error) {
    const missing = /dynamically imported module|Failed to fetch/.test(String(error));
    say(`${error instanceof Error ? error.message : error}${missing ? " (see README: npm install)" : ""}`);
  }
}

/** Number of the photograph that was chosen last: what comes of earlier ones is not shown any more. */
let latest = 0;

/** @param {File} file */
async function sharpen(file) {
  const mine = ++latest;
  worker.postMessage({ task: "cancel" });
  parts.result.hidden = true;
  parts.cancel.hidden = parts.bar.hidden = false;
  parts.bar.removeAttribute("value");
  document.body.dataset.state = "busy";
  try {
    await network;
    say(`Sharpening ${file.name} …`);
    const image = /** @type {ImageData} */ (await decode(file));
    if (mine !== latest) return;
    const begun = performance.now();
    const output = await ask("sharpen", { image }, (/** @type {any} */ { done, total }) => {
      if (mine !== latest) return;
      parts.bar.max = total;
      parts.bar.value = done;
    });
    if (mine !== latest) return;
    const seconds = (performance.now() - begun) / 1000;
    shown = { name: file.name, before: image, after: new ImageData(output.data, output.width, output.height) };
    draw();
    parts.result.hidden = false;
    say(`${file.name}: ${output.width}x${output.height} in ${seconds.toFixed(1)} s. Move the divider to compare.`);
    document.body.dataset.state = "done";
  } catch (error) {
    if (mine !== latest) return;
    say(`${file.name}: ${error instanceof Error ? error.message : error}`);
    document.body.dataset.state = "failed";
  } finally {
    if (mine === latest) parts.cancel.hidden = parts.bar.hidden = true;
  }
}

/** The picture at the strength that is set. */
function blended() {
  const { before, after } = /** @type {NonNullable<typeof shown>} */ (shown);
  const share = parts.strength.valueAsNumber / 100;
  if (share === 1) return after;
  const canvas = new OffscreenCanvas(after.width, after.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const small = new OffscreenCanvas(before.width, before.height);
  /** @type {OffscreenCanvasRenderingContext2D} */ (small.getContext("2d")).putImageData(before, 0, 0);
  context.drawImage(small, 0, 0, after.width, after.height);
  const mixed = context.getImageData(0, 0, after.width, after.height);
  for (let index = 0; index < mixed.data.length; index++) {
    mixed.data[index] += share * (after.data[index] - mixed.data[index]);
  }
  return mixed;
}

function draw() {
  if (!shown) return;
  for (const [canvas, image] of /** @type {[HTMLCanvasElement, ImageData][]} */ ([
    [parts.before, shown.before],
    [parts.after, blended()],
  ])) {
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d")?.putImageData(image, 0, 0);
  }
  divide();
}

function divide() {
  parts.after.style.clipPath = `inset(0 0 0 ${parts.divider.value}%)`;
}

async function download() {
  if (!shown) return;
  const image = blended();
  const canvas = new OffscreenCanvas(image.width, image.height);
  /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" }));
  link.download = shown.name.replace(/\.[^.]*$/, "") + "-sharp.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

parts.model.addEventListener("change", openModel);
parts.file.addEventListener("change", () => parts.file.files?.[0] && sharpen(parts.file.files[0]));
// The same photograph may be chosen again, after a cancel or with another model.
parts.file.addEventListener("click", () => (parts.file.value = ""));
parts.cancel.addEventListener("click", () => worker.postMessage({ task: "cancel" }));
parts.divider.addEventListener("input", divide);
parts.strength.addEventListener("input", draw);
parts.download.addEventListener("click", download);
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    parts.drop.classList.toggle("over", kind === "dragover");
  });
}
document.addEventListener("dragleave", () => parts.drop.classList.remove("over"));
document.addEventListener("drop", (event) => {
  const file = event.dataTransfer?.files[0];
  if (file && !parts.file.disabled) void sharpen(file);
});

try {
  const bundle = await (await fetch("bundle.json")).json();
  for (const { name, folder } of bundle.models) parts.model.add(new Option(name, folder));
  await openModel();
} catch (error) {
  say(`bundle.json cannot be read (${error}): serve this folder, for example with: python3 -m http.server`);
}
