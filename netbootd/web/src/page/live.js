// The page follows the events: at most once a second its main part is fetched anew and put in place.
"use strict";
let waiting = false;
async function refresh() {
  waiting = false;
  const answer = await fetch(location.href, { cache: "no-store" }).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  const main = document.querySelector("main");
  const focused = document.activeElement && main.contains(document.activeElement) ? document.activeElement : null;
  main.replaceChildren(...fresh.childNodes);
  for (const name of ["href", "data-act"]) {
    const value = focused && focused.getAttribute(name);
    if (value) main.querySelector(`[${name}="${CSS.escape(value)}"]`)?.focus({ preventScroll: true });
  }
}
function soon() {
  if (!waiting) { waiting = true; setTimeout(refresh, 1000); }
}
const events = new EventSource("/events");
events.addEventListener("step", soon);
events.addEventListener("lost", soon);
const rates = [];
let before = null;
async function measure() {
  const answer = await fetch("/status", { cache: "no-store" }).catch(() => null);
  if (!answer || !answer.ok) return;
  const status = await answer.json();
  const now = { at: performance.now(), bytes: status.bytes };
  if (before) {
    rates.push(Math.max(0, (now.bytes - before.bytes) / (now.at - before.at) * 1000));
    if (rates.length > 60) rates.shift();
    const most = Math.max(...rates, 1);
    const points = rates.map((rate, n) => `${n * 2},${23 - rate / most * 22}`).join(" ");
    document.querySelector("#rate polyline").setAttribute("points", points);
    document.querySelector("#rate-now").value = `${(rates.at(-1) / 1e6).toFixed(1)} MB/s`;
  }
  before = now;
  if (status.transfers > 0 || status.ingest) soon();
}
// What changes something needs the token. It is asked for once, and kept as long as the tab.
function ask() {
  const dialog = document.querySelector("#token");
  const form = dialog.querySelector("form");
  form.reset();
  dialog.returnValue = "";
  dialog.showModal();
  const typed = () => dialog.returnValue === "go" ? new FormData(form).get("token") : null;
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(typed()), { once: true }));
}
async function act(path) {
  const said = document.querySelector("#said");
  const token = sessionStorage.getItem("token") || await ask();
  if (!token) return;
  const answer = await fetch(path, { method: "POST", headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
  const body = answer ? await answer.json().catch(() => null) : null;
  const words = !answer ? "netbootd does not answer" : body && body.error ? body.error : answer.ok ? "done" : answer.statusText;
  said.textContent = `${path}: ${body && body.words ? body.words : words}`;
  if (answer && answer.status === 401) sessionStorage.removeItem("token");
  else sessionStorage.setItem("token", token);
  soon();
}
document.addEventListener("click", (event) => {
  const path = event.target.dataset && event.target.dataset.act;
  if (path) act(path);
});
measure();
setInterval(measure, 2000);
setInterval(soon, 10000);
