// The page around the model: pictures in, sliders, a map over the picture, and everything in words as well. Nothing
// leaves the reader's machine: there is no request but for the scripts beside this one.

const FORMS = {
  full: { rotation: true, colours: true, sweep: true, normal: true, python: true },
  windows: {},
  rotation: { rotation: true, sweep: true },
};
const WAIT = "The worst angle is being looked for; the next thing can be asked when it is found.";
const SWEEP = Array.from({ length: 37 }, (_, i) => 5 * i - 90);


const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  element.append(...children);
  return element;
};

const round = (value, digits = 2) => value.toFixed(digits).replace("-", "\u2212");
let numbers = 0;

class Try {
  constructor(box, ask) {
    Object.assign(this, { box, ask, form: FORMS[box.dataset.form], about: parts.about, number: numbers++ });
    this.side = this.about.config.side;
    this.amounts = { degrees: 0, hue: 0, saturation: 0 };
    this.threshold = 0.5;
    this.normal = 0;
    this.build();
  }

  build() {
    const { form, about } = this;
    this.alert = make("p", { role: "alert" });
    this.note = make("p", { role: "status" });
    this.said = make("output", { "aria-live": "polite" });
    this.place = make("output", { "aria-live": "polite" });
    this.canvas = make("canvas", { width: SHOWN, height: SHOWN, tabindex: 0, role: "img", "aria-label": "No picture yet." });
    this.follow();
    const fields = [this.pictures(), this.words()];
    const sliders = [this.slider("Threshold of the outline", 0, 1, 0.01, this.threshold, (v) => this.cut(v), (v) => round(v))];
    const amount = (key) => (value) => {
      this.amounts[key] = value;
      this.look();
    };
    if (form.rotation) sliders.push((this.turning = this.slider("Rotation, clockwise", -90, 90, 1, 0, amount("degrees"), (v) => `${round(v, 0)}°`)));
    if (form.colours) {
      sliders.push(this.slider("Hue shift", -3.14, 3.14, 0.02, 0, amount("hue"), (v) => `${round(v)} radians`));
      sliders.push(this.slider("Saturation shift", -0.5, 0.5, 0.01, 0, amount("saturation"), (v) => round(v)));
    }
    const left = make("div", { class: "zsas-view" }, this.canvas, this.said, this.place);
    const right = make("div", {}, ...fields, make("fieldset", {}, make("legend", {}, "What to change"), ...sliders));
    if (form.sweep) right.append(this.sweeping());
    if (form.normal) right.append(this.comparing());
    if (form.python) right.append(this.python());
    this.box.replaceChildren(
      make("p", {}, `Runs on this machine, in this page: no picture and no word leaves it. Model: ${about.config.backbone}.`),
      this.alert,
      this.note,
      make("div", { class: "zsas-both" }, left, right),
    );
  }

  // ---- pictures

  pictures() {
    const { examples } = this.about;
    this.buttons = examples.map((example) =>
      make(
        "button",
        { type: "button", "aria-pressed": "false", "aria-label": example.label, title: example.label, onclick: () => this.example(example) },
        make("img", { src: example.picture, alt: "" }),
      ),
    );
    const input = make("input", { type: "file", accept: "image/*", onchange: () => this.file(chosen(input)[0]) });
    const drop = make("div", { class: "zsas-drop" }, make("label", {}, "Your own picture: choose, drop here, or paste ", input));
    dropping(drop, (files) => this.file(files[0]));
    this.box.addEventListener("paste", (event) => event.clipboardData.files.length && this.file(event.clipboardData.files[0]));
    return make("fieldset", {}, make("legend", {}, "Picture"), make("div", { class: "zsas-examples" }, ...this.buttons), drop);
  }

