// Which characters a terminal can show, and how many bytes a text takes: GBK, asked of the browser's own decoder once.

let known = null;

function table() {
  if (known) return known;
  known = new Set();
  const decoder = new TextDecoder("gbk");
  const pair = new Uint8Array(2);
  for (let lead = 0x81; lead <= 0xfe; lead += 1) {
    for (let trail = 0x40; trail <= 0xfe; trail += 1) {
      if (trail === 0x7f) continue;
      pair.set([lead, trail]);
      const sign = decoder.decode(pair);
      // The private area is no script of anybody's: decoders map to it what GBK leaves open.
      if ([...sign].length === 1 && sign !== "\ufffd" && !(sign >= "\ue000" && sign <= "\uf8ff")) known.add(sign);
    }
  }
  return known;
}

/** Return {bytes, strange}: the length in GBK, and the first character that is not in it, "" for none. */
export function measure(text) {
  let bytes = 0;
  let strange = "";
  for (const sign of text) {
    if (sign <= "\x7f") bytes += 1;
    else {
      bytes += 2;
      if (!strange && !table().has(sign)) strange = sign;
    }
  }
  return { bytes, strange };
}
