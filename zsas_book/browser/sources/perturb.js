// Rotation by three shears in the Fourier domain, and hue and saturation in HSV, as `zsas.perturb` defines them.

const SEAM = 16; // pixels, at least, that lead from the end of a row back to its beginning
const GREY = 1e-5; // a pixel whose channels differ by less has no hue

// Rotation first, then both colour shifts in one passage; an amount of 0 leaves its step out.
function perturbed(planes, side, { degrees, hue, saturation }) {
  let now = planes;
  if (degrees) now = turned(now, side, degrees).map((plane) => plane.map((x) => Math.min(1, Math.max(0, x))));
  return hue || saturation ? shifted(now, hue, saturation) : now;
}

// A map of a picture that was turned, turned back: what it did not show is 0.
function turnedBack(map, side, degrees) {
  if (!degrees) return map;
  let [lowest, highest] = [Infinity, -Infinity];
  for (const x of map) [lowest, highest] = [Math.min(lowest, x), Math.max(highest, x)];
  const [upright] = turned([map], side, -degrees);
  const angle = (-degrees * Math.PI) / 180;
  const [cos, sin, middle] = [Math.cos(angle), Math.sin(angle), (side - 1) / 2];
  return upright.map((value, i) => {
    const [x, y] = [(i % side) - middle, Math.floor(i / side) - middle];
    const inside = 0.5 + Math.min(side / 2 - Math.abs(x * cos + y * sin), side / 2 - Math.abs(y * cos - x * sin));
    return Math.min(highest, Math.max(lowest, value)) * Math.min(1, Math.max(0, inside));
  });
}

// Square planes turned clockwise, continued by their border pixels, not clipped. The pixel at (x, y) from the centre
// comes from x0 = x2 + a y1, y1 = y - s x2, x2 = x + a y, with a = tan(t/2), s = sin(t): the last of these goes last.
function turned(planes, side, degrees) {
  const quarters = halfToEven(degrees / 90);
  const rest = ((degrees - 90 * quarters) * Math.PI) / 180;
  const [slope, sine] = [Math.tan(rest / 2), Math.sin(rest)];
  const margin = Math.ceil((Math.hypot(side, side) - side) / 2);
  const large = side + 2 * margin;
  const steps = Float64Array.from({ length: large }, (_, i) => i - (large - 1) / 2);
  const shown = steps.slice(margin, margin + side);
  let now = planes.map((plane) => quarterTurned(plane, side, ((quarters % 4) + 4) % 4));
  if (!rest) return now;
  now = now.map((plane) => continuedDown(plane, side, margin));
  now = displaced(now, large, side, steps.map((y) => slope * y), margin);
  now = now.map((plane) => transposed(plane, large, large));
  now = displaced(now, large, large, steps.map((x) => -sine * x), 0);
  now = now.map((plane) => transposed(plane, large, large).slice(margin * large, (margin + side) * large));
  now = displaced(now, side, large, shown.map((y) => slope * y), 0);
  return now.map((plane) => {
    const out = new Float32Array(side * side);
    for (let y = 0; y < side; y++)
      out.set(plane.subarray(y * large + margin, y * large + margin + side), y * side);
    return out;
  });
}

function halfToEven(x) {
  const nearest = Math.round(x);
  return Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : nearest;
}

function quarterTurned(plane, side, quarters) {
  if (!quarters) return plane;
  const last = side - 1;
  const from = [null, (y, x) => (last - x) * side + y, (y, x) => (last - y) * side + last - x, (y, x) => x * side + last - y];
  const out = new Float32Array(plane.length);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) out[y * side + x] = plane[from[quarters](y, x)];
  return out;
}

function continuedDown(plane, side, margin) {
  const out = new Float64Array((side + 2 * margin) * side);
  for (let y = 0; y < side + 2 * margin; y++) {
    const row = Math.min(side - 1, Math.max(0, y - margin));
    out.set(plane.subarray(row * side, (row + 1) * side), y * side);
  }
  return out;
}

function transposed(plane, rows, columns) {
  const out = new Float64Array(plane.length);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) out[x * rows + y] = plane[y * columns + x];
  return out;
}

