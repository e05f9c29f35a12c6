// What the page asks, answered. One engine for a page, in a worker where the browser lets it have one.

class Engine {
  load({ kernel, config, places, base64, plain }) {
    this.heap = new Heap(plain ? null : bytesOf(kernel));
    this.config = config;
    this.model = new WinCLIP(this.heap, { config, tensors: new Tensors(places, base64) });
    return { native: Boolean(this.heap.native) };
  }

  async loadWords({ places, base64, merges }) {
    const packed = new Blob([bytesOf(merges)]).stream().pipeThrough(new DecompressionStream("gzip"));
    const text = await new Response(packed).text();
    this.reader = new Reader(this.heap, { config: this.config, tensors: new Tensors(places, base64) }, text);
    return {};
  }

  about({ name }) {
    return this.reader.about(name);
  }

  // Take a picture, as decoded pixels on white, in the place of the one before.
  take({ pixels }) {
    this.planes = squashed(pixels, this.config.side);
    this.seen = null;
    return {};
  }

  remember({ pictures }) {
    this.model.remember(pictures.map((pixels) => squashed(pixels, this.config.side)));
    this.seen = null;
    return {};
  }

  // The picture with these amounts, embedded: for other words it need not be embedded again.
  embedded(amounts) {
    const key = JSON.stringify(amounts);
    if (this.seen?.key !== key) {
      const planes = perturbed(this.planes, this.config.side, amounts);
      this.seen = { key, planes, parts: this.model.embed(planes) };
    }
    return this.seen;
  }

  look({ amounts, words }) {
    const { side, grid } = this.config;
    const { planes, parts } = this.embedded(amounts);
    const found = this.model.predict(parts, words);
    const pixels = new Uint8ClampedArray(4 * side * side).fill(255);
    planes.forEach((plane, channel) => plane.forEach((x, i) => (pixels[4 * i + channel] = Math.round(255 * x))));
    const whole = (map) => map && enlarged(map, grid, grid, side, side);
    const map = whole(found.map);
    return {
      pixels,
      score: found.score,
      windows: found.windows,
      patches: found.map,
      map,
      byWords: whole(found.byWords),
      byReferences: whole(found.byReferences),
      upright: turnedBack(map, side, amounts.degrees),
    };
  }
}
