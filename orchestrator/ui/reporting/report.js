"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const replay = JSON.parse(byId("replay").textContent);
  const whole = replay.end - replay.begin || 1;
  const nodes = [];
  for (const node of document.querySelectorAll(".node")) nodes[node.dataset.task] = node;
  const bars = [...document.querySelectorAll(".bar")];

  // --- names that fit their bars ---------------------------------------------------------------

  const plot = byId("plot");
  const plotScroll = byId("plot-scroll");

  function fitNames() {
    const width = plot.clientWidth;
    for (const bar of bars) {
      const text = bar.querySelector(".bar-name");
      const full = text.dataset.full;
      const pixels = (bar.dataset.end - bar.dataset.begin) / whole * width;
      const most = Math.floor((pixels - 9) / 6.3);
      const fitted = most >= full.length ? full : most >= 4 ? full.slice(0, most - 1) + "…" : "";
      if (text.textContent !== fitted) text.textContent = fitted;
    }
  }

  let zoom = 1;
  function setZoom(wanted) {
    const middle = (plotScroll.scrollLeft + plotScroll.clientWidth / 2) / plot.clientWidth;
    zoom = Math.min(64, Math.max(1, wanted));
    plot.style.width = "calc(max(560px, 100%) * " + zoom + ")";
    plotScroll.scrollLeft = middle * plot.clientWidth - plotScroll.clientWidth / 2;
    fitNames();
  }
  byId("closer").addEventListener("click", () => setZoom(zoom * 2));
  byId("farther").addEventListener("click", () => setZoom(zoom / 2));
  new ResizeObserver(fitNames).observe(plotScroll);

  // --- the run as of a time --------------------------------------------------------------------

  const slider = byId("time");
  const shown = byId("time-shown");
  const counts = byId("counts");
  const curtains = [...document.querySelectorAll(".curtain")];
  const doing = new Map();
  for (const span of document.querySelectorAll(".doing")) {
    doing.set(span.dataset.worker, { span, atEnd: span.textContent });
  }
  const glyphs = {
    waiting: "·", held: "‖", ready: "○", running: "▸", succeeded: "✓", failed: "✗",
    skipped: "»", cancelled: "–",
  };
  const byLane = replay.workers.map(() => []);
  for (const attempt of replay.attempts) byLane[attempt[0]].push(attempt);

  function lastBefore(list, at, key) {  // the last entry that began at or before `at`
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (key(list[middle]) <= at) low = middle + 1; else high = middle;
    }
    return low ? list[low - 1] : null;
  }

  function stateAt(task, at) {
    const found = lastBefore(replay.changes[task], at, (change) => change[0]);
    return found === null ? null : replay.states[found[1]];
  }

  const now = replay.tasks.map(() => "");
  function showTime(at) {
    const ended = at >= replay.end;
    const share = (at - replay.begin) / whole * 100;
    for (const curtain of curtains) curtain.setAttribute("x", share + "%");
    for (const end of ["x1", "x2"]) byId("now").setAttribute(end, share + "%");
    const total = {};
    replay.tasks.forEach((name, task) => {
      const state = stateAt(task, at);
      if (state) total[state] = (total[state] || 0) + 1;
      if (state === now[task]) return;
      const node = nodes[task];
      if (node) {
        if (now[task]) node.classList.remove("s-" + now[task]);
        else for (const one of replay.states) node.classList.remove("s-" + one);
        if (state) node.classList.add("s-" + state);
        const glyph = node.querySelector(".glyph");
        if (glyph) glyph.textContent = state ? glyphs[state] : "";
      }
      now[task] = state;
    });
    const said = replay.states.filter((state) => total[state]);
    counts.textContent = said.map((state) => total[state] + " " + state).join(" · ");
    shown.textContent = (at - replay.begin).toFixed(whole < 60 ? 2 : 1) + " s";
    slider.setAttribute("aria-valuetext", shown.textContent + ": " + counts.textContent);
    replay.workers.forEach((worker, lane) => {
      const told = doing.get(worker);
      if (!told) return;
      if (ended) { told.span.textContent = told.atEnd; return; }
      const attempt = lastBefore(byLane[lane], at, (one) => one[3]);
      if (!attempt || attempt[4] <= at) { told.span.textContent = "idle"; return; }
      const span = lastBefore(attempt[5], at, (one) => one[0]);
      told.span.textContent = replay.tasks[attempt[1]] + (span ? ": " + span[1] : "");
    });
  }

  const toTime = () => replay.begin + slider.value / slider.max * whole;
  function seek(at) {
    slider.value = (at - replay.begin) / whole * slider.max;
    showTime(Math.min(at, replay.end));
    const x = (at - replay.begin) / whole * plot.clientWidth;
    if (x < plotScroll.scrollLeft || x > plotScroll.scrollLeft + plotScroll.clientWidth) {
      plotScroll.scrollLeft = x - plotScroll.clientWidth / 3;
    }
  }
  const play = byId("play");
  let frame = 0;
  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
    play.textContent = "▶ Replay";
  }
  slider.addEventListener("input", () => { stop(); seek(toTime()); });
  play.addEventListener("click", () => {
    if (frame) { stop(); return; }
    play.textContent = "❚❚ Pause";
    const from = toTime() >= replay.end - whole / 1000 ? replay.begin : toTime();
    const started = performance.now();
    const step = (moment) => {
      const at = from + Math.max(0, moment - started) / 15000 * whole;
      seek(Math.min(at, replay.end));
      if (at >= replay.end) stop(); else frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
  });

  // --- by keyboard: one stop of Tab per picture, arrows inside it -------------------------------

  function roving(items, move) {
    if (!items.length) return;
    items[0].setAttribute("tabindex", "0");
    let current = items[0];
    const go = (item) => {
      if (!item) return;
      current.setAttribute("tabindex", "-1");
      current = item;
      item.setAttribute("tabindex", "0");
      item.focus();
      item.scrollIntoView({ block: "nearest", inline: "nearest" });
    };
    for (const item of items) {
      item.addEventListener("click", () => { go(item); openTask(item.dataset.task); });
      item.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          openTask(item.dataset.task);
          return;
        }
        const arrow = event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End";
        if (!arrow) return;
        event.preventDefault();
        go(move(item, event.key));
      });
    }
  }

  const lanes = new Map();
  for (const bar of bars) {
    const lane = Number(bar.dataset.lane);
    if (!lanes.has(lane)) lanes.set(lane, []);
    lanes.get(lane).push(bar);
  }
  const order = [...lanes.keys()].sort((a, b) => a - b);
  for (const lane of order) lanes.get(lane).sort((a, b) => a.dataset.begin - b.dataset.begin);
  const laneBars = order.flatMap((lane) => lanes.get(lane));

  function nearest(list, at) {
    let best = null, least = Infinity;
    for (const bar of list) {
      const far = Math.max(bar.dataset.begin - at, at - bar.dataset.end, 0);
      if (far < least) { least = far; best = bar; }
    }
    return best;
  }
  roving(laneBars, (bar, key) => {
    const lane = Number(bar.dataset.lane);
    const list = lanes.get(lane), at = list.indexOf(bar), row = order.indexOf(lane);
    if (key === "ArrowLeft") return list[at - 1];
    if (key === "ArrowRight") return list[at + 1];
    if (key === "Home") return list[0];
    if (key === "End") return list[list.length - 1];
    const other = order[row + (key === "ArrowDown" ? 1 : -1)];
    const middle = (Number(bar.dataset.begin) + Number(bar.dataset.end)) / 2;
    return other === undefined ? null : nearest(lanes.get(other), middle);
  });

  const graphNodes = nodes.filter(Boolean);
  const place = new Map(graphNodes.map((node) => {
    const rect = node.querySelector("rect");
    return [node, { column: Number(node.dataset.column), y: Number(rect.getAttribute("y")) }];
  }));
  roving(graphNodes, (node, key) => {
    const here = place.get(node);
    if (key === "Home") return graphNodes[0];
    if (key === "End") return graphNodes[graphNodes.length - 1];
    const along = key === "ArrowLeft" ? -1 : key === "ArrowRight" ? 1 : 0;
    const found = graphNodes.filter((other) => {
      const there = place.get(other);
      if (there.column !== here.column + along) return false;
      return along || (key === "ArrowDown" ? there.y > here.y : there.y < here.y);
    });
    found.sort((a, b) => Math.abs(place.get(a).y - here.y) - Math.abs(place.get(b).y - here.y));
    return found[0];
  });

  // The lines of the task that is pointed at, or has the focus, stand out.
  const lines = new Map();
  for (const edge of document.querySelectorAll(".edge[data-from]")) {
    for (const task of [edge.dataset.from, edge.dataset.to]) {
      if (!lines.has(task)) lines.set(task, []);
      lines.get(task).push(edge);
    }
  }
  const light = (node, on) => {
    for (const edge of lines.get(node.dataset.task) || []) edge.classList.toggle("near", on);
  };
  for (const node of graphNodes) {
    node.addEventListener("pointerenter", () => light(node, true));
    node.addEventListener("pointerleave", () => light(node, false));
    node.addEventListener("focus", () => light(node, true));
    node.addEventListener("blur", () => light(node, false));
  }

  // --- one task; all of it is shown as text, whatever it holds ----------------------------------

  const dialog = byId("task");
  const inside = byId("task-inside");

  function make(name, words, kind) {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (words !== undefined && words !== null) element.textContent = words;
    return element;
  }
  function fold(title, kind, fill, open) {
    const details = make("details");
    details.append(make("summary", title, kind));
    const once = () => {
      if (details.open && !details.dataset.full) { details.dataset.full = "1"; fill(details); }
    };
    details.addEventListener("toggle", once);
    if (open) { details.open = true; once(); }
    return details;
  }
  function code(text) {
    const pre = make("pre", text);
    pre.tabIndex = 0;
    return pre;
  }
  function diff(text) {
    const pre = make("pre");
    pre.tabIndex = 0;
    for (const [number, line] of text.split("\n").entries()) {
      const kind = number < 2 && text.startsWith("---") ? "at" : line.startsWith("+") ? "add" : line.startsWith("-") ? "del"
        : line.startsWith("@@") ? "at" : "";
      pre.append(kind ? make("span", line || " ", kind) : line + "\n");
    }
    return pre;
  }
  const seconds = (number) => number.toFixed(1) + " s";
  const times = (number, one) => number + " " + one + (number === 1 ? "" : "s");

  async function unpack(index) {
    const bytes = Uint8Array.from(atob(byId("d" + index).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  function showTurn(box, turn) {
    if (turn.lost) { box.append(make("p", "This turn is not in the run's folder.", "bad")); return; }
    if (turn.heard) {
      box.append(make("p", "told before:", "label-line"), make("div", turn.heard, "say heard"));
    }
    if (turn.text) box.append(make("div", turn.text, "say"));
    for (const call of turn.calls) {
      const first = call.input.length ? call.input[0][1] : "";
      const title = call.tool + "  " + (first.length > 70 ? first.slice(0, 70) + "…" : first);
      box.append(fold((call.error ? "✗ " : "") + title, call.error ? "bad" : "", (inner) => {
        for (const [key, value] of call.input) {
          inner.append(make("p", key, "label-line"), code(value));
        }
        inner.append(make("p", "answer", "label-line"));
        inner.append(call.answer === null ? make("p", "none was recorded", "quiet") : code(call.answer));
      }));
    }
    if (turn.notice) {
      box.append(make("p", "told after:", "label-line"), make("div", turn.notice, "say heard"));
    }
  }

  function showAttempt(box, attempt) {
    if (attempt.summary) box.append(make("div", attempt.summary, "say"));
    if (attempt.reason) box.append(make("div", attempt.reason, "say bad"));
    if (attempt.waits.length) {
      box.append(make("h3", "Waits"));
      for (const [at, long, why] of attempt.waits) {
        box.append(make("div", seconds(at) + ": waited " + seconds(long) + " " + why, "say"));
      }
    }
    if (attempt.marks.length) {
      box.append(make("h3", "Refusals, merges and messages"));
      for (const [at, kind, name, text] of attempt.marks) {
        const bad = ["stale", "scope", "refused"].includes(kind) ? " bad" : "";
        box.append(make("div", seconds(at) + "  " + name + ": " + text, "say" + bad));
      }
    }
    if (attempt.changes.length) {
      box.append(make("h3", "Changes"));
      for (const change of attempt.changes) {
        const notes = [seconds(change.at), "version " + change.version];
        if (change.merged) notes.push("merged with others' changes");
        if (change.undone) notes.push("taken back later");
        box.append(fold(change.path + "  (" + notes.join(", ") + ")", "", (inner) => {
          inner.append(diff(change.diff));
        }));
      }
    }
    if (attempt.tests.length) {
      box.append(make("h3", "Test output"));
      attempt.tests.forEach((text, n) => {
        const last = n === attempt.tests.length - 1 && attempt.good;
        box.append(fold(last ? "accepted with" : "failed", last ? "" : "bad", (inner) => {
          inner.append(code(text));
        }));
      });
    }
    if (attempt.turns.length) {
      box.append(make("h3", "Transcript"));
      for (const turn of attempt.turns) {
        const tools = turn.lost ? "lost" : turn.calls.map((call) => call.tool).join(", ") || "no tool";
        const bad = !turn.lost && turn.calls.some((call) => call.error);
        box.append(fold("turn " + turn.n + "  " + seconds(turn.at) + "  " + tools, bad ? "bad" : "",
          (inner) => showTurn(inner, turn)));
      }
    }
  }

  function showTask(task) {
    byId("task-name").textContent = task.id;
    inside.replaceChildren();
    if (task.title && task.title !== task.id) inside.append(make("p", task.title, "lead"));
    inside.append(make("span", task.state, "state s-" + task.state));
    const facts = make("dl");
    for (const [key, value] of task.facts) facts.append(make("dt", key), make("dd", value));
    inside.append(facts);
    if (task.instructions) {
      inside.append(fold("What the agent was told", "", (box) => box.append(code(task.instructions))));
    }
    if (!task.attempts.length) inside.append(make("p", "There was no attempt.", "quiet"));
    task.attempts.forEach((attempt, n) => {
      const title = "Attempt " + attempt.n + " on " + attempt.worker + ": " + attempt.outcome + ", "
        + seconds(attempt.begin) + " to " + seconds(attempt.end) + ", " + times(attempt.turns.length, "turn");
      inside.append(fold(title, attempt.good ? "" : "bad", (box) => showAttempt(box, attempt),
        n === task.attempts.length - 1));
    });
  }

  let opener = null;
  async function openTask(index) {
    if (!dialog.open) opener = document.activeElement;
    byId("task-name").textContent = replay.tasks[index];
    inside.replaceChildren(make("p", "…"));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    byId("task-close").focus();
    try {
      showTask(await unpack(index));
    } catch (error) {
      inside.replaceChildren(make("p", "This browser cannot unpack the task: " + error.message, "bad"));
    }
  }
  byId("task-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { if (opener && opener.isConnected) opener.focus(); });
  for (const button of document.querySelectorAll("button[data-task]")) {
    button.addEventListener("click", () => openTask(button.dataset.task));
  }

  // --- finding a task --------------------------------------------------------------------------

  const rows = [...document.querySelectorAll(".tasks tbody tr")];
  byId("find").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });

  fitNames();
  showTime(replay.end);
})();