// out[x] = row[x + by] for x from -margin to length + margin, each row by its own amount: its Fourier coefficients get
// phases. In double precision, for the hue of what is almost grey hangs on the last digits. Two planes go together, as
// the real and the imaginary part of one.
function displaced(planes, rows, length, by, margin) {
  const outs = length + 2 * margin;
  const period = fastLength(outs + SEAM);
  const seam = period - outs;
  const ramp = Float64Array.from({ length: seam + 2 * margin }, (_, i) => {
    const share = Math.min(1, Math.max(0, (i + 1 - margin) / (seam + 1)));
    return (1 - Math.cos(Math.PI * share)) / 2;
  });
  const transform = new Fourier(period);
  const { real, imaginary } = transform;
  const out = planes.map(() => new Float64Array(rows * outs));
  const phases = new Float64Array(2 * period);
  const laid = (plane, row, to) => {
    for (let i = 0; i < length; i++) to[i] = plane[row * length + i];
    for (let i = 0; i < ramp.length; i++) to[length + i] = to[length - 1] + ramp[i] * (to[0] - to[length - 1]);
  };
  for (let row = 0; row < rows; row++) {
    phasesOf((2 * Math.PI * (by[row] - margin)) / period, period, phases);
    for (let number = 0; number < planes.length; number += 2) {
      laid(planes[number], row, real);
      if (number + 1 < planes.length) laid(planes[number + 1], row, imaginary);
      else imaginary.fill(0);
      transform.run(1);
      for (let f = 0; f < period; f++) {
        const cos = phases[2 * f];
        const sin = phases[2 * f + 1];
        const x = real[f];
        real[f] = x * cos - imaginary[f] * sin;
        imaginary[f] = x * sin + imaginary[f] * cos;
      }
      transform.run(-1);
      for (let i = 0; i < outs; i++) out[number][row * outs + i] = real[i];
      if (number + 1 < planes.length) for (let i = 0; i < outs; i++) out[number + 1][row * outs + i] = imaginary[i];
    }
  }
  return out;
}

// exp(i angle f) / period for the frequencies 0, 1, ... and -1, -2, ... from the end; of the highest of an even period,
// which is both, the real part.
function phasesOf(angle, period, to) {
  for (let f = 0; 2 * f <= period; f++) {
    const [cos, sin] = [Math.cos(angle * f) / period, 2 * f === period ? 0 : Math.sin(angle * f) / period];
    to[2 * f] = cos;
    to[2 * f + 1] = sin;
    if (f && 2 * f < period) {
      to[2 * (period - f)] = cos;
      to[2 * (period - f) + 1] = -sin;
    }
  }
}

// The Fourier transform of a length whose only factors are 2, 3 and 5, and without its 1 / length the inverse (-1); in
// `real` and `imaginary` (Stockham's order, so nothing is reversed).
class Fourier {
  constructor(length) {
    this.length = length;
    [this.real, this.imaginary, this.a, this.b] = Array.from({ length: 4 }, () => new Float64Array(length));
    this.cos = Float64Array.from({ length }, (_, i) => Math.cos((2 * Math.PI * i) / length));
    this.sin = Float64Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * i) / length));
    this.factors = [];
    for (let rest = length; rest > 1; rest /= this.factors[0]) this.factors.unshift([5, 3, 2].find((factor) => rest % factor === 0));
  }

  run(direction) {
    const { length, factors } = this;
    let [from, to] = [[this.real, this.imaginary], [this.a, this.b]];
    let stride = 1;
    for (const factor of factors) {
      const groups = length / stride / factor;
      for (let group = 0; group < groups; group++)
        SMALL[factor](this, direction, from, to, group, stride, groups * stride);
      [from, to] = [to, from];
      stride *= factor;
    }
    if (from[0] !== this.real) {
      this.real.set(from[0]);
      this.imaginary.set(from[1]);
    }
  }
}

