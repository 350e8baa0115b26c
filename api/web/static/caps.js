// The slider over the cap: the service computed every cap that it stops at; this shows one of them at a time.
"use strict";
(() => {
  const WAIT = 400;
  const byId = (id) => document.getElementById(id);
  const rungs = () => [...document.querySelectorAll("#caps .rung")];
  let waiting = 0;

  function show(at) {
    const all = rungs();
    all.forEach((rung, index) => {
      rung.hidden = index !== at;
    });
    const { x, summary } = all[at].dataset;
    byId("cap").value = at;
    byId("cap").setAttribute("aria-valuetext", summary);
    const mark = document.querySelector("#caps .mark");
    if (mark) for (const end of ["x1", "x2"]) mark.setAttribute(end, x);
    return all[at].dataset.cap;
  }

  const typed = () => Number(byId("budget").value.trim() || NaN);

  // Where the slider stands for a cap that was typed: at the one that was computed and is nearest by ratio.
  function nearest(dollars) {
    const distances = rungs().map((rung) => Math.abs(Math.log(Number(rung.dataset.cap) / dollars)));
    return distances.indexOf(Math.min(...distances));
  }

  function follow() {
    if (!byId("cap")) return;
    show(typed() > 0 ? nearest(typed()) : Number(byId("cap").value));
  }

  function arrived() {
    const slider = document.querySelector("#caps .slider");
    if (!slider) return;
    slider.hidden = false;
    document.querySelector("#caps .caps-table").open = false;
    follow();
  }

  const isComputed = () => rungs().some((rung) => Number(rung.dataset.cap) === typed());

  function ask() {
    clearTimeout(waiting);
    waiting = setTimeout(() => htmx.trigger(byId("caps"), "caps"), WAIT);
  }

  document.addEventListener("input", ({ target }) => {
    if (target.id === "cap") byId("budget").value = show(Number(target.value));
    else if (target.id === "name" || !target.closest("#run-form")) return;
    else if (target.id === "budget" && isComputed()) follow();
    else ask();
  });
  document.addEventListener("htmx:afterSwap", ({ target }) => target.id === "caps" && arrived());
  arrived();
})();
