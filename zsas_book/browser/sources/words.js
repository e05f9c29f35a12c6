// Sentences about an object, CLIP's tokens, and the text tower that reads them.

const PIECES = /<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;

class Tokenizer {
  // `merges` is a text of one merge a line, the first learned first.
  constructor(merges) {
    const bytes = [];
    for (let byte = 0; byte < 256; byte++)
      if ((byte > 32 && byte < 127) || (byte > 160 && byte < 173) || byte > 173) bytes.push(byte);
    const letters = bytes.map((byte) => String.fromCharCode(byte));
    for (let byte = 0, more = 0; byte < 256; byte++)
      if (!bytes.includes(byte)) {
        bytes.push(byte);
        letters.push(String.fromCharCode(256 + more++));
      }
    this.letters = Object.fromEntries(bytes.map((byte, i) => [byte, letters[i]]));
    const pairs = merges.trimEnd().split("\n");
    this.ranks = new Map(pairs.map((pair, rank) => [pair, rank]));
    const pieces = [...letters, ...letters.map((letter) => letter + "</w>"), ...pairs.map((pair) => pair.replace(" ", ""))];
    this.ids = new Map(pieces.map((piece, id) => [piece, id]));
    this.start = pieces.length;
    this.kept = new Map();
  }

  // The token ids of a text without start and end.
  encode(text) {
    const words = clean(text).match(PIECES) ?? [];
    return words.flatMap((word) => {
      if (!this.kept.has(word)) this.kept.set(word, this.merged(word));
      return this.kept.get(word);
    });
  }

  merged(word) {
    let pieces = Array.from(new TextEncoder().encode(word), (byte) => this.letters[byte]);
    pieces[pieces.length - 1] += "</w>";
    for (;;) {
      let [best, rank] = [-1, Infinity];
      for (let i = 0; i + 1 < pieces.length; i++) {
        const found = this.ranks.get(`${pieces[i]} ${pieces[i + 1]}`) ?? Infinity;
        if (found < rank) [best, rank] = [i, found];
      }
      if (best < 0) return pieces.map((piece) => this.ids.get(piece));
      const [first, second] = [pieces[best], pieces[best + 1]];
      const joined = [];
      for (let i = 0; i < pieces.length; i++) {
        const here = pieces[i] === first && pieces[i + 1] === second;
        joined.push(here ? first + second : pieces[i]);
        if (here) i++;
      }
      pieces = joined;
    }
  }
}

// As the tokenizer's own cleaning leaves what people type.
function clean(text) {
  const plain = text.normalize("NFC").replace(/[\u2018\u2019]/g, "'").replace(/[\u201c\u201d]/g, '"');
  const narrow = plain.replace(/[\uff01-\uff5e\u3000]/g, (letter) => letter.normalize("NFKC"));
  return narrow.replace(/\s+/g, " ").trim().toLowerCase();
}

// How a class name is said in a sentence.
function phrase(name, { spelled_out: known, nameless }) {
  const spaced = name.replace(/_|(?<!\d)\.|\.(?!\d)/g, " ");
  const bare = spaced.replace(/[0-9. ]+$/, "").replace(/^[ .-]+|[ .-]+$/g, "");
  const words = bare.split(/\s+/).filter(Boolean).join(" ");
  return (known[words] ?? words) || nameless;
}

class Reader {
  constructor(heap, { config, tensors }, merges) {
    this.config = config;
    this.heap = heap;
    this.tokenizer = new Tokenizer(merges);
    this.tower = new Tower(heap, tensors, "text.", config.text);
    this.places = tensors.get("text.places");
    this.rows = tensors.raw("text.words");
    this.half = tensors.places["text.words"].type === "float16";
    this.scales = tensors.has("text.words.scale") ? tensors.get("text.words.scale") : null;
  }

  word(id, to) {
    const { width } = this.tower;
    const { floats } = this.heap;
    for (let i = 0; i < width; i++) {
      const value = this.rows[id * width + i];
      floats[to + i] = this.half ? HALVES[value] : value * (this.scales ? this.scales[id] : 1);
    }
  }

  // Unit vectors of sentences, one after the other. Each ends at its end token, after which nothing counts.
  encode(sentences) {
    const { tower, tokenizer, heap, places } = this;
    const { width, context } = tower;
    const ids = sentences.map((sentence) => {
      const found = tokenizer.encode(sentence).slice(0, context - 2);
      return [tokenizer.start, ...found, tokenizer.start + 1];
    });
    const out = new Float32Array(sentences.length * tower.embed);
    for (let begin = 0; begin < ids.length; ) {
      const starts = [0];
      let end = begin;
      while (end < ids.length && starts[end - begin] + ids[end].length <= ROWS_AT_ONCE) {
        starts.push(starts[end - begin] + ids[end].length);
        end++;
      }
      ids.slice(begin, end).flat().forEach((id, row) => this.word(id, tower.tokens + row * width));
      const { floats } = heap;
      for (let number = 0; number + 1 < starts.length; number++)
        for (let i = 0; i < (starts[number + 1] - starts[number]) * width; i++)
          floats[tower.tokens + starts[number] * width + i] += places[i];
      tower.run(starts, true, starts.slice(1).map((next) => next - 1));
      out.set(tower.embed_(end - begin), begin * tower.embed);
      begin = end;
    }
    return out;
  }

  // T_n and T_a of an object, and into how many tokens each of its words falls.
  about(name) {
    const { prompts } = this.config;
    const said = phrase(name, prompts);
    const means = [prompts.normal, prompts.abnormal].map((states) => {
      const sentences = states.flatMap((state) =>
        prompts.templates.map((template) => template.replace("{}", () => state.replace("{}", () => said)) + prompts.end),
      );
      const rows = this.encode(sentences);
      const { embed } = this.tower;
      const mean = new Float32Array(embed);
      for (let i = 0; i < rows.length; i++) mean[i % embed] += rows[i];
      return unitRows(mean, embed);
    });
    const pieces = said.split(" ").map((word) => ({ word, tokens: this.tokenizer.encode(word).length }));
    return { said, words: means, pieces };
  }
}