  async example(example) {
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(this.about.examples[i] === example)));
    const mask = await decoded(await fetched(example.mask));
    const marked = Array.from({ length: this.side ** 2 }, (_, i) => mask.pixels.data[4 * i] > 127);
    this.name.value = example.name;
    await this.take(await fetched(example.picture), { mask: marked.some(Boolean) ? marked : null, shipped: example });
    await this.named();
  }

  file(file) {
    if (!file) return;
    this.buttons.forEach((button) => button.setAttribute("aria-pressed", "false"));
    return this.take(file, { mask: null, shipped: null });
  }

  // The picture in a blob, in the place of the one before; what cannot be read is said, and changes nothing.
  async take(blob, known) {
    if (this.sweeps) return this.say(WAIT);
    try {
      const { pixels, note } = await decoded(blob);
      this.say("", note ?? "");
      await this.ask("take", { pixels }, [pixels.data.buffer]);
      Object.assign(this, known, { has: true });
      this.curve?.replaceChildren();
      this.look();
    } catch (error) {
      this.say(error.message);
    }
  }

  say(alert, note) {
    this.alert.textContent = alert;
    if (note !== undefined) this.note.textContent = note;
  }

  // ---- words

  words() {
    const list = make("datalist", { id: `zsas-names-${this.number}` }, ...Object.keys(this.about.names).map((name) => make("option", { value: name })));
    this.name = make("input", { type: "text", list: list.id, value: "object", autocomplete: "off", onchange: () => this.named() });
    this.known = make("p", { role: "status" });
    const size = (this.about.wordsBytes / 1e6).toFixed(1);
    const hint = `From the list, or in your own words (the text tower is loaded then, ${size} MB).`;
    return make("fieldset", {}, make("legend", {}, "Object"), make("label", {}, "What is it? ", this.name), list, make("p", {}, hint), this.known);
  }

  async named() {
    const name = this.name.value.trim();
    if (!name) return this.say("Say in a word or two what the picture shows, such as bottle.");
    if (name.length > 200) return this.say("That is more than a name; at most 200 letters, please.");
    this.say("");
    if (Object.hasOwn(this.about.names, name)) {
      this.known.textContent = "";
      this.T = this.about.names[name].map(floats);
      return this.look();
    }
    this.known.textContent = "Loading the text tower ...";
    try {
      await this.readWords();
      const { said, words, pieces } = await this.ask("about", { name });
      this.T = words;
      const rare = pieces.filter(({ tokens }) => tokens !== 1).map(({ word }) => word);
      const doubt = rare.length ? ` The text tower hardly knows ${rare.map((word) => `\u201c${word}\u201d`).join(" and ")}, which falls into pieces for it: trust the map less.` : "";
      this.known.textContent = `Read as \u201c${said}\u201d.${doubt}`;
      this.look();
    } catch (error) {
      this.known.textContent = "";
      this.say(error.message);
    }
  }

  readWords() {
    if (!("DecompressionStream" in self)) throw new Error("This browser cannot unpack the text tower (it lacks DecompressionStream); take a name from the list.");
    return (reading ??= (async () => {
      await script(`${this.box.dataset.scripts}words.js`);
      await this.ask("loadWords", parts.words);
      delete parts.words;
    })().catch((error) => {
      reading = undefined;
      throw error;
    }));
  }

  // ---- looking: one request at a time, and then the newest only

  async look() {
    if (!this.has || !this.T) return;
    if (this.busy) return void (this.again = true);
    this.busy = true;
    do {
      this.again = false;
      const begin = performance.now();
      try {
        this.found = await this.ask("look", { amounts: { ...this.amounts }, words: this.T });
        this.milliseconds = performance.now() - begin;
        this.draw();
      } catch (error) {
        this.say(error.message);
      }
    } while (this.again);
    this.busy = false;
  }

  cut(value) {
    this.threshold = value;
    if (this.found) this.draw();
  }

  draw() {
    const { found, side, threshold } = this;
    paint(this.canvas, found.pixels, found.map, side, threshold);
    const { grid } = this.about.config;
    const most = found.patches.reduce((best, x, i) => (x > found.patches[best] ? i : best), 0);
    const share = found.map.reduce((count, x) => count + (x >= threshold), 0) / found.map.length;
    const text =
      `Score of the whole picture ${round(found.score)}. Highest on the map: ${round(found.patches[most])}, ` +
      `in row ${Math.floor(most / grid) + 1} and column ${(most % grid) + 1} of ${grid}. ` +
      `${round(100 * share, 1)} % of the picture lies above ${round(threshold)}. ${Math.round(this.milliseconds)} ms.`;
    this.said.textContent = text;
    this.canvas.setAttribute("aria-label", `The picture with its anomaly map. ${text} Arrow keys read single places.`);
    if (this.views) this.compare();
  }

  // Scores of the windows over a place, by pointer or arrow keys.
  follow() {
    const { grid } = this.about.config;
    let [row, column] = [0, 0];
    const tell = () => {
      if (!this.found) return;
      const { windows, patches } = this.found;
      const texts = windows.map(({ side, scores }) => {
        const across = grid - side + 1;
        const over = [];
        for (let y = Math.max(0, row - side + 1); y <= Math.min(row, across - 1); y++)
          for (let x = Math.max(0, column - side + 1); x <= Math.min(column, across - 1); x++) over.push(scores[y * across + x]);
        return `windows of ${side} x ${side}: ${round(Math.min(...over))} to ${round(Math.max(...over))}`;
      });
      this.place.textContent = `Row ${row + 1}, column ${column + 1}: map ${round(patches[row * grid + column])}; ${texts.join("; ")}.`;
    };
    const inside = (value) => Math.min(grid - 1, Math.max(0, value));
    this.canvas.addEventListener("pointermove", (event) => {
      const { left, top, width, height } = this.canvas.getBoundingClientRect();
      row = inside(Math.floor(((event.clientY - top) / height) * grid));
      column = inside(Math.floor(((event.clientX - left) / width) * grid));
      tell();
    });
    this.canvas.addEventListener("keydown", (event) => {
      const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!move) return;
      event.preventDefault();
      [row, column] = [inside(row + move[0]), inside(column + move[1])];
      tell();
    });
  }

  slider(label, min, max, step, value, changed, shown) {
    const text = make("span", {}, shown(value));
    const input = make("input", { type: "range", min, max, step, value, "aria-label": label, "aria-valuetext": shown(value) });
    const set = () => {
      text.textContent = shown(Number(input.value));
      input.setAttribute("aria-valuetext", text.textContent);
      changed(Number(input.value));
    };
    input.addEventListener("input", set);
    const element = make("label", {}, `${label}: `, text, input);
    element.set = (to) => {
      input.value = to;
      set();
    };
    return element;
  }

  // ---- the worst angle

  sweeping() {
    this.damaged = make("select", {}, make("option", { value: "damaged" }, "damage"), make("option", { value: "sound" }, "nothing wrong"));
    this.button = make("button", { type: "button", onclick: () => this.sweep() }, "Find the worst angle");
    this.curve = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.worst = make("output", { "aria-live": "polite" });
    const hint = "Of a picture that ships with damage, pixel AUROC is drawn; of others the score of the whole picture, which is worst where it is lowest for damage and highest for none.";
    return make("fieldset", {}, make("legend", {}, "Worst angle"), make("label", {}, "A picture of your own shows ", this.damaged), this.button, make("p", {}, hint), this.curve, this.worst);
  }

  async sweep() {
    if (!this.has || !this.T) return this.say("Take a picture and name its object first.");
    const { mask, amounts } = this;
    const sound = !mask && (Boolean(this.shipped) || this.damaged.value === "sound");
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const values = [];
    this.busy = true;
    this.hold(true);
    try {
      for (const degrees of SWEEP) {
        if (values.length % 6 === 0) this.worst.textContent = `Angle ${values.length + 1} of ${SWEEP.length} ...`;
        const found = await this.ask("look", { amounts: { ...amounts, degrees }, words: this.T });
        values.push(mask ? auroc(found.upright, mask) : found.score);
        if (!still) this.plot(values, sound);
      }
      const at = this.plot(values, sound);
      const what = mask ? "pixel AUROC" : "score of the whole picture";
      this.worst.textContent = `Worst at ${round(SWEEP[at], 0)}°: ${what} ${round(values[at], 3)}, upright ${round(values[18], 3)}.`;
      this.busy = false;
      this.turning.set(SWEEP[at]);
    } catch (error) {
      this.worst.textContent = "";
      this.say(error.message);
    } finally {
      this.busy = false;
      this.hold(false);
      this.button.focus();
    }
  }

  // While angles are tried nothing else is asked for, so that all of them are of one picture and one name.
  hold(sweeps) {
    this.sweeps = sweeps;
    for (const control of this.box.querySelectorAll("input, button, select")) control.disabled = sweeps;
  }

  // The curve so far, and which of its values is the worst.
  plot(values, sound) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const at = values.indexOf(sound ? high : low);
    const x = (i) => 40 + (i / (SWEEP.length - 1)) * 340;
    const y = (value) => 100 - ((value - low) / Math.max(high - low, 1e-9)) * 80;
    const draw = (tag, attributes, text = "") => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      element.textContent = text;
      return element;
    };
    const label = { fill: "currentColor", "font-size": 11 };
    this.curve.setAttribute("viewBox", "0 0 400 130");
    this.curve.setAttribute("role", "img");
    this.curve.setAttribute("aria-label", `From \u221290 to 90 degrees the values go from ${round(low, 3)} to ${round(high, 3)}.`);
    this.curve.replaceChildren(
      draw("polyline", { points: values.map((value, i) => `${x(i)},${y(value)}`).join(" "), fill: "none", stroke: "currentColor", "stroke-width": 2 }),
      draw("circle", { cx: x(at), cy: y(values[at]), r: 5, fill: "var(--pst-color-danger, #c00)" }),
      draw("text", { ...label, x: 0, y: 24 }, round(high)),
      draw("text", { ...label, x: 0, y: 104 }, round(low)),
      ...[-90, -45, 0, 45, 90].map((degrees) => draw("text", { ...label, x: x((degrees + 90) / 5), y: 124, "text-anchor": "middle" }, `${round(degrees, 0)}°`)),
    );
    return at;
  }

  // ---- normal pictures to compare with

  comparing() {
    const input = make("input", { type: "file", accept: "image/*", multiple: true, onchange: () => this.normals(chosen(input)) });
    const drop = make("div", { class: "zsas-drop" }, make("label", {}, "Normal pictures of the same object: choose or drop some ", input));
    dropping(drop, (files) => this.normals([...files]));
    const shipped = make("button", { type: "button", onclick: () => this.soundOnes() }, "Take the sound picture that ships");
    const forget = make("button", { type: "button", onclick: () => this.remember([]) }, "Forget them");
    this.views = ["what words say", "what the normal pictures say"].map((title) => {
      const canvas = make("canvas", { width: SHOWN, height: SHOWN, role: "img", "aria-label": `The map of ${title}` });
      return { canvas, figure: make("figure", {}, canvas, make("figcaption", {}, title)) };
    });
    this.two = make("div", { class: "zsas-both", hidden: true }, ...this.views.map(({ figure }) => figure));
    this.remembered = make("p", { role: "status" });
    return make("fieldset", {}, make("legend", {}, "Few-shot"), drop, shipped, " ", forget, this.remembered, this.two);
  }

  async normals(files) {
    if (this.sweeps) return this.say(WAIT);
    try {
      const read = [];
      for (const file of files) read.push((await decoded(file)).pixels);
      if (read.length) await this.remember(read);
    } catch (error) {
      this.say(error.message);
    }
  }

  async soundOnes() {
    const own = this.about.examples.filter(({ name, label }) => name === this.name.value && label.includes("sound"));
    if (!own.length) return this.say("No sound picture of this object ships; drop some of your own.");
    await this.remember([(await decoded(await fetched(own[0].picture))).pixels]);
  }

  async remember(pictures) {
    await this.ask("remember", { pictures });
    this.normal = pictures.length;
    this.remembered.textContent = pictures.length ? `Compared with ${pictures.length} normal picture${pictures.length > 1 ? "s" : ""}: the map is the mean of both parts.` : "";
    this.look();
  }

  compare() {
    const { found, side, views } = this;
    this.two.hidden = !found.byReferences;
    if (!found.byReferences) return;
    [found.byWords, found.byReferences].forEach((map, i) => paint(views[i].canvas, found.pixels, map, side));
  }

  // ---- the same with a real CLIP

  python() {
    const code = make("pre", { tabindex: 0 });
    const lines = () => {
      const name = JSON.stringify(this.name.value.trim() || "object");
      const { degrees, hue, saturation } = this.amounts;
      return [
        "from pathlib import Path",
        "import zsas_lib as zsas",
        "from zsas_lib.data.pictures import read_image",
        'backbone = zsas.load_backbone("vit-b-16-plus-240")',
        'model = zsas.load_model("winclip", backbone)',
        'image = read_image(Path("picture.jpg"))[None]',
        `image = zsas.perturb(image, degrees=${degrees}, hue=${hue}, saturation=${saturation})`,
        `prediction = model(image, ${name})`,
        "print(prediction.image_score, prediction.anomaly_map.shape)",
      ].join("\n");
    };
    const done = make("span", { role: "status" });
    const copy = async () => {
      code.textContent = lines();
      try {
        await navigator.clipboard.writeText(lines());
        done.textContent = " Copied.";
      } catch (error) {
        getSelection().selectAllChildren(code);
        done.textContent = " Selected; press Ctrl+C.";
      }
    };
    const details = make("details", { ontoggle: () => (code.textContent = lines()) }, make("summary", {}, "The lines"), code);
    return make("fieldset", {}, make("legend", {}, "The same with a real CLIP"), make("button", { type: "button", onclick: copy }, "Copy the Python lines"), done, details);
  }
}

let reading;

// The files, and the field free again, so that the same ones can be chosen once more.
const chosen = (input) => {
  const files = [...input.files];
  input.value = "";
  return files;
};

const dropping = (element, taken) => {
  element.addEventListener("dragover", (event) => event.preventDefault());
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) taken(event.dataTransfer.files);
  });
};

// Called by the page when its button was pressed.
self.zsasTry = async (box) => {
  if (!document.getElementById("zsas-try-style")) document.head.append(make("style", { id: "zsas-try-style" }, STYLE));
  const status = box.querySelector("[role=status]");
  status.textContent = "Loading ...";
  try {
    const ask = await start(box.dataset.scripts);
    const page = new Try(box, ask);
    box.zsasTry = page;
    if (page.about.examples.length) await page.example(page.about.examples[0]);
    else await page.named();
  } catch (error) {
    status.textContent = error.message;
    box.querySelector("button").disabled = false;
  }
};
