// The page follows the events: at most once a second its main part is fetched anew and put in place.
"use strict";
let waiting = false;
async function refresh() {
  waiting = false;
  const answer = await fetch(location.href, { cache: "no-store" }).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  const main = document.querySelector("main");
  const focused = document.activeElement && main.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  main.replaceChildren(...fresh.childNodes);
  if (focused) main.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
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
  if (status.transfers > 0) soon();
}
measure();
setInterval(measure, 2000);
setInterval(soon, 10000);
