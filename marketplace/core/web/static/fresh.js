// Shows the progress of work: fetches this page every few seconds and replaces that part of it, or the whole page at the
// end, unless something was filled in meanwhile. Without this script a link does the same.
"use strict";
(() => {
  let filledIn = false;
  addEventListener("input", () => { filledIn = true; });
  const refresh = async () => {
    const place = document.querySelector("[data-fresh]");
    if (!place) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(place.id);
      if (!answer.ok) return;
      if (next && (next.dataset.fresh || filledIn)) place.replaceWith(document.adoptNode(next));
      else location.reload();
    } catch { /* the next turn tries again */ }
  };
  const place = document.querySelector("[data-fresh]");
  if (place) setInterval(refresh, 1000 * Number(place.dataset.fresh));
})();
