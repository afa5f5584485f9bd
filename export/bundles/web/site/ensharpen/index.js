/**
 * EnSharpen in the browser: an exported network behind onnxruntime-web, with exact tiling.
 *
 * @typedef {import("./index.js").Pixels} Pixels
 * @typedef {import("./index.js").Manifest} Manifest
 */
import { cut, planFor } from "./tiling.js";

export { cut, evenWindow, planAxis, planFixed, planFor, planTiles, reflect, roundUp } from "./tiling.js";

/** Windows keep so many pixels a side: with the halo they have about 512, of which most are kept. */
const TILE = 400;

/** An artifact that cannot be used, or a device that computes something else. */
export class EnSharpenError extends Error {}

export class EnSharpen {
  /**
   * @param {any} ort onnxruntime-web
   * @param {any} session
   * @param {Manifest} manifest
   * @param {URL} folder
   */
  constructor(ort, session, manifest, folder) {
    this.manifest = manifest;
    this._ort = ort;
    this._session = session;
    this._folder = folder;
  }

  /**
   * Fetch an artifact, verify its model file, and open it.
   * @param {string | URL} folder of the artifact
   * @param {{ ort: any, backend?: "wasm" | "webgpu" }} how onnxruntime-web, imported by the caller
   */
  static async load(folder, { ort, backend = "wasm" }) {
    const base = new URL(String(folder).replace(/\/?$/, "/"), globalThis.location?.href);
    /** @type {Manifest} */
    const manifest = await (await fetched(new URL("manifest.json", base))).json();
    refuse(manifest);
    const bytes = await (await fetched(new URL(manifest.model_file, base))).arrayBuffer();
    await verify(bytes, manifest.files[manifest.model_file], manifest.model_file);
    const session = await ort.InferenceSession.create(bytes, { executionProviders: [backend] });
    return new EnSharpen(ort, session, manifest, base);
  }

  /**
   * Sharpen pixels; alpha is carried over.
   * @param {Pixels} image RGBA
   * @param {{ tile?: number | null, strength?: number, signal?: AbortSignal,
   *   onProgress?: (done: number, total: number) => void }} how
   * @returns {Promise<Pixels>} as high and wide as `io.enlarges` makes it
   */
  async sharpen(image, { tile = TILE, strength = 1, signal, onProgress } = {}) {
    const { io, shape } = this.manifest;
    const plan = planFor(shape, image.height, image.width, tile);
    const output = enlarged(image, io.enlarges);
    const windows = plan.rows.flatMap((rows) => plan.columns.map((columns) => ({ rows, columns })));
    for (const [number, { rows, columns }] of windows.entries()) {
      await nextTask();
      signal?.throwIfAborted();
      const result = await this._run(cut(image, rows, columns));
      paste(output, result, rows, columns, image, io.enlarges, strength);
      onProgress?.(number + 1, windows.length);
    }
    return output;
  }

  /**
   * Replay the golden image of the artifact on this device.
   * @returns {Promise<number>} PSNR against the expected picture, dB; Infinity where they are equal
   * @throws {EnSharpenError} It is less than the artifact allows.
   */
  async selfTest() {
    const [input, expected] = await Promise.all(
      ["input", "expected"].map(async (name) => {
        const file = `golden/${name}.png`;
        const bytes = await (await fetched(new URL(file, this._folder))).arrayBuffer();
        await verify(bytes, this.manifest.files[file], file);
        return decode(new Blob([bytes], { type: "image/png" }));
      }),
    );
    const found = psnr(await this.sharpen(input, { tile: null }), expected);
    // Both are pictures here, and rounding alone leaves 59 dB between pictures of equal floats.
    const needed = Math.min(this.manifest.golden?.agreement ?? 44, 52);
    if (!(found >= needed)) {
      throw new EnSharpenError(`this browser computes something else: ${found.toFixed(1)} dB, needs ${needed} dB`);
    }
    return found;
  }

  async close() {
    await this._session.release();
  }

