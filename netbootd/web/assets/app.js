// Adds life to pages that are whole without it: changed parts, the age of what is seen, keys.
"use strict";
const trusted = window.trustedTypes?.createPolicy("netbootd", { createHTML: (text) => text });
const body = document.body;
const pill = document.getElementById("pill");
const banner = document.getElementById("banner");
const STALE = 10, GONE = 20;
let stream = null, wait = 1, heard = performance.now(), heardAt = new Date(), ahead = 0, fresh = true, timer = 0, paused = false;

function nodes(html) {
  const box = document.createElement("template");
  box.innerHTML = trusted ? trusted.createHTML(html) : html;
  return box.content;
}
// The reader's own state stays: opened, ticked and typed fields.
const keep = {
  morphStyle: "outerHTML", restoreFocus: true, ignoreActiveValue: true,
  callbacks: {
    beforeAttributeUpdated: (name) => name !== "open" && name !== "checked",
    beforeNodeMorphed: (there) => !(there.matches?.("textarea, input:not([type=hidden])") && there.value !== there.defaultValue),
  },
};
function put(id, html) {
  const there = document.getElementById(id);
  const made = nodes(html).firstElementChild;
  if (!there || !made) return false;
  window.Idiomorph.morph(there, made, keep);
  speeds();
  return true;
}
async function whole() {
  const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  const page = new DOMParser().parseFromString(trusted ? trusted.createHTML(await answer.text()) : await answer.text(), "text/html");
  const next = page.querySelector("main");
  if (!next) return;
  window.Idiomorph.morph(document.querySelector("main"), document.adoptNode(next), keep);
  document.title = page.title;
  ages();
}

// Beat, age and banner.
function age() { return (performance.now() - heard) / 1000; }
function alive(beat) {
  heard = performance.now();
  heardAt = new Date();
  wait = 1;
  if (beat?.now) ahead = Date.parse(beat.now) - Date.now();
  if (beat?.findings !== undefined) {
    const count = document.getElementById("findings-count");
    count.textContent = beat.findings;
    count.hidden = beat.findings === 0;
  }
  if (beat) { pill.dataset.words = beat.rate; }
  show();
}
function show() {
  if (paused) return;
  const old = age();
  const state = old >= STALE ? "warn" : "ok";
  pill.className = `pill ${state}`;
  pill.querySelector(".words").textContent = old >= STALE ? `${Math.floor(old)} s old` : `Live · ${pill.dataset.words || "0 MB/s"}`;
  const gone = old >= GONE;
  if (gone && banner.hidden) {
    banner.querySelector(".wrap").textContent = `netbootd does not answer since ${heardAt.toLocaleTimeString([], { hour12: false })}; what you see is from then.`;
  }
  if (gone === banner.hidden) {
    banner.hidden = !gone;
    body.classList.toggle("stale", gone);
    for (const button of document.querySelectorAll("main button")) {
      if (gone && !button.disabled) { button.disabled = true; button.dataset.stale = "1"; }
      if (!gone && button.dataset.stale) { button.disabled = false; delete button.dataset.stale; }
    }
  }
}
function connect() {
  clearTimeout(timer);
  if (stream) stream.close();
  stream = new EventSource(`/live?view=${encodeURIComponent(location.pathname + location.search)}`);
  const read = (event) => JSON.parse(event.data);
  stream.addEventListener("hello", (event) => {
    const hello = read(event);
    if (hello.instance !== body.dataset.instance) { location.reload(); return; }
    alive(hello);
    if (!fresh || hello.stamp !== document.querySelector("main").dataset.stamp) whole();
    fresh = false;
  });
  stream.addEventListener("beat", (event) => alive(read(event)));
  stream.addEventListener("parts", (event) => {
    for (const [id, html] of read(event)) put(id, html);
    alive(null);
    ages();
  });
  stream.addEventListener("lost", (event) => {
    document.querySelector(".said").textContent = `The server was busy: ${event.data} steps are not shown.`;
    whole();
  });
  stream.addEventListener("error", () => {
    stream.close();
    timer = setTimeout(connect, wait * 1000 * (0.8 + Math.random() * 0.4));
    wait = Math.min(30, wait * 2);
  });
}
// A page that stands still is not old.
if (body.dataset.live) {
  connect();
  setInterval(show, 1000);
} else {
  pill.hidden = true;
}
addEventListener("online", () => { wait = 1; if (stream) connect(); });
// Browsers open few connections to a server: a tab that nobody sees gives its own back.
document.addEventListener("visibilitychange", () => {
  if (!stream) return;
  paused = document.hidden;
  if (paused) {
    clearTimeout(timer);
    stream.close();
  } else {
    heard = performance.now();
    wait = 1;
    connect();
  }
});

// Times: how long ago in the text, local time and UTC behind it.
function words(seconds) {
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}
function ages() {
  const now = Date.now() + ahead;
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    if (time.hasAttribute("data-ago")) time.textContent = words((now - at) / 1000);
    else if (time.hasAttribute("data-local")) time.textContent = at.toLocaleTimeString([], { hour12: false, timeZoneName: "short" });
    time.title = `${at.toLocaleString([], { hour12: false, timeZoneName: "short" })} · ${at.toISOString()}`;
  }
}
ages();
setInterval(ages, 5000);

