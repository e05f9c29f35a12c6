// Reading pictures: decoded pixels on white, as the library reads them, or a sentence that says why not.

const MOST_BYTES = 60e6;
const MOST_PIXELS = 40e6;


const letters = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

// What to say about a file before it is decoded: { refuse } or { note }, or nothing.
const told = (bytes) => {
  const brand = letters(bytes, 4, 12);
  if (/^ftyp(heic|heix|hevc|mif1|msf1)/.test(brand))
    return { refuse: "HEIC pictures cannot be read by most browsers; save it as JPEG or PNG first." };
  if (["II*\0", "MM\0*"].includes(letters(bytes, 0, 4)))
    return { refuse: "TIFF pictures cannot be read by browsers; save it as PNG first." };
  const text = letters(bytes, 0, Math.min(bytes.length, 4096));
  if (/^\x89PNG/.test(text) && bytes[24] === 16)
    return { note: "Its 16-bit values are cut to 8 bits here; the library reads all 16, so its map may differ." };
  const several = /^\x89PNG/.test(text) ? text.includes("acTL") : /^RIFF/.test(text) ? text.includes("ANIM") : /^GIF8/.test(text);
  return several ? { note: "If it moves, its first frame is taken, as the library does." } : {};
};

const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

// Pixels on white, as the library reads them; throws an Error that says in a sentence why not.
const decoded = async (blob) => {
  if (blob.size > MOST_BYTES) throw new Error(`This file has ${Math.round(blob.size / 1e6)} MB; pictures of at most ${MOST_BYTES / 1e6} MB are read here.`);
  const { refuse, note } = told(new Uint8Array(await blob.slice(0, 4096).arrayBuffer()));
  if (refuse) throw new Error(refuse);
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  } catch (error) {
    throw new Error("This file is no picture that this browser can read; JPEG, PNG and WebP are.");
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) throw new Error(`This picture has ${width} x ${height} pixels; at most ${MOST_PIXELS / 1e6} million are read here. Make it smaller first.`);
  const canvas = canvasOf(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  let { data } = context.getImageData(0, 0, width, height);
  let [opaque, seen] = [true, false];
  for (let i = 3; i < data.length; i += 4) {
    opaque &&= data[i] === 255;
    seen ||= data[i] > 0;
  }
  if (!seen) throw new Error("This picture is transparent everywhere, and a browser does not give what lies behind.");
  if (!opaque) {
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    data = context.getImageData(0, 0, width, height).data;
  }
  bitmap.close();
  return { pixels: { data, width, height }, note };
};

const fetched = async (address) => {
  const [head, text] = address.split(",");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: head.slice(5).split(";")[0] });
};

const floats = (base64) => new Float32Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
