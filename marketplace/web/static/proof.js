// Checks a proof of the public log in the browser: the file stays here. Without this script the site checks it.
// The format is C2SP tlog-proof, signed-note and tlog-cosignature; hashes are RFC 6962's.
"use strict";
(() => {
  const form = document.querySelector("[data-check]");
  if (!form || !window.crypto || !crypto.subtle) return;
  const place = document.querySelector("[data-result]");
  const DEPTH = 40;
  const find = (name) => place.querySelector(`[data-${name}]`);
  const decode = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const utf8 = (text) => new TextEncoder().encode(text);
  const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
  const leaf = (data) => sha256([0], data);
  const node = (left, right) => sha256([1], left, right);
  const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const same = (one, other) => hex(one) === hex(other);

  const readKey = (text) => {
    const [name, id, ...rest] = text.split("+");
    return { name, id, key: decode(rest.join("+")).slice(1) };
  };
  const readProof = (text) => {
    const cut = text.indexOf("\n\n");
    const [heading, extra, index, ...path] = text.slice(0, cut).split("\n");
    if (heading !== "c2sp.org/tlog-proof@v1" || !extra.startsWith("extra ") || !index.startsWith("index ")) throw new Error("no proof");
    const note = text.slice(cut + 2);
    const end = note.lastIndexOf("\n\n") + 1;
    const [origin, size, root] = note.slice(0, end).split("\n");
    const signatures = note.slice(end + 1).trimEnd().split("\n").map((line) => {
      const [dash, name, data] = line.split(" ");
      if (dash !== "—") throw new Error("no signature");
      const bytes = decode(data);
      return { name, id: hex(bytes.slice(0, 4)), signature: bytes.slice(4) };
    });
    const stated = JSON.parse(new TextDecoder().decode(decode(extra.slice(6))));
    return { stated, index: Number(index.slice(6)), path: path.map(decode), text: note.slice(0, end), origin, size: Number(size), root: decode(root), signatures };
  };
  const verifies = async (key, signature, message) => {
    const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
  };
  const under = (proof, key) => proof.signatures.filter((one) => one.name === key.name && one.id === key.id);

  const isSigned = async (proof, key) => {
    const lines = key.name === proof.origin ? under(proof, key) : [];
    const held = await Promise.all(lines.map((one) => verifies(key.key, one.signature, utf8(proof.text))));
    return held.length > 0 && held.every(Boolean);
  };
  const cosigned = async (proof, key) => {
    for (const one of under(proof, key)) {
      const at = new DataView(one.signature.buffer, one.signature.byteOffset).getBigUint64(0);
      if (await verifies(key.key, one.signature.slice(8), utf8(`cosignature/v1\ntime ${at}\n${proof.text}`))) return Number(at);
    }
    return null;
  };
  const isIncluded = async (proof, entry) => {
    let at = proof.index, last = proof.size - 1, reached = await leaf(entry);
    if (!(at >= 0 && at <= last)) return false;
    for (const beside of proof.path) {
      if (last === 0) return false;
      if (at % 2 === 1 || at === last) {
        reached = await node(beside, reached);
        while (at && at % 2 === 0) { at = Math.floor(at / 2); last = Math.floor(last / 2); }
      } else reached = await node(reached, beside);
      at = Math.floor(at / 2); last = Math.floor(last / 2);
    }
    return last === 0 && same(reached, proof.root);
  };
  const isItem = async (stated, content) => {
    const path = stated.path.map(decode), name = utf8(`${content.kind}\0${stated.source}`);
    let at = BigInt(`0x${hex((await sha256(name)).slice(0, DEPTH / 8))}`);
    let reached = await leaf(joined(decode(stated.salt), await sha256(decode(stated.document))));
    for (const beside of path) {
      reached = at % 2n ? await node(beside, reached) : await node(reached, beside);
      at /= 2n;
    }
    return path.length === DEPTH && hex(reached) === content.root;
  };

  const write = (name, answer) => { const part = find(name); part.textContent = part.dataset[answer] || ""; part.hidden = !part.textContent; };
  const show = async (proof) => {
    const entry = decode(proof.stated.entry), content = JSON.parse(new TextDecoder().decode(entry));
    let signed = "no";
    try {
      for (const key of form.dataset.keys.split(" ").filter(Boolean).map(readKey)) if (await isSigned(proof, key)) signed = "yes";
    } catch { signed = "unknown"; }
    let included = await isIncluded(proof, entry);
    if (proof.stated.document !== undefined) included = included && await isItem(proof.stated, content);
    write("signed", signed);
    write("included", included ? "yes" : "no");
    const list = find("cosigned");
    list.replaceChildren();
    for (const key of signed === "unknown" ? [] : form.dataset.witnesses.split(" ").filter(Boolean).map(readKey)) {
      const at = await cosigned(proof, key);
      if (at === null) continue;
      const line = document.createElement("li"), when = new Date(at * 1000).toLocaleString(document.documentElement.lang);
      line.textContent = list.dataset.words.replace("NAME", key.name).replace("WHEN", when);
      list.append(line);
    }
    const holds = included && signed === "yes";
    write("verdict", !included || signed === "no" ? "no" : holds ? "yes" : "");
    find("verdict").className = `notice ${holds ? "good" : "bad"}`;
    const what = find("what"), kinds = JSON.parse(what.dataset.kinds);
    what.hidden = false;
    what.textContent = included ? `${kinds[content.kind] || content.kind}: ${content.subject || content.day}` : "";
    const text = proof.stated.document === undefined ? content : JSON.parse(new TextDecoder().decode(decode(proof.stated.document)));
    find("text").textContent = JSON.stringify(text, null, 2);
    find("text").hidden = !included;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = form.querySelector("input[type=file]").files[0];
    if (!file) return;
    place.hidden = false;
    try {
      await show(readProof(await file.text()));
    } catch {
      for (const name of ["signed", "included", "what", "text"]) { find(name).textContent = ""; find(name).hidden = true; }
      find("cosigned").replaceChildren();
      write("verdict", "none");
      find("verdict").className = "notice bad";
    }
  });
})();
