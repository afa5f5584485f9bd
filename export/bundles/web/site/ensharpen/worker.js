/** Runs the network away from the page, so that it stays responsive. Messages carry the number of the request. */
import { EnSharpen } from "./index.js";

/** @type {Promise<EnSharpen> | undefined} */
let opened;
/** @type {AbortController | undefined} */
let running;

/** @param {{ folder: string, runtime: string, backend: "wasm" | "webgpu" }} wanted */
async function open({ folder, runtime, backend }) {
  await (await opened?.catch(() => undefined))?.close();
  const ort = await import(new URL(`ort.${backend}.min.mjs`, runtime).href);
  ort.env.wasm.wasmPaths = runtime;
  // Threads share memory, which browsers allow on pages with COOP and COEP headers only.
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  return EnSharpen.load(folder, { ort, backend });
}

/** @type {Record<string, (content: any, number: number) => Promise<{ answer: any, transfer?: Transferable[] }>>} */
const tasks = {
  async open(wanted) {
    opened = open(wanted);
    const network = await opened;
    const agreement = await network.selfTest();
    return { answer: { manifest: network.manifest, agreement, threads: globalThis.crossOriginIsolated } };
  },
  async sharpen({ image }, number) {
    if (!opened) throw new Error("no network is open");
    running = new AbortController();
    const onProgress = (/** @type {number} */ done, /** @type {number} */ total) =>
      postMessage({ number, progress: { done, total } });
    const result = await (await opened).sharpen(image, { signal: running.signal, onProgress });
    return { answer: result, transfer: [result.data.buffer] };
  },
};

addEventListener("message", async ({ data: { number, task, content } }) => {
  if (task === "cancel") {
    running?.abort();
    return;
  }
  try {
    const { answer, transfer = [] } = await tasks[task](content, number);
    postMessage({ number, answer }, { transfer });
  } catch (error) {
    const aborted = error instanceof DOMException && error.name === "AbortError";
    postMessage({ number, error: aborted ? "cancelled" : String(error instanceof Error ? error.message : error) });
  }
});
