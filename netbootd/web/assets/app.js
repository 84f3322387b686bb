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
// What the reader opened, ticked or typed is the reader's.
const keep = {
  morphStyle: "outerHTML", restoreFocus: true, ignoreActiveValue: true,
  callbacks: { beforeAttributeUpdated: (name) => name !== "open" && name !== "checked" },
};
function put(id, html) {
  const there = document.getElementById(id);
  const made = nodes(html).firstElementChild;
  if (!there || !made) return false;
  window.Idiomorph.morph(there, made, keep);
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
  stream.addEventListener("lost", () => whole());
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

// Keys: / and Ctrl K go to the search; the filters act at once.
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, select, textarea");
  if ((event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing)) {
    const field = [...document.querySelectorAll("input[type=search]")].find((one) => one.offsetParent);
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  }
});
document.addEventListener("change", (event) => {
  if (event.target.form?.dataset.filter !== undefined) event.target.form.requestSubmit();
});
// Empty fields stay out of the URL.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "get") return;
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
  setTimeout(() => { for (const field of event.target.elements) field.disabled = false; }, 0);
});
