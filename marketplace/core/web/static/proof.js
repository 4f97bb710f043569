// Checks a proof of the public log, or a bid's receipt, in the browser: the file stays here. Without this script the site checks it.
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
  const rootFrom = async (entry, index, size, path) => {
    let at = index, last = size - 1, reached = await leaf(entry);
    if (!(at >= 0 && at <= last)) return null;
    for (const beside of path) {
      if (last === 0) return null;
      if (at % 2 === 1 || at === last) {
        reached = await node(beside, reached);
        while (at && at % 2 === 0) { at = Math.floor(at / 2); last = Math.floor(last / 2); }
      } else reached = await node(reached, beside);
      at = Math.floor(at / 2); last = Math.floor(last / 2);
    }
    return last === 0 ? reached : null;
  };
  const isIncluded = async (proof, entry) => {
    const reached = await rootFrom(entry, proof.index, proof.size, proof.path);
    return reached !== null && same(reached, proof.root);
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

  // A bid's receipt: who signed it, its terms as the log has them, and the bid in the transcript, under the log's root.
  const fromHex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
  const number = (value, bytes) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(value));
    return new Uint8Array(view.buffer).slice(8 - bytes);
  };
  const named = (text) => joined(number(utf8(text).length, 2), utf8(text));
  const readReceipt = (text) => {
    const given = JSON.parse(text), kept = given.receipt || given, signed = decode(kept.canonical);
    const said = JSON.parse(new TextDecoder().decode(signed));
    if (said.kind !== "bid receipt") throw new Error("no receipt of a bid");
    return { kept, signed, said };
  };
  const isOfOperator = async ({ kept, signed }) => {
    let message = signed;
    if (kept.batch) {
      const root = await rootFrom(signed, kept.batch.index, kept.batch.size, kept.batch.path.map(decode));
      if (root === null) return false;
      message = utf8(`{"kind":"bid receipts","root":"${hex(root)}","size":${kept.batch.size},"version":1}`);
    }
    return verifies(fromHex(form.dataset.receiptKey), decode(kept.signature), message);
  };
  const statementsAbout = async (auction) => {
    const answer = await fetch(`${form.dataset.auctions}${encodeURIComponent(auction)}`, { cache: "no-cache" }), stated = {};
    if (!answer.ok) return stated;
    for (const proof of (await answer.json()).proofs.map(readProof)) {
      const entry = decode(proof.stated.entry), content = JSON.parse(new TextDecoder().decode(entry));
      let held = await isIncluded(proof, entry), signed = false;
      for (const key of form.dataset.keys.split(" ").filter(Boolean).map(readKey)) signed = signed || await isSigned(proof, key);
      if (held && signed && content.subject === auction) stated[content.kind] = content.statement;
    }
    return stated;
  };
  const treeOf = async (leaves) => {
    if (leaves.length === 1) return leaf(leaves[0]);
    let middle = 1;
    while (middle * 2 < leaves.length) middle *= 2;
    return node(await treeOf(leaves.slice(0, middle)), await treeOf(leaves.slice(middle)));
  };
  const isCounted = async (said, stated) => {
    if (stated.auction_cancelled && said.position !== null) return "no";
    if (!stated.auction_closed || (said.position === null && said.answer !== "refused_below_minimum")) return "unknown";
    const answer = await fetch(`/api/v1/auctions/${encodeURIComponent(said.auction)}/transcript`, { cache: "no-cache" });
    if (!answer.ok) return "unknown";
    const made = await answer.json();
    const refused = await Promise.all((made.refused || []).map((one) =>
      sha256(utf8("mkt/proxy/v1\0"), named(made.auction), named(one.bidder), number(one.maximum_minor, 8), number(one.at, 8))));
    const leaves = [stated.auction_opened.terms_sha256, ...made.entries, ...refused.map(hex)];
    const among = said.position === null ? refused.map(hex) : made.entries;
    const whole = hex(await treeOf(leaves.map(fromHex))) === stated.auction_closed.root;
    return whole && said.commitments.every((one) => among.includes(one)) ? "yes" : "no";
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
    const text = proof.stated.document === undefined ? content : JSON.parse(new TextDecoder().decode(decode(proof.stated.document)));
    const late = content.kind === "price_inputs" && text !== content && content.day !== text.day && !(content.day > text.day && !content.previous);
    write("late", late ? "yes" : "");
    const list = find("cosigned");
    list.replaceChildren();
    for (const key of signed === "unknown" ? [] : form.dataset.witnesses.split(" ").filter(Boolean).map(readKey)) {
      const at = await cosigned(proof, key);
      if (at === null) continue;
      const line = document.createElement("li"), when = new Date(at * 1000).toLocaleString(document.documentElement.lang);
      line.textContent = list.dataset.words.replace("NAME", key.name).replace("WHEN", when);
      list.append(line);
    }
    const holds = included && !late && signed === "yes";
    write("verdict", !included || late || signed === "no" ? "no" : holds ? "yes" : "");
    find("verdict").className = `notice ${holds ? "good" : "bad"}`;
    const what = find("what"), kinds = JSON.parse(what.dataset.kinds);
    what.hidden = false;
    what.textContent = included ? `${kinds[content.kind] || content.kind}: ${content.subject || content.day}` : "";
    find("text").textContent = JSON.stringify(text, null, 2);
    find("text").hidden = !included;
  };

  const clear = (...names) => { for (const name of names) { find(name).textContent = ""; find(name).hidden = true; } };
  const showReceipt = async (receipt) => {
    clear("signed", "included", "late", "what");
    find("cosigned").replaceChildren();
    let signed = "unknown", terms = "unknown", counted = "unknown";
    try {
      signed = await isOfOperator(receipt) ? "yes" : "no";
      const stated = await statementsAbout(receipt.said.auction);
      if (stated.auction_opened) {
        terms = stated.auction_opened.terms_sha256 === receipt.said.terms ? "yes" : "no";
        counted = await isCounted(receipt.said, stated);
      }
    } catch { /* a browser that cannot check signatures */ }
    for (const [name, answer] of [["operator", signed], ["terms", terms], ["counted", counted]]) write(name, answer);
    const wrong = [signed, terms, counted].includes("no");
    write("verdict", wrong ? "bidNo" : signed === "yes" ? "bidYes" : "");
    find("verdict").className = `notice ${wrong ? "bad" : "good"}`;
    find("text").textContent = JSON.stringify(receipt.said, null, 2);
    find("text").hidden = false;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = form.querySelector("input[type=file]").files[0];
    if (!file) return;
    place.hidden = false;
    const text = await file.text();
    try {
      if (text.trimStart().startsWith("{")) await showReceipt(readReceipt(text));
      else { clear("operator", "terms", "counted"); await show(readProof(text)); }
    } catch {
      clear("signed", "included", "late", "what", "text", "operator", "terms", "counted");
      find("cosigned").replaceChildren();
      write("verdict", "none");
      find("verdict").className = "notice bad";
    }
  });
})();
