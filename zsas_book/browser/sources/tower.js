// The blocks of CLIP's two transformers, for many short sequences that lie one after the other.

const ROWS_AT_ONCE = 1024;
const LONG = 32; // tokens from which attention goes through the product

class Tower {
  constructor(heap, tensors, prefix, shape) {
    Object.assign(this, { heap, prefix, ...shape }); // width, heads, layers, hidden, activation, eps, embed
    this.zeros = heap.take(EIGHT(Math.max(3 * this.width, this.hidden, 512)));
    this.vectors = {};
    this.matrices = {};
    for (const name of Object.keys(tensors.places)) {
      if (!name.startsWith(prefix) || tensors.places[name].keep) continue;
      const key = name.slice(prefix.length);
      const values = tensors.get(name);
      if (key.endsWith("matrix")) {
        const [columns, inner] = tensors.shape(name);
        this.matrices[key] = { inner, columns, place: heap.pack(inner, columns, (k, c) => values[c * inner + k]) };
      } else this.vectors[key] = heap.put(values);
    }
    const rows = ROWS_AT_ONCE + 4;
    this.tokens = heap.rows(rows, this.width);
    this.normed = heap.rows(rows, this.width);
    this.wide = heap.rows(rows, Math.max(3 * this.width, this.hidden));
    this.embedded = heap.rows(rows, this.embed);
    this.head = this.width / this.heads;
  }

  linear(name, from, to, rows, add = false) {
    const { inner, columns, place } = this.matrices[`${name}.matrix`];
    const bias = this.vectors[`${name}.bias`] ?? this.zeros;
    this.heap.product(from, place, to, bias, rows, inner, columns, add);
  }

  norm(name, from, to, rows) {
    const { width, eps } = this;
    const { floats } = this.heap;
    const [weight, bias] = [this.vectors[`${name}.weight`], this.vectors[`${name}.bias`]];
    for (let row = 0; row < rows; row++) {
      const [start, out] = [from + row * width, to + row * width];
      let [mean, spread] = [0, 0];
      for (let i = 0; i < width; i++) mean += floats[start + i];
      mean /= width;
      for (let i = 0; i < width; i++) spread += (floats[start + i] - mean) ** 2;
      const scale = 1 / Math.sqrt(spread / width + eps);
      for (let i = 0; i < width; i++)
        floats[out + i] = (floats[start + i] - mean) * scale * floats[weight + i] + floats[bias + i];
    }
  }

  // Queries, keys and values of a block (rows x 3 width), from tokens.
  projected(block, tokens, rows, to) {
    this.norm(`${block}.norm1`, tokens, this.normed, rows);
    this.linear(`${block}.qkv`, this.normed, to, rows);
  }

  // The rest of a block. `starts` are where each sequence begins, and the end; `asked` which row of each is the only
  // query, null for all. Tokens lie in place before and after; of single queries, one row each is left.
  attend(block, tokens, projected, starts, causal, asked) {
    const { heap, width } = this;
    const sequences = starts.length - 1;
    let rows = starts[sequences];
    mixedBySequence(this, projected, this.normed, starts, causal, asked);
    if (asked) {
      for (let i = 0; i < sequences; i++) {
        const row = tokens + asked[i] * width;
        heap.floats.copyWithin(tokens + i * width, row, row + width);
      }
      rows = sequences;
    }
    this.linear(`${block}.out`, this.normed, tokens, rows, true);
    this.norm(`${block}.norm2`, tokens, this.normed, rows);
    this.linear(`${block}.up`, this.normed, this.wide, rows);
    activate(heap.floats, this.wide, rows * this.hidden, this.activation);
    this.linear(`${block}.down`, this.wide, tokens, rows, true);
  }

  // All blocks of the sequences in `tokens`; of the last, the rows `asked` of each. `first` is projected already.
  run(starts, causal, asked, first = 0) {
    const rows = starts[starts.length - 1];
    for (let number = 0; number < this.layers; number++) {
      if (number || !first) this.projected(number, this.tokens, rows, this.wide);
      const last = number === this.layers - 1;
      this.attend(number, this.tokens, this.wide, starts, causal, last ? asked : null);
    }
  }

  // Unit vectors of so many tokens: last norm, projection, length one.
  embed_(rows) {
    const { floats } = this.heap;
    this.norm("norm", this.tokens, this.normed, rows);
    this.linear("projection", this.normed, this.embedded, rows);
    return unitRows(floats.slice(this.embedded, this.embedded + rows * this.embed), this.embed);
  }
}

function unitRows(values, width) {
  for (let start = 0; start < values.length; start += width) {
    let sum = 0;
    for (let i = start; i < start + width; i++) sum += values[i] ** 2;
    const scale = 1 / Math.max(Math.sqrt(sum), 1e-12);
    for (let i = start; i < start + width; i++) values[i] *= scale;
  }
  return values;
}