// The field in the bar finds pages, commands and machines.
const field = document.querySelector(".find input");
const hits = document.getElementById("hits");
let asks = 0, chosen = -1, pending = null;
for (const [name, value] of [["role", "combobox"], ["aria-controls", "hits"], ["aria-autocomplete", "list"], ["aria-expanded", "false"]]) field.setAttribute(name, value);
function choose(place) {
  const all = [...hits.children];
  chosen = all.length && place >= 0 ? place % all.length : -1;
  all.forEach((one, n) => one.setAttribute("aria-selected", String(n === chosen)));
  if (chosen < 0) field.removeAttribute("aria-activedescendant");
  else { field.setAttribute("aria-activedescendant", all[chosen].id); all[chosen].scrollIntoView({ block: "nearest" }); }
}
function shut() { hits.hidden = true; field.setAttribute("aria-expanded", "false"); choose(-1); }
async function find() {
  const turn = ++asks;
  const answer = await fetch(`/find.json?q=${encodeURIComponent(field.value)}`).catch(() => null);
  if (!answer?.ok || turn !== asks || document.activeElement !== field) return;
  const found = await answer.json();
  hits.replaceChildren(...found.map((one, n) => {
    const line = document.createElement("li"), under = document.createElement("small");
    [line.id, line.role, line.dataset.link] = [`hit-${n}`, "option", one.link];
    under.textContent = one.under;
    line.append(one.title, " ", under);
    return line;
  }));
  hits.hidden = found.length === 0;
  field.setAttribute("aria-expanded", String(!hits.hidden));
  choose(field.value ? 0 : -1);
}
function open(line) { location.href = line.dataset.link; shut(); }
for (const event of ["input", "focus"]) field.addEventListener(event, () => { const turn = (pending = find()).finally(() => { if (pending === turn) pending = null; }); pending = turn; });
field.addEventListener("blur", () => setTimeout(shut, 150));
hits.addEventListener("mousedown", (event) => { const line = event.target.closest("li"); if (line) { event.preventDefault(); open(line); } });
field.addEventListener("keydown", async (event) => {
  // The typed text counts, though its answer is on the way.
  if (event.key === "Enter" && pending) {
    event.preventDefault();
    await pending;
    if (chosen >= 0) open(hits.children[chosen]);
    else field.form.requestSubmit();
    return;
  }
  if (hits.hidden) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    choose(event.key === "ArrowDown" ? chosen + 1 : (chosen > 0 ? chosen : hits.children.length) - 1);
  } else if (event.key === "Enter" && chosen >= 0) {
    event.preventDefault();
    open(hits.children[chosen]);
  } else if (event.key === "Escape") {
    shut();
  }
});

// Keys: / and Ctrl K go to the field; the filters act at once.
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, select, textarea");
  if ((event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing)) {
    const search = field.offsetParent ? field : [...document.querySelectorAll("input[type=search]")].find((one) => one.offsetParent);
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  }
});

// Ticks: all of a page, and how many.
function ticked() {
  const boxes = [...document.querySelectorAll("[data-ticks] tbody input[type=checkbox]")];
  const many = boxes.filter((box) => box.checked).length;
  const words = document.getElementById("ticked");
  if (words) words.textContent = many ? `With ${many} ${many === 1 ? "machine" : "machines"}` : "With the ticked machines";
  return boxes;
}
for (const all of document.querySelectorAll("[data-all]")) {
  all.hidden = false;
  all.addEventListener("change", () => { for (const box of ticked()) box.checked = all.checked; });
}
document.addEventListener("change", (event) => {
  if (event.target.form?.dataset.filter !== undefined) event.target.form.requestSubmit();
  ticked();
});

// Replay of a boot: the page as it was, moment by moment, in step with the clock or faster.
let replay = 0;
async function play(form, speed) {
  const turn = ++replay, length = Number(form.elements.at.max), shown = form.elements.at;
  let at = Number(shown.value) >= length ? 0 : Number(shown.value);
  if (stream) { stream.close(); clearTimeout(timer); stream = null; pill.hidden = true; }
  const began = performance.now() - (at * 1000) / speed;
  while (turn === replay) {
    at = Math.min(length, ((performance.now() - began) / 1000) * speed);
    const query = new URLSearchParams(new FormData(form));
    query.set("at", at.toFixed(1));
    const url = `${form.getAttribute("action")}?${query}`;
    const answer = await fetch(url, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok || turn !== replay) return;
    const text = await answer.text();
    const page = new DOMParser().parseFromString(trusted ? trusted.createHTML(text) : text, "text/html");
    put("fall", page.getElementById("fall")?.outerHTML || "");
    history.replaceState(null, "", url);
    ages();
    if (at >= length) return;
    await new Promise((done) => setTimeout(done, 250));
  }
}
function speeds() { for (const button of document.querySelectorAll("[data-speed]")) button.hidden = false; }
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-speed]");
  if (button) play(button.form, Number(button.dataset.speed));
});
speeds();
// Empty fields stay out of the URL.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "get") return;
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
  setTimeout(() => { for (const field of event.target.elements) field.disabled = false; }, 0);
});
