/** Replays tiling-vectors.json with ensharpen/tiling.js: node check-tiling.mjs. Exits with 3 where they differ. */
import { readFile } from "node:fs/promises";
import { cut, planFixed, planTiles } from "./ensharpen/tiling.js";

const vectors = JSON.parse(await readFile(new URL("tiling-vectors.json", import.meta.url), "utf8"));
const plain = (spans) => spans.map(({ start, end, keepStart, keepEnd }) => [start, end, keepStart, keepEnd]);
const failures = [];

for (const vector of vectors.plans) {
  const { height, width, tile, window, halo, stride, smallest } = vector;
  const plan = window
    ? planFixed(height, width, window, halo, stride)
    : planTiles(height, width, tile, halo, stride, smallest);
  const found = [[plan.height, plan.width], plain(plan.rows), plain(plan.columns)];
  const wanted = [vector.padded, vector.rows, vector.columns];
  if (JSON.stringify(found) !== JSON.stringify(wanted)) failures.push(`plan of ${height}x${width}: ${JSON.stringify(found)}`);
}

/** Adler-32 (RFC 1950). */
function adler32(bytes) {
  let [a, b] = [1, 0];
  for (const byte of bytes) b = (b + (a = (a + byte) % 65521)) % 65521;
  return b * 65536 + a;
}

for (const { height, width, rows, columns, adler32: wanted } of vectors.windows) {
  const data = new Uint8ClampedArray(4 * height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) data[4 * (y * width + x) + c] = (7 * y * y + 13 * x + 59 * c + 3 * x * y) % 256;
    }
  }
  const span = ([start, end]) => ({ start, end, keepStart: start, keepEnd: end });
  const window = cut({ data, height, width }, span(rows), span(columns));
  const plane = window.height * window.width;
  const bytes = Uint8Array.from({ length: 3 * plane }, (_, i) =>
    Math.round(255 * window.values[(i % 3) * plane + Math.floor(i / 3)]),
  );
  if (adler32(bytes) !== wanted) failures.push(`window ${rows} x ${columns} of ${height}x${width}`);
}

for (const failure of failures) console.error(failure);
console.log(`${vectors.plans.length} plans and ${vectors.windows.length} windows, ${failures.length} differ`);
process.exit(failures.length ? 3 : 0);
