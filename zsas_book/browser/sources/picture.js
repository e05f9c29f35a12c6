// Pictures as three planes of 32-bit floats in [0, 1], made square and small as the library does it.

// Of decoded pixels (RGBA, already on white), the squashed planes.
function squashed({ data, width, height }, side) {
  const planes = [];
  for (let channel = 0; channel < 3; channel++) {
    const plane = new Float32Array(width * height);
    for (let i = 0; i < plane.length; i++) plane[i] = data[4 * i + channel] / 255;
    planes.push(width === side && height === side ? plane : resized(plane, width, height, side, side));
  }
  return planes;
}

// Antialiased bicubic (Keys, a = -1/2), clamped.
function resized(plane, width, height, toWidth, toHeight) {
  const across = bicubicWeights(width, toWidth);
  const rows = new Float32Array(height * toWidth);
  for (let y = 0; y < height; y++)
    across.forEach(({ first, weights }, x) => {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * plane[y * width + first + i];
      rows[y * toWidth + x] = sum;
    });
  const out = new Float32Array(toHeight * toWidth);
  bicubicWeights(height, toHeight).forEach(({ first, weights }, y) => {
    for (let x = 0; x < toWidth; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * rows[(first + i) * toWidth + x];
      out[y * toWidth + x] = Math.min(1, Math.max(0, sum));
    }
  });
  return out;
}

function bicubicWeights(from, to) {
  const scale = from / to;
  const widened = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = scale * (i + 0.5);
    const first = Math.max(0, Math.trunc(centre - 2 * widened + 0.5));
    const count = Math.min(from, Math.trunc(centre + 2 * widened + 0.5)) - first;
    const weights = Array.from({ length: count }, (_, j) => keys((j + first - centre + 0.5) / widened));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: Float32Array.from(weights, (weight) => weight / total) };
  });
}

function keys(x) {
  const z = Math.abs(x);
  if (z < 1) return (1.5 * z - 2.5) * z * z + 1;
  return z < 2 ? ((-0.5 * z + 2.5) * z - 4) * z + 2 : 0;
}

// A map enlarged to another size, bilinear, as torch does it without aligned corners.
function enlarged(map, rows, columns, height, width) {
  const places = (from, to) =>
    Array.from({ length: to }, (_, i) => {
      const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
      const low = Math.min(Math.trunc(at), from - 1);
      return [low, Math.min(low + 1, from - 1), at - low];
    });
  const across = places(columns, width);
  const out = new Float32Array(height * width);
  places(rows, height).forEach(([top, bottom, down], y) =>
    across.forEach(([left, right, along], x) => {
      const above = map[top * columns + left] * (1 - along) + map[top * columns + right] * along;
      const below = map[bottom * columns + left] * (1 - along) + map[bottom * columns + right] * along;
      out[y * width + x] = above * (1 - down) + below * down;
    }),
  );
  return out;
}