function mixedBySequence(tower, projected, to, starts, causal, asked) {
  for (let number = 0; number + 1 < starts.length; number++) {
    const [start, end] = [starts[number], starts[number + 1]];
    if (asked) mixOne(tower, projected, start, asked[number], causal ? asked[number] + 1 : end, to + number * tower.width);
    else if (end - start > LONG && !causal) mixLong(tower, projected, start, end, to + start * tower.width);
    else
      for (let row = start; row < end; row++)
        mixOne(tower, projected, start, row, causal ? row + 1 : end, to + row * tower.width);
  }
}

const shares = new Float32Array(4096);

// What one token gets from the tokens start to end - 1 of its sequence.
function mixOne({ heap, width, heads, head }, projected, start, row, end, to) {
  const { floats } = heap;
  const [stride, scale] = [3 * width, head ** -0.5];
  for (let first = 0; first < heads * head; first += head) {
    const query = projected + row * stride + first;
    let largest = -Infinity;
    for (let other = start, key = projected + start * stride + width + first; other < end; other++, key += stride) {
      let sum = 0;
      for (let i = 0; i < head; i++) sum += floats[query + i] * floats[key + i];
      shares[other - start] = sum *= scale;
      if (sum > largest) largest = sum;
    }
    let total = 0;
    for (let other = 0; other < end - start; other++) total += shares[other] = Math.exp(shares[other] - largest);
    for (let i = 0; i < head; i++) floats[to + first + i] = 0;
    for (let other = start, value = projected + start * stride + 2 * width + first; other < end; other++, value += stride) {
      const share = shares[other - start] / total;
      for (let i = 0; i < head; i++) floats[to + first + i] += share * floats[value + i];
    }
  }
}

// The same for all tokens of a long sequence, by products.
function mixLong(tower, projected, start, end, to) {
  const { heap, width, heads, head } = tower;
  const [rows, columns, stride] = [end - start, EIGHT(end - start), 3 * width];
  const room = tower.long?.rows >= rows ? tower.long : (tower.long = longRoom(heap, rows, head));
  const { floats } = heap;
  for (let first = 0; first < width; first += head) {
    const at = projected + start * stride + first;
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < head; i++) floats[room.query + row * head + i] = floats[at + row * stride + i] * head ** -0.5;
    heap.pack(head, rows, (i, row) => floats[at + width + row * stride + i], room.keys);
    heap.pack(columns, head, (row, i) => (row < rows ? floats[at + 2 * width + row * stride + i] : 0), room.values);
    heap.product(room.query, room.keys, room.scores, room.zeros, rows, head, columns, false);
    for (let row = 0; row < rows; row++) softmax(floats, room.scores + row * columns, rows, columns);
    heap.product(room.scores, room.values, room.mixed, room.zeros, rows, columns, head, false);
    for (let row = 0; row < rows; row++) {
      const from = room.mixed + row * head;
      floats.copyWithin(to + row * width + first, from, from + head);
    }
  }
}

function longRoom(heap, rows, head) {
  const columns = EIGHT(rows);
  return {
    rows,
    query: heap.rows(rows, head),
    keys: heap.take(columns * head),
    values: heap.take(columns * EIGHT(head)),
    scores: heap.rows(rows, columns),
    mixed: heap.rows(rows, EIGHT(head)),
    zeros: heap.take(columns + EIGHT(head)),
  };
}

// In place, over the first `count` of `columns` numbers; the others become 0.
function softmax(floats, start, count, columns) {
  let [largest, total] = [-Infinity, 0];
  for (let i = start; i < start + count; i++) if (floats[i] > largest) largest = floats[i];
  for (let i = start; i < start + count; i++) total += floats[i] = Math.exp(floats[i] - largest);
  for (let i = start; i < start + count; i++) floats[i] /= total;
  floats.fill(0, start + count, start + columns);
}

// x Phi(x), from a table that is linear between its points, with an error of 2e-6; beyond it x or 0.
const REACH = 8;
const STEPS = 512; // points in one unit
const GELU = Float32Array.from({ length: 2 * REACH * STEPS + 2 }, (_, i) => {
  const x = i / STEPS - REACH;
  return x * normal(x);
});

// The distribution function of the normal distribution, by a series near 0 and a continued fraction far from it.
function normal(x) {
  const z = Math.abs(x);
  if (z < 3) {
    let [term, sum] = [z, z];
    for (let k = 1; k < 60; k++) sum += term *= (z * z) / (2 * k + 1);
    const half = sum * Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
    return x < 0 ? 0.5 - half : 0.5 + half;
  }
  let fraction = z;
  for (let k = 60; k > 0; k--) fraction = z + k / fraction;
  const tail = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI) / fraction;
  return x < 0 ? tail : 1 - tail;
}

function activate(floats, start, count, activation) {
  if (activation === "quick_gelu") {
    for (let i = start; i < start + count; i++) floats[i] /= 1 + Math.exp(-1.702 * floats[i]);
    return;
  }
  for (let i = start; i < start + count; i++) {
    const x = floats[i];
    if (x >= REACH) continue;
    if (x <= -REACH) {
      floats[i] = 0;
      continue;
    }
    const place = (x + REACH) * STEPS;
    const below = place | 0;
    floats[i] = GELU[below] + (place - below) * (GELU[below + 1] - GELU[below]);
  }
}
