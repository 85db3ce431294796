// What the live board needs beside htmx: nothing moves under the pointer,
// and the mark in the header says whether news still come. The board works without any of it.
"use strict";
(() => {
  const canPoint = matchMedia("(hover: hover)").matches;

  // A list that somebody points at, or has selected text in, is left as it is until they go on; and a form that somebody
  // has opened or typed into until it is sent, with the version that it stands on.
  const isHeld = (node) =>
    node instanceof Element &&
    ((node.matches("[data-steady]") && ((canPoint && node.matches(":hover")) || node.contains(selected()))) ||
      (node.matches("[data-form]") && isBegun(node)));
  const isBegun = (form) =>
    form.open ||
    form.contains(document.activeElement) ||
    [...form.querySelectorAll("textarea")].some((field) => field.value !== field.defaultValue);
  const selected = () => {
    const selection = getSelection();
    return selection && !selection.isCollapsed ? selection.anchorNode : null;
  };
  Idiomorph.defaults.callbacks.beforeNodeMorphed = (node) => !isHeld(node);

  document.body.classList.add("is-live");
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden) event.preventDefault();
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    document.body.classList.toggle("is-cut", !event.detail.successful);
  });
})();
