// WinCLIP: the picture and each of its windows asked whether they show a normal or a damaged object.

const SMALLEST = 1e-12;

class WinCLIP {
  constructor(heap, { config, tensors }) {
    this.config = config;
    this.tower = new Tower(heap, tensors, "image.", config.image);
    this.heap = heap;
    this.places = tensors.get("image.places"); // of the class token, then of the patches
    this.first = tensors.get("image.first");
    this.memory = [];
    const { grid, image } = config;
    this.whole = heap.rows(grid * grid + 1, image.width);
    this.projected = heap.rows(grid * grid + 1, 3 * image.width);
    this.patches = heap.rows(grid * grid, 3 * config.patch ** 2);
    this.state = heap.rows(grid * grid + 1, image.width);
  }

  // The tokens that the first block reads, in `whole`, and its queries, keys and values, in `projected`.
  start(planes) {
    const { heap, tower, places, first, config } = this;
    const { grid, patch, side, mean, std, image } = config;
    const { floats } = heap;
    let to = this.patches;
    for (let row = 0; row < grid; row++)
      for (let column = 0; column < grid; column++)
        for (let channel = 0; channel < 3; channel++)
          for (let y = row * patch; y < (row + 1) * patch; y++)
            for (let x = column * patch; x < (column + 1) * patch; x++)
              floats[to++] = (planes[channel][y * side + x] - mean[channel]) / std[channel];
    const count = grid * grid + 1;
    tower.linear("patches", this.patches, this.state, grid * grid);
    floats.copyWithin(this.state + image.width, this.state, this.state + grid * grid * image.width);
    floats.set(first, this.state);
    for (let i = 0; i < places.length; i++) floats[this.state + i] += places[i];
    tower.norm("before", this.state, this.whole, count);
    tower.projected(0, this.whole, count, this.projected);
    this.count = count;
  }

  // Sequences of rows of `whole`, each given by its numbers, through all blocks; unit vectors of their class tokens.
  encoded(sequences) {
    const { heap, tower } = this;
    const { width, embed } = tower;
    const out = new Float32Array(sequences.length * embed);
    const length = sequences[0].length;
    const once = Math.max(1, Math.floor(ROWS_AT_ONCE / length));
    for (let begin = 0; begin < sequences.length; begin += once) {
      const part = sequences.slice(begin, begin + once);
      const { floats } = heap;
      part.flat().forEach((row, i) => {
        floats.copyWithin(tower.tokens + i * width, this.whole + row * width, this.whole + (row + 1) * width);
        const from = this.projected + row * 3 * width;
        floats.copyWithin(tower.wide + i * 3 * width, from, from + 3 * width);
      });
      const starts = Array.from({ length: part.length + 1 }, (_, i) => i * length);
      tower.run(starts, false, starts.slice(0, -1), 1);
      out.set(tower.embed_(part.length), begin * embed);
    }
    return out;
  }

  // The patches after the last block, normed; unit vectors (few-shot WinCLIP compares them).
  lastPatches() {
    const { heap, tower, count } = this;
    const { width } = tower;
    heap.floats.copyWithin(tower.tokens, this.whole, this.whole + count * width);
    tower.run([0, count], false, null);
    tower.norm("norm", tower.tokens, tower.normed, count);
    return unitRows(heap.floats.slice(tower.normed + width, tower.normed + count * width), width);
  }

  // All that is read of a picture: of the whole, of the windows by their side, and of patches where they are compared.
  embed(planes, withPatches = this.memory.length > 0) {
    const { grid, scales } = this.config;
    this.start(planes);
    const all = Array.from({ length: this.count }, (_, i) => i);
    const whole = this.encoded([all]);
    const parts = scales.map((side) => [side, this.encoded(windowsOf(grid, side)), this.tower.embed]);
    if (withPatches) parts.push([1, this.lastPatches(), this.tower.width]);
    return { whole, parts };
  }

  // Normal pictures that later ones are compared with.
  remember(pictures) {
    this.memory = pictures.map((planes) => this.embed(planes, true).parts);
  }

  // Map on the grid, image score and windows' scores of an embedded picture: of words, of references where there are
  // any, and of both.
  predict({ whole, parts }, words) {
    const { grid, temperature, scales, reference_weight: weight } = this.config;
    const asked = (embeddings) => scoresOf(embeddings, words, this.tower.embed, temperature);
    const [score] = asked(whole);
    const windows = scales.map((side, i) => ({ side, scores: asked(parts[i][1]) }));
    const maps = windows.map(({ side, scores }) => harmonic(scores, grid, side));
    const byWords = new Float32Array(grid * grid).map(
      (_, i) => (maps.length + 1) / maps.reduce((sum, map) => sum + 1 / Math.max(map[i], SMALLEST), 1 / Math.max(score, SMALLEST)),
    );
    if (!this.memory.length) return { map: byWords, score, windows, byWords, byReferences: null };
    const far = parts.map(([side, rows, width], i) =>
      harmonic(distances(rows, this.memory.map((memory) => memory[i][1]), width), grid, side),
    );
    const byReferences = byWords.map((_, i) => far.reduce((sum, map) => sum + map[i], 0) / far.length);
    const farthest = byReferences.reduce((most, x) => Math.max(most, x));
    return {
      map: byWords.map((x, i) => (1 - weight) * x + weight * byReferences[i]),
      score: (1 - weight) * score + weight * farthest,
      windows,
      byWords,
      byReferences,
    };
  }
}

// For each window of `side` patches, row by row, the numbers of its tokens: the class token's, then its patches'.
function windowsOf(grid, side) {
  const places = Array.from({ length: grid - side + 1 }, (_, i) => i);
  const inside = Array.from({ length: side }, (_, i) => i);
  return places.flatMap((top) =>
    places.map((left) => [0, ...inside.flatMap((y) => inside.map((x) => 1 + (top + y) * grid + left + x))]),
  );
}

// How much nearer each row is to the words for damage than to those for a sound object, in (0, 1).
function scoresOf(rows, [normal, abnormal], width, temperature) {
  return Float32Array.from({ length: rows.length / width }, (_, row) => {
    let difference = 0;
    for (let i = 0; i < width; i++) difference += rows[row * width + i] * (abnormal[i] - normal[i]);
    return 1 / (1 + Math.exp(-difference / temperature));
  });
}

// Each patch's harmonic mean over the windows that cover it.
function harmonic(scores, grid, side) {
  const [sums, covers] = [new Float64Array(grid * grid), new Float64Array(grid * grid)];
  const across = grid - side + 1;
  scores.forEach((score, window) => {
    const first = Math.floor(window / across) * grid + (window % across);
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) {
        sums[first + y * grid + x] += 1 / Math.max(score, SMALLEST);
        covers[first + y * grid + x] += 1;
      }
  });
  return Float32Array.from(sums, (sum, i) => covers[i] / sum);
}

// Half of one minus the cosine to the nearest remembered row.
function distances(rows, memories, width) {
  return Float32Array.from({ length: rows.length / width }, (_, row) => {
    let nearest = -Infinity;
    for (const memory of memories)
      for (let other = 0; other < memory.length; other += width) {
        let sum = 0;
        for (let i = 0; i < width; i++) sum += rows[row * width + i] * memory[other + i];
        nearest = Math.max(nearest, sum);
      }
    return Math.max(0, (1 - nearest) / 2);
  });
}
