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
  const phase = box.dataset.phase, title = document.title;
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const local = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", timeZone: here });
  const amount = document.querySelector("input[name=amount]");
  const answer = document.getElementById("answer");
  let step = amount && !(answer && answer.getAttribute("role") === "alert") ? amount.value : "";
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
    const amount = entry.price_minor === null ? entry.covered_minor : entry.price_minor;
    for (const text of [String(entry.position), entry.bidder, amount === null ? "—" : money.format(amount / 100), time.format(entry.at)]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    row.children[2].className = "n";
    return row;
  };

  // The next step stays prefilled while nobody has typed another amount.
  const prefill = (minor) => {
    if (!amount || !step || amount.value !== step || document.activeElement === amount) return;
    step = (minor / 100).toFixed(2);
    if (language === "fr-FR") step = step.replace(".", ",");
    amount.value = step;
  };

  // A sound, if it was asked for, and a word in the title, for people who look elsewhere.
  const sound = find("sound");
  show("sound-choice", Boolean(sound));
  const ring = () => {
    const context = new AudioContext(), tone = context.createOscillator();
    tone.connect(context.destination);
    tone.start();
    tone.stop(context.currentTime + 0.25);
  };
  let wasOutbid = Boolean(find("outbid") && !find("outbid").hidden);
  const follow = (isOutbid) => {
    if (isOutbid && !wasOutbid && sound && sound.checked) ring();
    wasOutbid = isOutbid;
    if (isOutbid && answer && answer.getAttribute("role") === "status") answer.hidden = true;
    document.title = isOutbid ? `${box.dataset.outbidTitle} · ${title}` : title;
  };
  follow(wasOutbid);

  // The curve is drawn by the server; it is asked for again a while after the price moved, once for many bids.
  // So is what a steward sees of the bidding.
  const redrawing = (name) => {
    const part = find(name);
    let waiting = 0;
    return () => {
      if (!part || waiting) return;
      waiting = setTimeout(async () => {
        waiting = 0;
        const drawn = await fetch(part.dataset[name]).catch(() => null);
        if (drawn && drawn.ok) part.innerHTML = await drawn.text();
      }, 2000 + 2000 * Math.random());
    };
  };
  const redraw = redrawing("chart"), lookAgain = redrawing("activity");
  const ends = () => {
    write("end", time.format(closes));
    write("local-end", local.format(closes));
    show("local", here !== "Europe/Paris");
  };
  ends();

  const source = new EventSource(`${box.dataset.live}?since=${last}`);
  source.addEventListener("auction", (event) => {
    const state = JSON.parse(event.data);
    if (["awarded", "cancelled", "open"].includes(state.phase) && state.phase !== phase) { location.reload(); return; }
    ahead = state.now - Date.now();
    closes = state.closes_at;
    if (state.price_minor !== null) write("price", money.format(state.price_minor / 100));
    for (const name of ["minimum", "least"]) write(name, money.format(state.minimum_minor / 100));
    prefill(state.minimum_minor);
    if (state.log.length && state.price_minor !== null) redraw();
    if (state.log.length) lookAgain();
    write("bids", String(state.bids));
    show("cancel", state.bids === 0);
    ends();
    show("extended", state.extended);
    if (box.dataset.me && state.leader) {
      const mine = state.leader === box.dataset.me;
      if (state.log.some((entry) => entry.bidder === box.dataset.me)) box.dataset.taken = "1";
      show("leading", mine);
      show("outbid", !mine && box.dataset.taken === "1");
      follow(!mine && box.dataset.taken === "1");
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
