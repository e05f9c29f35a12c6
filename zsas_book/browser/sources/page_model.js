// The scripts of the model, loaded when they are wanted, and the model itself: in a worker where there may be one.

const parts = {};
self.zsasPart = (name, value) => (parts[name] = value);

const script = (address) =>
  new Promise((done, failed) => {
    const element = document.createElement("script");
    element.src = address;
    element.onload = done;
    element.onerror = () => failed(new Error(`The file ${address} could not be loaded; is it beside this page?`));
    document.head.append(element);
  });


// Runs in the worker, whose text it becomes.
const answering = () => {
  const engine = self.zsasEngine();
  self.onmessage = async ({ data: { number, asked, given } }) => {
    try {
      self.postMessage({ number, answer: await engine[asked](given) });
    } catch (error) {
      self.postMessage({ number, error: String(error?.message ?? error) });
    }
  };
  self.postMessage({ number: -1 });
};

const inWorker = () =>
  new Promise((done, failed) => {
    const text = `self.zsasEngine = ${self.zsasEngine};\n(${answering})();`;
    const worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    const waiting = new Map();
    let next = 0;
    const ask = (asked, given, transferred = []) =>
      new Promise((answered, refused) => {
        waiting.set(next, { answered, refused });
        worker.postMessage({ number: next++, asked, given }, transferred);
      });
    worker.onerror = failed;
    worker.onmessage = ({ data: { number, answer, error } }) => {
      if (number < 0) return done(ask);
      const { answered, refused } = waiting.get(number);
      waiting.delete(number);
      if (error === undefined) answered(answer);
      else refused(new Error(error));
    };
  });

const inPage = () => {
  const engine = self.zsasEngine();
  return async (asked, given) => engine[asked](given);
};

let started;
const start = (scripts) =>
  (started ??= (async () => {
    await Promise.all(["engine", "about", "image"].map((name) => script(`${scripts}${name}.js`)));
    let ask;
    try {
      ask = await inWorker();
    } catch (error) {
      ask = inPage(); // a policy forbids workers made from text
    }
    const { kernel, config } = parts.about;
    await ask("load", { kernel, config, ...parts.image });
    delete parts.image;
    return ask;
  })().catch((error) => {
    started = undefined;
    throw error;
  }));
