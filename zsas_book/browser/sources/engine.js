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
    return {};
  }

  remember({ pictures }) {
    this.model.remember(pictures.map((pixels) => squashed(pixels, this.config.side)));
    return {};
  }

  look({ amounts, words }) {
    const { side, grid } = this.config;
    const planes = perturbed(this.planes, side, amounts);
    const found = this.model.predict(planes, words);
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
