// Uploads an image in pieces, and goes on where an earlier try of the same file stopped.
"use strict";
const form = document.getElementById("upload");
const PIECE = 8 << 20;
let running = null;

async function ask(method, path, body) {
  const token = form.querySelector("input[name=token]").value;
  const answer = await fetch(path, { method, body, headers: { "X-Netbootd-Form-Token": token } });
  const json = await answer.json().catch(() => ({}));
  return { ok: answer.ok, status: answer.status, json };
}
function tell(words, share) {
  const line = document.getElementById("upload-state");
  line.hidden = false;
  line.querySelector("span").textContent = words;
  line.querySelector("progress").value = share;
}
function size(bytes) {
  return bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
// Sends what is missing. A piece that fails is asked for again; the server says where to go on.
async function send(file, upload, job) {
  let offset = upload.offset, failures = 0;
  const begun = performance.now(), first = offset;
  while (offset < file.size) {
    if (job.paused) return tell(`Paused at ${size(offset)} of ${size(file.size)}.`, (100 * offset) / file.size);
    const piece = file.slice(offset, offset + PIECE);
    const sent = await ask("PUT", `/api/uploads/${upload.id}?offset=${offset}`, piece).catch(() => null);
    if (sent?.ok) {
      [offset, failures] = [sent.json.offset, 0];
    } else if (sent && ![409, 408, 500, 502, 503, 504].includes(sent.status)) {
      return tell(sent.json.error || `The server answered ${sent.status}.`, 0);
    } else if (++failures > 60) {
      return tell("The server does not answer. Choose the same file again to go on.", (100 * offset) / file.size);
    } else {
      await new Promise((done) => setTimeout(done, Math.min(10, failures) * 500));
      const known = await ask("GET", `/api/uploads/${upload.id}`).catch(() => null);
      if (known?.ok) offset = known.json.offset;
    }
    const rate = (offset - first) / ((performance.now() - begun) / 1000);
    const left = rate > 0 ? `, ${Math.ceil((file.size - offset) / rate)} s left` : "";
    tell(`${size(offset)} of ${size(file.size)}${left}`, (100 * offset) / file.size);
  }
  const done = await ask("POST", `/api/uploads/${upload.id}/finish`);
  tell(done.ok ? `${file.name} is here and is being imported.` : done.json.error, 100);
  if (done.ok) form.reset();
}

if (form) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = form.elements.file.files[0];
    if (!file || running) return;
    const query = new URLSearchParams({ file: file.name, size: file.size, modified: String(file.lastModified) });
    if (form.elements.sha256.value) query.set("sha256", form.elements.sha256.value);
    const job = (running = { paused: false });
    form.elements.pause.hidden = false;
    const begun = await ask("POST", `/api/uploads?${query}`).catch((error) => ({ json: { error: String(error) } }));
    if (begun.ok) await send(file, begun.json, job);
    else tell(begun.json.error || "The server refused the upload.", 0);
    form.elements.pause.hidden = true;
    running = null;
  });
  form.elements.pause.addEventListener("click", () => { if (running) running.paused = true; });
  addEventListener("beforeunload", (event) => { if (running) event.preventDefault(); });
}
