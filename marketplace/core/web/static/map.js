// A card for the zone of a map that is pointed at, or that arrow keys moved to; and choices of
// hours, ages and zones that need no button.
// Without this script zones have their titles, maps their tables, and the choices their buttons.
"use strict";
(() => {
  const prepare = (map) => {
    const paths = [...map.querySelectorAll("path")].filter((path) => path.querySelector("title"));
    if (!paths.length || map.classList.contains("sketch")) return;
    const holder = document.createElement("div");
    const card = document.createElement("output");
    const title = map.querySelector(":scope > title");
    holder.className = "mapped";
    holder.tabIndex = 0;
    holder.setAttribute("role", "group");
    holder.setAttribute("aria-label", title ? title.textContent : "");
    card.className = "map-card";
    card.hidden = true;
    map.replaceWith(holder);
    holder.append(map, card);
    const words = new Map(paths.map((path) => {
      const said = path.querySelector("title");
      const text = said.textContent;
      said.remove();
      return [path, text];
    }));
    if (title) title.remove();
    map.removeAttribute("aria-labelledby");
    map.setAttribute("aria-hidden", "true");
    let at = null;
    const show = (path) => {
      if (at) at.classList.remove("at");
      at = path;
      card.hidden = !path;
      if (!path) return;
      path.classList.add("at");
      const [name, ...value] = words.get(path).split(": ");
      const strong = document.createElement("strong");
      strong.textContent = name;
      card.replaceChildren(strong, ...(value.length ? [document.createElement("br"), value.join(": ")] : []));
      if (map.dataset.note && value.length) {
        const small = document.createElement("small");
        small.textContent = map.dataset.note;
        card.append(document.createElement("br"), small);
      }
      const box = path.getBoundingClientRect(), around = holder.getBoundingClientRect();
      const left = Math.min(Math.max(0, box.left + box.width / 2 - around.left - card.offsetWidth / 2), around.width - card.offsetWidth);
      const above = box.top - around.top - card.offsetHeight - 6;
      card.style.insetInlineStart = `${left}px`;
      card.style.insetBlockStart = `${above > 0 ? above : box.bottom - around.top + 6}px`;
    };
    map.addEventListener("pointerover", (event) => show(words.has(event.target) ? event.target : null));
    map.addEventListener("pointerleave", () => show(null));
    holder.addEventListener("blur", () => show(null));
    const middle = (path) => {
      const box = path.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2];
    };
    holder.addEventListener("keydown", (event) => {
      const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (event.key === "Escape") show(null);
      if ((event.key === "Enter" || event.key === " ") && at) { at.dispatchEvent(new Event("click", { bubbles: true })); event.preventDefault(); }
      if (!way) return;
      event.preventDefault();
      const [x, y] = at ? middle(at) : middle(map);
      let best = null, least = Infinity;
      for (const path of paths) {
        const [u, v] = middle(path);
        const along = (u - x) * way[0] + (v - y) * way[1];
        const aside = Math.abs((u - x) * way[1]) + Math.abs((v - y) * way[0]);
        if (path !== at && (!at || along > 0) && along + 2 * aside < least) [best, least] = [path, Math.abs(along) + 2 * aside];
      }
      if (best) show(best);
    });
    const field = document.getElementById(map.dataset.choose || "");
    if (!field) return;
    const chosen = () => new Set(field.value.split(/[\s,;]+/).filter(Boolean));
    const asked = field.value, named = new Set(paths.filter((path) => path.classList.contains("chosen")));
    const mark = () => {
      const now = chosen();
      for (const path of paths) path.classList.toggle("chosen", now.has(path.dataset.zone) || (field.value.startsWith(asked) && named.has(path)));
    };
    map.addEventListener("click", (event) => {
      const zone = event.target.dataset && event.target.dataset.zone;
      if (!zone) return;
      const lines = field.value.split("\n").filter((line) => line.trim() && line.trim() !== zone);
      if (!chosen().has(zone)) lines.push(zone);
      field.value = lines.join("\n");
      mark();
    });
    field.addEventListener("input", mark);
    mark();
  };
  const slide = (form) => {
    const button = form.querySelector("button");
    if (button) button.remove();
    form.addEventListener("input", (event) => {
      const hour = form.querySelector(`output[for="${event.target.id}"]`);
      if (hour) hour.textContent = `${event.target.value} h`;
    });
    form.addEventListener("change", async (event) => {
      const address = `${location.pathname}?${new URLSearchParams(new FormData(form))}`;
      const answer = await fetch(address, { headers: { accept: "text/html" } });
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("by-hour");
      if (!answer.ok || !next) { location.assign(address); return; }
      document.getElementById("by-hour").replaceWith(document.adoptNode(next));
      history.replaceState(null, "", address);
      start(document.getElementById("by-hour"));
      const again = document.getElementById(event.target.id);
      if (again) again.focus();
    });
  };
  const start = (within) => {
    within.querySelectorAll("svg.map").forEach(prepare);
    within.querySelectorAll("form.hours").forEach(slide);
  };
  start(document);
  // For screen readers: which part of a page in parts is shown. The style sheet shows it to others.
  const parts = document.querySelectorAll(".parts-of a");
  const current = () => {
    const at = document.getElementById(location.hash.slice(1));
    const shown = at && at.closest(".part");
    parts.forEach((link) => {
      const is = link.hash === `#${shown ? shown.id : "overview"}`;
      if (is) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    });
  };
  addEventListener("hashchange", current);
  current();
})();
