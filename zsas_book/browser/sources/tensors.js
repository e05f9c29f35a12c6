// What the exported files hold: bytes as base64 text, and where in them each tensor stands, in which type.

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// The 65,536 numbers of half precision.
const HALVES = (() => {
  const numbers = new Float32Array(65536);
  for (let bits = 0; bits < 32768; bits++) {
    const [exponent, fraction] = [bits >> 10, bits & 1023];
    const value = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14;
    numbers[bits] = exponent === 31 ? (fraction ? NaN : Infinity) : value;
    numbers[bits + 32768] = -numbers[bits];
  }
  return numbers;
})();

class Tensors {
  constructor(places, base64) {
    this.places = places; // by name: { type, at (bytes), shape }
    this.bytes = bytesOf(base64);
  }

  has(name) {
    return name in this.places;
  }

  raw(name) {
    const { type, at, shape } = this.places[name];
    const count = shape.reduce((product, size) => product * size, 1);
    const kind = { float32: Float32Array, float16: Uint16Array, int8: Int8Array }[type];
    return new kind(this.bytes.buffer.slice(at, at + count * kind.BYTES_PER_ELEMENT));
  }

  // As 32-bit floats.
  get(name) {
    const raw = this.raw(name);
    return this.places[name].type === "float16" ? Float32Array.from(raw, (bits) => HALVES[bits]) : Float32Array.from(raw);
  }

  shape(name) {
    return this.places[name].shape;
  }
}
