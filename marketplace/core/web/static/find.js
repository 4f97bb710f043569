// "/" and Ctrl+K (⌘K) lead to the search, or into its field where it is on the page; while somebody types they are letters.
// Without this script the link in the head of every page does the same.
"use strict";
document.addEventListener("keydown", (event) => {
  const commands = event.ctrlKey || event.metaKey;
  if (event.altKey || (commands ? event.key.toLowerCase() !== "k" || event.shiftKey : event.key !== "/")) return;
  if (event.isComposing || event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  const there = document.querySelector("input[data-find]") || document.querySelector("a[data-find]");
  if (!there) return;
  event.preventDefault();
  if (there.href) there.click();
  else there.select(), there.focus();
});
