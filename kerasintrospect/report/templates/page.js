
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const bar = at("bar"), find = at("find"), list = at("errors"), sort = at("sort"), help = at("help");
  const filters = [...bar.querySelectorAll("[data-filter]")];
  const cards = [...list.children];
  const texts = new Map(cards.map((card) => [card, card.querySelector(".text").textContent.toLowerCase()]));
  const keys = { l: at("label"), p: at("predicted"), v: at("kind"), s: sort };

  const shown = () => [...list.children].filter((card) => !card.hidden);
  const number = (card, key) => Number(card.dataset[key]);

  function apply() {
    const wanted = find.value.trim().toLowerCase();
    const active = filters.filter((filter) => filter.value !== "");
    let count = 0;
    for (const card of cards) {
      const fits = active.every((filter) => card.dataset[filter.dataset.filter] === filter.value);
      card.hidden = !(fits && texts.get(card).includes(wanted));
      count += card.hidden ? 0 : 1;
    }
    at("count").value = count === cards.length ? `${count} errors` : `${count} of ${cards.length} errors`;
    at("none").hidden = count > 0 || cards.length === 0;
    at("clear").hidden = !wanted && active.length === 0;
    for (const filter of filters) filter.classList.toggle("changed", filter.value !== "");
    at("more").classList.toggle("changed", active.length > 0);
  }

  function order() {
    const [key, sign] = sort.value.split(":");
    const by = (a, b) => sign * (number(a, key) - number(b, key)) || number(a, "index") - number(b, "index");
    list.append(...[...cards].sort(by));
  }

  function clear() {
    find.value = "";
    for (const filter of filters) filter.value = "";
    apply();
  }

  function step(by) {
    const all = shown();
    if (!all.length) return;
    const here = all.indexOf(document.activeElement.closest("article"));
    const top = bar.offsetHeight + 1;
    const inView = all.findIndex((card) => card.getBoundingClientRect().bottom > top);
    const next = here >= 0 ? here + by : inView < 0 ? all.length - 1 : inView;
    const card = all[Math.min(Math.max(next, 0), all.length - 1)];
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "start" });
  }

  function view(name) {
    document.body.dataset.view = name;
    bar.querySelector(`[name=view][value=${name}]`).checked = true;
  }

  function open(filter) {
    at("filters").classList.add("open");
    at("more").setAttribute("aria-expanded", "true");
    filter.focus();
  }

  const actions = {
    j: () => step(1),
    k: () => step(-1),
    "/": () => { find.focus(); find.select(); },
    t: () => view(document.body.dataset.view === "predicted" ? "true" : "predicted"),
    b: () => view("both"),
    x: clear,
    "?": () => help.showModal(),
  };
  for (const [key, filter] of Object.entries(keys)) actions[key] = () => open(filter);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help.open) return;
    if (event.key === "Escape" && bar.contains(event.target)) { event.target.blur(); return; }
    if (event.target.closest("input[type=search], select") || !(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const set = filters.filter((filter) => button.dataset["set" + filter.id[0].toUpperCase() + filter.id.slice(1)]);
    if (!set.length) return;
    clear();
    for (const filter of set) filter.value = button.dataset["set" + filter.id[0].toUpperCase() + filter.id.slice(1)];
    apply();
    document.querySelector(".lead").scrollIntoView({ block: "start" });
  });
  find.addEventListener("input", apply);
  for (const filter of filters) filter.addEventListener("change", apply);
  sort.addEventListener("change", order);
  bar.addEventListener("submit", (event) => event.preventDefault());
  bar.addEventListener("change", (event) => { if (event.target.name === "view") view(event.target.value); });
  at("clear").addEventListener("click", clear);
  at("none-clear").addEventListener("click", clear);
  at("help-open").addEventListener("click", () => help.showModal());
  at("help-close").addEventListener("click", () => help.close());
  at("more").addEventListener("click", (event) => {
    const opened = at("filters").classList.toggle("open");
    event.currentTarget.setAttribute("aria-expanded", String(opened));
  });

  document.documentElement.classList.add("js");
  bar.hidden = cards.length === 0;
  view("predicted");
  // Browsers keep what was chosen when a page is loaded again.
  order();
  apply();
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--top", `${bar.offsetHeight}px`);
  }).observe(bar);
})();