// Of `stride` transforms of 2, 3 or 5 numbers, which lie `apart`, each output by its root of one.
const SMALL = {
  2({ cos, sin }, direction, [fx, fy], [tx, ty], group, stride, apart) {
    const [c, s] = [cos[group * stride], -direction * sin[group * stride]];
    for (let q = 0, i = stride * group, o = 2 * stride * group; q < stride; q++, i++, o++) {
      const x = fx[i] - fx[i + apart];
      const y = fy[i] - fy[i + apart];
      tx[o] = fx[i] + fx[i + apart];
      ty[o] = fy[i] + fy[i + apart];
      tx[o + stride] = x * c - y * s;
      ty[o + stride] = x * s + y * c;
    }
  },

  3({ cos, sin }, direction, [fx, fy], [tx, ty], group, stride, apart) {
    const half = direction * Math.sqrt(0.75);
    const [c1, s1] = [cos[group * stride], -direction * sin[group * stride]];
    const [c2, s2] = [cos[2 * group * stride], -direction * sin[2 * group * stride]];
    for (let q = 0, i = stride * group, o = 3 * stride * group; q < stride; q++, i++, o++) {
      const ax = fx[i];
      const ay = fy[i];
      const sumX = fx[i + apart] + fx[i + 2 * apart];
      const sumY = fy[i + apart] + fy[i + 2 * apart];
      const offX = half * (fy[i + apart] - fy[i + 2 * apart]);
      const offY = half * (fx[i + 2 * apart] - fx[i + apart]);
      const midX = ax - sumX / 2;
      const midY = ay - sumY / 2;
      tx[o] = ax + sumX;
      ty[o] = ay + sumY;
      const x1 = midX + offX;
      const y1 = midY + offY;
      const x2 = midX - offX;
      const y2 = midY - offY;
      tx[o + stride] = x1 * c1 - y1 * s1;
      ty[o + stride] = x1 * s1 + y1 * c1;
      tx[o + 2 * stride] = x2 * c2 - y2 * s2;
      ty[o + 2 * stride] = x2 * s2 + y2 * c2;
    }
  },

  5({ cos, sin, length }, direction, [fx, fy], [tx, ty], group, stride, apart) {
    const [ca, cb] = [Math.cos(0.4 * Math.PI), Math.cos(0.8 * Math.PI)];
    const [sa, sb] = [direction * Math.sin(0.4 * Math.PI), direction * Math.sin(0.8 * Math.PI)];
    const roots = [1, 2, 3, 4].map((t) => (t * group * stride) % length);
    const [c1, c2, c3, c4] = roots.map((at) => cos[at]);
    const [s1, s2, s3, s4] = roots.map((at) => -direction * sin[at]);
    for (let q = 0, i = stride * group, o = 5 * stride * group; q < stride; q++, i++, o++) {
      const ax = fx[i];
      const ay = fy[i];
      const ux = fx[i + apart] + fx[i + 4 * apart];
      const uy = fy[i + apart] + fy[i + 4 * apart];
      const vx = fx[i + 2 * apart] + fx[i + 3 * apart];
      const vy = fy[i + 2 * apart] + fy[i + 3 * apart];
      const wx = fx[i + apart] - fx[i + 4 * apart];
      const wy = fy[i + apart] - fy[i + 4 * apart];
      const zx = fx[i + 2 * apart] - fx[i + 3 * apart];
      const zy = fy[i + 2 * apart] - fy[i + 3 * apart];
      const mx = ax + ca * ux + cb * vx;
      const my = ay + ca * uy + cb * vy;
      const nx = ax + cb * ux + ca * vx;
      const ny = ay + cb * uy + ca * vy;
      const px = sa * wy + sb * zy;
      const py = -sa * wx - sb * zx;
      const rx = sb * wy - sa * zy;
      const ry = -sb * wx + sa * zx;
      tx[o] = ax + ux + vx;
      ty[o] = ay + uy + vy;
      const x1 = mx + px;
      const y1 = my + py;
      const x2 = nx + rx;
      const y2 = ny + ry;
      const x3 = nx - rx;
      const y3 = ny - ry;
      const x4 = mx - px;
      const y4 = my - py;
      tx[o + stride] = x1 * c1 - y1 * s1;
      ty[o + stride] = x1 * s1 + y1 * c1;
      tx[o + 2 * stride] = x2 * c2 - y2 * s2;
      ty[o + 2 * stride] = x2 * s2 + y2 * c2;
      tx[o + 3 * stride] = x3 * c3 - y3 * s3;
      ty[o + 3 * stride] = x3 * s3 + y3 * c3;
      tx[o + 4 * stride] = x4 * c4 - y4 * s4;
      ty[o + 4 * stride] = x4 * s4 + y4 * c4;
    }
  },
};

// The next length whose only factors are 2, 3 and 5.
function fastLength(least) {
  for (let length = least; ; length++) {
    let rest = length;
    for (const factor of [2, 3, 5]) while (rest % factor === 0) rest /= factor;
    if (rest === 1) return length;
  }
}

// Hue, in radians, and saturation shifted at once.
function shifted([reds, greens, blues], hue, saturation) {
  const out = [0, 1, 2].map(() => new Float32Array(reds.length));
  for (let i = 0; i < reds.length; i++) {
    const [red, green, blue] = [reds[i], greens[i], blues[i]];
    const [value, lowest] = [Math.max(red, green, blue), Math.min(red, green, blue)];
    const chroma = Math.fround(value - lowest);
    let angle = 0;
    if (chroma > GREY) {
      if (red === value) angle = (green - blue) / chroma;
      else angle = green === value ? 2 + (blue - red) / chroma : 4 + (red - green) / chroma;
    }
    const purity = Math.min(1, Math.max(0, chroma / Math.max(value, GREY) + saturation));
    angle += (hue * 3) / Math.PI;
    for (let channel = 0; channel < 3; channel++) {
      const k = (((5 - 2 * channel + angle) % 6) + 6) % 6;
      out[channel][i] = value - value * purity * Math.min(1, Math.max(0, Math.min(k, 4 - k)));
    }
  }
  return out;
}
