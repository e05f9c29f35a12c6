// All numbers of the model lie in one block of 32-bit floats, which WebAssembly's product reads; where WebAssembly is
// forbidden, JavaScript's does. Places in it are numbers of floats. Rows of a matrix come in fours, columns in eights.

const FOUR = (count) => Math.ceil(count / 4) * 4;
const EIGHT = (count) => Math.ceil(count / 8) * 8;
const PAGE = 16384; // floats in a page of WebAssembly's memory

class Heap {
  constructor(kernel) {
    this.used = 16;
    try {
      this.memory = new WebAssembly.Memory({ initial: 1 });
      const module = new WebAssembly.Module(kernel);
      this.native = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports.product;
      this.floats = new Float32Array(this.memory.buffer);
    } catch (error) {
      this.native = null;
      this.floats = new Float32Array(PAGE);
    }
  }

  // A place for so many floats, which are 0. Takes them from the end, so all views made before may be out of date.
  take(count) {
    const place = this.used;
    this.used += FOUR(count);
    const missing = Math.ceil((this.used - this.floats.length) / PAGE);
    if (missing > 0 && this.native) {
      this.memory.grow(missing);
      this.floats = new Float32Array(this.memory.buffer);
    } else if (missing > 0) {
      const larger = new Float32Array(Math.max(this.used, Math.ceil(1.5 * this.floats.length)));
      larger.set(this.floats);
      this.floats = larger;
    }
    return place;
  }

  rows(rows, columns) {
    return this.take(FOUR(rows) * columns);
  }

  put(values) {
    const place = this.take(values.length);
    this.floats.set(values, place);
    return place;
  }

  // A matrix as the product wants its second factor: panels of eight columns. `at(row, column)` gives its numbers.
  pack(rows, columns, at, place = this.take(rows * EIGHT(columns))) {
    const { floats } = this;
    for (let panel = 0, to = place; panel < columns; panel += 8)
      for (let row = 0; row < rows; row++)
        for (let column = panel; column < panel + 8; column++) floats[to++] = column < columns ? at(row, column) : 0;
    return place;
  }

  // out (rows x columns) = left (rows x inner) times packed, plus a bias for each column, plus what is there (`add`).
  product(left, packed, out, bias, rows, inner, columns, add) {
    if (this.native) this.native(4 * left, 4 * packed, 4 * out, 4 * bias, FOUR(rows), inner, columns, add ? 1 : 0);
    else plainProduct(this.floats, left, packed, out, bias, rows, inner, columns, add);
  }
}

function plainProduct(floats, left, packed, out, bias, rows, inner, columns, add) {
  for (let panel = 0; panel < columns; panel += 8) {
    const [b0, b1, b2, b3, b4, b5, b6, b7] = floats.subarray(bias + panel, bias + panel + 8);
    for (let row = 0; row < rows; row++) {
      let [s0, s1, s2, s3, s4, s5, s6, s7] = [b0, b1, b2, b3, b4, b5, b6, b7];
      let from = packed + panel * inner;
      for (let k = left + row * inner, end = k + inner; k < end; k++, from += 8) {
        const value = floats[k];
        s0 += value * floats[from];
        s1 += value * floats[from + 1];
        s2 += value * floats[from + 2];
        s3 += value * floats[from + 3];
        s4 += value * floats[from + 4];
        s5 += value * floats[from + 5];
        s6 += value * floats[from + 6];
        s7 += value * floats[from + 7];
      }
      const to = out + row * columns + panel;
      const sums = [s0, s1, s2, s3, s4, s5, s6, s7];
      for (let i = 0; i < 8; i++) floats[to + i] = sums[i] + (add ? floats[to + i] : 0);
    }
  }
}
