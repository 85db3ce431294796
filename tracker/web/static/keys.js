// The keyboard: j and k walk the rows, / searches, g and a letter goes to a page, ? tells of all keys, Ctrl-K opens the
// palette. The console works without any of it.
"use strict";
(() => {
  const isTyping = (node) => node.matches("input, textarea, select, [contenteditable]");
  const help = document.getElementById("keys");
  const palette = document.getElementById("palette");
  const wanted = palette.querySelector("input");
  const list = palette.querySelector("ul");
  let goes = false; // "g" was pressed, and a letter is awaited

  const step = (at, by, scope) => {
    const links = [...scope.querySelectorAll(".row-link")].filter((link) => link.offsetParent);
    const here = links.indexOf(at);
    const next = links[here < 0 ? (by > 0 ? 0 : links.length - 1) : here + by];
    if (!next) return false;
    next.focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  };

  const go = (letter) => {
    const link = document.querySelector(`[data-go="${CSS.escape(letter)}"]`);
    if (link) link.click();
  };

  const narrow = () => {
    const text = wanted.value.trim().toLocaleLowerCase();
    for (const item of list.children) item.hidden = !item.textContent.toLocaleLowerCase().includes(text);
  };
  const shown = () => [...list.querySelectorAll("li:not([hidden]) a")];

  const openPalette = () => {
    list.replaceChildren(
      ...[...document.querySelectorAll(".bar nav a, .bar .menu-list a")].map((link) => {
        const item = document.createElement("li");
        const copy = document.createElement("a");
        copy.href = link.href;
        copy.textContent = link.textContent.trim();
        item.append(copy);
        return item;
      }),
    );
    wanted.value = "";
    palette.showModal();
    wanted.focus();
  };

  wanted.addEventListener("input", narrow);
  palette.querySelector("form").addEventListener("submit", (event) => {
    const [first] = shown();
    if (first && wanted.value.trim()) {
      event.preventDefault();
      first.click();
    } else if (!wanted.value.trim()) {
      event.preventDefault();
    }
  });
  palette.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const stops = [wanted, ...shown()];
    stops[(stops.indexOf(document.activeElement) + by + stops.length) % stops.length].focus();
    event.preventDefault();
  });

  const pressed = {
    "/": () => document.getElementById("q").focus(),
    "?": () => help.showModal(),
    j: (at) => step(at, 1, document.getElementById("main")),
    k: (at) => step(at, -1, document.getElementById("main")),
    g: () => (goes = true),
  };

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      if (!document.querySelector("dialog[open]")) openPalette();
      event.preventDefault();
      return;
    }
    const at = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(at) || document.querySelector("dialog[open]")) return;
    if (goes) {
      goes = false;
      go(event.key);
      event.preventDefault();
      return;
    }
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && at.matches(".row-link")) {
      if (step(at, by, at.closest("table, ul"))) event.preventDefault();
    } else if (Object.hasOwn(pressed, event.key)) {
      pressed[event.key](at);
      event.preventDefault();
    }
  });
})();
