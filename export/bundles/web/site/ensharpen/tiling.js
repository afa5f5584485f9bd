/**
 * Exact tiling: how a frame is cut so that the tiles' outputs equal the whole frame's. The rules and their vectors are
 * those of docs/tiling.md; every language replays the same vectors.
 *
 * @typedef {import("./index.js").Span} Span
 * @typedef {import("./index.js").TilePlan} TilePlan
 */

/**
 * The smallest multiple that is not below a value.
 * @param {number} value
 * @param {number} multiple
 */
export function roundUp(value, multiple) {
  return Math.ceil(value / multiple) * multiple;
}

/**
 * Cut one axis.
 * @param {number} length of the padded frame, a multiple of the stride
 * @param {number} window length of every window, halo included
 * @param {number} halo context on each inner side, a multiple of the stride
 * @param {number} stride the network's total stride
 * @returns {Span[]}
 */
export function planAxis(length, window, halo, stride) {
  if (length <= window) return [{ start: 0, end: length, keepStart: 0, keepEnd: length }];
  if (window - 2 * halo < stride) {
    throw new RangeError(`a window of ${window} pixels leaves nothing between two halos of ${halo}`);
  }
  const spans = [];
  for (let kept = 0; kept < length; ) {
    const start = Math.min(Math.max(0, kept - halo), length - window);
    const end = start + window;
    const keepEnd = end === length ? length : end - halo;
    spans.push({ start, end, keepStart: kept, keepEnd });
    kept = keepEnd;
  }
  return spans;
}

/**
 * The smallest window that covers an axis with as many tiles as tiles of `tile` pixels would need.
 * @param {number} length
 * @param {number} tile
 * @param {number} halo
 * @param {number} stride
 */
export function evenWindow(length, tile, halo, stride) {
  const inner = Math.max(1, length - 2 * halo);
  const count = Math.ceil(inner / roundUp(tile, stride));
  return roundUp(Math.ceil(inner / count), stride) + 2 * halo;
}

/**
 * Cut a frame of any size for a file of free sizes.
 * @param {number} height
 * @param {number} width
 * @param {number | null} tile most pixels kept per inner tile and axis; null for the whole frame at once
 * @param {number} halo
 * @param {number} stride
 * @param {readonly [number, number]} smallest (height, width) of the smallest window
 * @returns {TilePlan}
 */
export function planTiles(height, width, tile, halo, stride, smallest = [1, 1]) {
  const context = roundUp(halo, stride);
  const least = smallest.map((side) => roundUp(side, stride));
  const lengths = [height, width].map((side, axis) => Math.max(least[axis], roundUp(side, stride)));
  const [rows, columns] = lengths.map((length, axis) => {
    const window = tile === null ? length : Math.max(least[axis], evenWindow(length, tile, context, stride));
    return planAxis(length, window, context, stride);
  });
  return { height: lengths[0], width: lengths[1], rows, columns };
}

/**
 * Cut a frame for a file that takes one window size only; smaller frames are padded up to it.
 * @param {number} height
 * @param {number} width
 * @param {readonly [number, number]} window (height, width)
 * @param {number} halo
 * @param {number} stride
 * @returns {TilePlan}
 */
export function planFixed(height, width, window, halo, stride) {
  const context = roundUp(halo, stride);
  const lengths = [height, width].map((side, axis) => Math.max(window[axis], roundUp(side, stride)));
  const [rows, columns] = lengths.map((length, axis) => planAxis(length, window[axis], context, stride));
  return { height: lengths[0], width: lengths[1], rows, columns };
}

/**
 * The pixel of an axis of n that a place beyond its end mirrors; the edge itself is not repeated.
 * @param {number} place 0 or more
 * @param {number} n
 */
export function reflect(place, n) {
  if (n === 1) return 0;
  const period = 2 * (n - 1);
  const within = place % period;
  return within < n ? within : period - within;
}

/**
 * The plan for a frame, from an artifact's shape contract.
 * @param {import("./index.js").ShapeContract} shape
 * @param {number} height
 * @param {number} width
 * @param {number | null} tile null for the whole frame, where the file takes any size
 * @returns {TilePlan}
 */
export function planFor(shape, height, width, tile) {
  const { halo, multiple_of: stride } = shape;
  if (shape.height !== null && shape.width !== null) {
    const plan = planFixed(height, width, [shape.height, shape.width], halo, stride);
    if (plan.rows.length * plan.columns.length > 1 && !shape.tile_exact) {
      throw new RangeError(`this network looks at the whole frame: ${width}x${height} pixels cannot be cut`);
    }
    return plan;
  }
  const most = shape.largest ? Math.min(...shape.largest) - 2 * roundUp(halo, stride) : Infinity;
  const kept = shape.tile_exact && tile !== null ? Math.min(tile, most) : null;
  return planTiles(height, width, kept, halo, stride, shape.smallest ?? [1, 1]);
}

/**
 * A window of a frame as planes of floats from 0 to 1; what lies beyond the frame is mirrored.
 * @param {import("./index.js").Pixels} image
 * @param {import("./index.js").Span} rows
 * @param {import("./index.js").Span} columns
 */
export function cut(image, rows, columns) {
  const height = rows.end - rows.start;
  const width = columns.end - columns.start;
  const plane = height * width;
  const values = new Float32Array(3 * plane);
  for (let y = 0; y < height; y++) {
    const line = reflect(rows.start + y, image.height) * image.width;
    for (let x = 0; x < width; x++) {
      const source = 4 * (line + reflect(columns.start + x, image.width));
      const target = y * width + x;
      for (let channel = 0; channel < 3; channel++) {
        values[channel * plane + target] = image.data[source + channel] / 255;
      }
    }
  }
  return { values, height, width };
}
