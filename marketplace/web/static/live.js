// The live auction page: price, end, log and own state follow the server's stream. Without this script the page is complete
// and is brought up to date by reloading it.
"use strict";
(() => {
  const box = document.querySelector("[data-live]");
  if (!box) return;
  const find = (name) => document.querySelector(`[data-${name}]`);
  const language = document.documentElement.lang === "fr" ? "fr-FR" : "en-GB";
  const money = new Intl.NumberFormat(language, { style: "currency", currency: box.dataset.currency });
  const time = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", timeZone: "Europe/Paris" });
  const phase = box.dataset.phase;
  let closes = Number(box.dataset.closes), ahead = Number(box.dataset.now) - Date.now(), last = Number(box.dataset.last);

  const write = (name, text) => { const place = find(name); if (place && place.textContent !== text) place.textContent = text; };
  const show = (name, yes) => { const place = find(name); if (place) place.hidden = !yes; };

  const tick = () => {
    const seconds = Math.max(0, Math.round((closes - ahead - Date.now()) / 1000));
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    write("left", parts.map((part) => String(part).padStart(2, "0")).join(":"));
  };
  const line = (entry) => {
    const row = document.createElement("tr");
    for (const text of [String(entry.position), entry.bidder, time.format(entry.at), entry.price_minor === null ? "—" : money.format(entry.price_minor / 100)]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    row.lastElementChild.className = "n";
    return row;
  };

  const source = new EventSource(`${box.dataset.live}?since=${last}`);
  source.addEventListener("auction", (event) => {
    const state = JSON.parse(event.data);
    if (["awarded", "cancelled", "open"].includes(state.phase) && state.phase !== phase) { location.reload(); return; }
    ahead = state.now - Date.now();
    closes = state.closes_at;
    if (state.price_minor !== null) write("price", money.format(state.price_minor / 100));
    for (const name of ["minimum", "least"]) write(name, money.format(state.minimum_minor / 100));
    write("bids", String(state.bids));
    write("end", time.format(closes));
    show("extended", state.extended);
    if (box.dataset.me && state.leader) {
      const mine = state.leader === box.dataset.me;
      if (state.log.some((entry) => entry.bidder === box.dataset.me)) box.dataset.taken = "1";
      show("leading", mine);
      show("outbid", !mine && box.dataset.taken === "1");
    }
    const log = document.querySelector("[data-log] tbody");
    for (const entry of state.log) {
      if (entry.position <= last) continue;
      last = entry.position;
      if (log) log.prepend(line(entry));
    }
    while (log && log.children.length > 25) log.lastElementChild.remove();
    tick();
  });
  show("connected", true);
  setInterval(tick, 1000);
  tick();
})();
