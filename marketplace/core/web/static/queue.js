// Keys for those who work through a queue or their messages: j and k move, Enter matches or opens, n is the next one, u the
// queue.
// Without this script every page does the same by its links and buttons.
"use strict";
(() => {
  const rows = [...document.querySelectorAll("table.queue tbody tr, ul.queue > li")];
  const help = document.querySelector("[data-keys]");
  if (help) help.hidden = false;
  let at = -1;

  const target = (row) => row.querySelector("button") || row.querySelector("a");
  const move = (step) => {
    if (!rows.length) return;
    at = Math.min(Math.max(at + step, 0), rows.length - 1);
    target(rows[at]).focus();
    rows[at].scrollIntoView({ block: "nearest" });
  };
  const follow = (selector) => { const link = document.querySelector(selector); if (link) link.click(); };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "n") follow("[data-next]");
    else if (event.key === "u") follow("[data-up]");
    else return;
    event.preventDefault();
  });
  document.addEventListener("focusin", (event) => {
    const row = rows.findIndex((one) => one.contains(event.target));
    if (row >= 0) at = row;
  });
})();