  /** @param {{ values: Float32Array, height: number, width: number }} window */
  async _run(window) {
    const { input_name: input, output_name: output } = this.manifest.io;
    const tensor = new this._ort.Tensor("float32", window.values, [1, 3, window.height, window.width]);
    const results = await this._session.run({ [input]: tensor });
    const { data, dims } = results[output];
    return { values: /** @type {Float32Array} */ (data), height: dims[2], width: dims[3] };
  }
}

/**
 * Decode a picture into sRGB pixels, upright, its profile applied by the browser.
 * @param {Blob} blob
 * @returns {Promise<Pixels>}
 */
export async function decode(blob) {
  const bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Let messages in between two windows: a network that computes in this thread leaves no room for them otherwise. */
function nextTask() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(undefined);
  });
}

/** @param {URL} address */
async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new EnSharpenError(`${address}: ${response.status} ${response.statusText}`);
  return response;
}

/**
 * @param {ArrayBuffer} bytes
 * @param {string | undefined} stated sha256
 * @param {string} name
 */
async function verify(bytes, stated, name) {
  if (!globalThis.crypto?.subtle) {
    throw new EnSharpenError("hashes can be checked on https or localhost only: serve the page from there");
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== stated) throw new EnSharpenError(`${name} differs from the sha256 in the manifest`);
}

/** @param {Manifest} manifest */
function refuse(manifest) {
  const { io, traits } = manifest;
  const plain = io.layout === "NCHW" && io.dtype === "float32" && io.value_range[0] === 0 && io.value_range[1] === 1;
  if (traits.format !== "onnx" || !plain) {
    throw new EnSharpenError(`${manifest.name}: only ONNX files that take floats from 0 to 1 in NCHW run here`);
  }
}

/**
 * The frame that windows are pasted into: the image itself, each pixel repeated, so that alpha is there already.
 * @param {Pixels} image
 * @param {number} times
 * @returns {Pixels}
 */
function enlarged(image, times) {
  const [height, width] = [image.height * times, image.width * times];
  const data = new Uint8ClampedArray(4 * height * width);
  const [from, to] = [pixelsOf(image.data), new Uint32Array(data.buffer)];
  for (let y = 0; y < height; y++) {
    const line = Math.floor(y / times) * image.width;
    for (let x = 0; x < width; x++) to[y * width + x] = from[line + Math.floor(x / times)];
  }
  return { data, height, width };
}

/** @param {Uint8ClampedArray} data */
function pixelsOf(data) {
  return new Uint32Array(data.slice().buffer);
}

/**
 * @param {Pixels} output
 * @param {{ values: Float32Array, height: number, width: number }} window
 * @param {import("./index.js").Span} rows
 * @param {import("./index.js").Span} columns
 * @param {Pixels} image
 * @param {number} times
 * @param {number} strength
 */
function paste(output, window, rows, columns, image, times, strength) {
  const plane = window.height * window.width;
  const bottom = Math.min(rows.keepEnd, image.height) * times;
  const right = Math.min(columns.keepEnd, image.width) * times;
  for (let y = rows.keepStart * times; y < bottom; y++) {
    for (let x = columns.keepStart * times; x < right; x++) {
      const source = (y - rows.start * times) * window.width + (x - columns.start * times);
      const target = 4 * (y * output.width + x);
      for (let channel = 0; channel < 3; channel++) {
        const value = window.values[channel * plane + source] * 255;
        if (!Number.isFinite(value)) throw new EnSharpenError("the network returned a number that is none");
        const before = output.data[target + channel];
        // A clamped array rounds to the nearest code by itself.
        output.data[target + channel] = strength === 1 ? value : before + strength * (value - before);
      }
    }
  }
}

/**
 * @param {Pixels} one
 * @param {Pixels} other
 */
function psnr(one, other) {
  let sum = 0;
  for (let index = 0; index < one.data.length; index++) {
    if (index % 4 !== 3) sum += (one.data[index] - other.data[index]) ** 2;
  }
  return 10 * Math.log10((255 ** 2 * 3 * one.width * one.height) / sum);
}
