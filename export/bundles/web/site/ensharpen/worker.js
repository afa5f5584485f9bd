/** Runs the network away from the page, so that it stays responsive. Messages carry the number of the request. */
import { EnSharpen } from "./index.js";

/** @type {EnSharpen | undefined} */
let network;
/** @type {AbortController | undefined} */
let running;
/** Requests wait for each other: a session that is closed while it runs takes the browser's tab with it. */
let last = Promise.resolve();

/** @type {Record<string, (content: any, number: number) => Promise<{ answer: any, transfer?: Transferable[] }>>} */
const tasks = {
  /** @param {{ folder: string, runtime: string, backend: "wasm" | "webgpu" }} wanted */
  async open({ folder, runtime, backend }) {
    await network?.close();
    network = undefined;
    const ort = await import(new URL(`ort.${backend}.min.mjs`, runtime).href);
    ort.env.wasm.wasmPaths = runtime;
    // Threads share memory, which browsers allow on pages with COOP and COEP headers only.
    ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
    const opened = await EnSharpen.load(folder, { ort, backend });
    const agreement = await opened.selfTest();
    network = opened;
    return { answer: { manifest: opened.manifest, agreement, threads: globalThis.crossOriginIsolated } };
  },
  async sharpen({ image }, number) {
    if (!network) throw new Error("no network is open");
    running = new AbortController();
    const onProgress = (/** @type {number} */ done, /** @type {number} */ total) =>
      postMessage({ number, progress: { done, total } });
    const result = await network.sharpen(image, { signal: running.signal, onProgress });
    return { answer: result, transfer: [result.data.buffer] };
  },
};

/** @param {{ number: number, task: string, content: any }} request */
async function answer({ number, task, content }) {
  try {
    const { answer, transfer = [] } = await tasks[task](content, number);
    postMessage({ number, answer }, { transfer });
  } catch (error) {
    const aborted = error instanceof DOMException && error.name === "AbortError";
    postMessage({ number, error: aborted ? "cancelled" : String(error instanceof Error ? error.message : error) });
  }
}

addEventListener("message", ({ data }) => {
  if (data.task === "cancel") running?.abort();
  else last = last.then(() => answer(data));
});
