/** RGBA pixels in sRGB; an ImageData is one. */
export interface Pixels {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

/** A window along one axis, and the part of it that is kept: coordinates in the frame. */
export interface Span {
  start: number;
  end: number;
  keepStart: number;
  keepEnd: number;
}

/** How a frame is cut: every row with every column is a window. */
export interface TilePlan {
  height: number;
  width: number;
  rows: Span[];
  columns: Span[];
}

/** Which sizes a model file takes; the manifest's `shape`. */
export interface ShapeContract {
  height: number | null;
  width: number | null;
  multiple_of: number;
  halo: number;
  tile_exact: boolean;
  smallest: [number, number] | null;
  largest: [number, number] | null;
}

/** The parts of an artifact's manifest that are read here. */
export interface Manifest {
  name: string;
  precision: string;
  task: string;
  model_file: string;
  files: Record<string, string>;
  traits: { format: string };
  io: {
    layout: string;
    dtype: string;
    value_range: [number, number];
    enlarges: number;
    input_name: string;
    output_name: string;
  };
  shape: ShapeContract;
  golden?: { agreement: number; score_drop: number | null };
}

export interface SharpenOptions {
  /** Most pixels that a window keeps a side; null runs the whole frame at once. It does not change the picture. */
  tile?: number | null;
  /** 0 returns the image, 1 what the network makes of it. */
  strength?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/** An artifact that cannot be used, or a device that computes something else. */
export class EnSharpenError extends Error {}

/** An exported network, ready to sharpen. */
export class EnSharpen {
  private constructor();
  readonly manifest: Manifest;
  /**
   * Fetch an artifact, verify its model file, and open it.
   * @param folder Address of the artifact's folder.
   * @param how `ort`: onnxruntime-web as the caller imported it; `backend`: `wasm` runs everywhere.
   */
  static load(folder: string | URL, how: { ort: unknown; backend?: "wasm" | "webgpu" }): Promise<EnSharpen>;
  /** Sharpen pixels; alpha is carried over. */
  sharpen(image: Pixels, how?: SharpenOptions): Promise<Pixels>;
  /** Replay the artifact's golden image; returns the PSNR in dB, or throws where this device computes otherwise. */
  selfTest(): Promise<number>;
  close(): Promise<void>;
}

/** Decode a picture into sRGB pixels, upright, its profile applied by the browser. */
export function decode(blob: Blob): Promise<Pixels>;

export function roundUp(value: number, multiple: number): number;
export function planAxis(length: number, window: number, halo: number, stride: number): Span[];
export function evenWindow(length: number, tile: number, halo: number, stride: number): number;
export function planTiles(
  height: number,
  width: number,
  tile: number | null,
  halo: number,
  stride: number,
  smallest?: readonly [number, number],
): TilePlan;
export function planFixed(
  height: number,
  width: number,
  window: readonly [number, number],
  halo: number,
  stride: number,
): TilePlan;
export function planFor(shape: ShapeContract, height: number, width: number, tile: number | null): TilePlan;
export function reflect(place: number, n: number): number;
export function cut(image: Pixels, rows: Span, columns: Span): { values: Float32Array; height: number; width: number };
