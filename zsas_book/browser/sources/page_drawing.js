// A map over its picture, and the area under its ROC curve.

const SHOWN = 432; // pixels of the canvas


const HEAT = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];

const heat = (value) => {
  const at = Math.min(0.9999, Math.max(0, value)) * (HEAT.length - 1);
  const [low, share] = [Math.floor(at), at % 1];
  return HEAT[low].map((from, i) => from + share * (HEAT[low + 1][i] - from));
};

const paint = (canvas, pixels, map, side, threshold) => {
  const context = canvas.getContext("2d");
  const small = canvasOf(side, side);
  small.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels), side, side), 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, SHOWN, SHOWN);
  if (!map) return;
  const over = new ImageData(side, side);
  map.forEach((value, i) => over.data.set([...heat(value), 60 + 130 * value], 4 * i));
  small.getContext("2d").putImageData(over, 0, 0);
  context.drawImage(small, 0, 0, SHOWN, SHOWN);
  if (threshold === undefined) return;
  const step = SHOWN / side;
  context.beginPath();
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const above = map[y * side + x] >= threshold;
      if (x + 1 < side && above !== map[y * side + x + 1] >= threshold) {
        context.moveTo((x + 1) * step, y * step);
        context.lineTo((x + 1) * step, (y + 1) * step);
      }
      if (y + 1 < side && above !== map[(y + 1) * side + x] >= threshold) {
        context.moveTo(x * step, (y + 1) * step);
        context.lineTo((x + 1) * step, (y + 1) * step);
      }
    }
  for (const [width, colour] of [[4, "black"], [2, "white"]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
  }
};

// The area under the ROC curve of all pixels; ties count half.
const auroc = (map, mask) => {
  const order = Array.from(map, (_, i) => i).sort((a, b) => map[a] - map[b]);
  let [ranks, marked, begin] = [0, 0, 0];
  while (begin < order.length) {
    let end = begin;
    while (end < order.length && map[order[end]] === map[order[begin]]) end++;
    for (let i = begin; i < end; i++)
      if (mask[order[i]]) {
        ranks += (begin + end + 1) / 2;
        marked++;
      }
    begin = end;
  }
  return (ranks - (marked * (marked + 1)) / 2) / (marked * (order.length - marked));
};
