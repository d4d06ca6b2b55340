// The page of the console: shows what the program sends, four times a second, and sends nothing.
"use strict";

const SECONDS = 10; // of the timeline
const HISTORY = 240; // points of a sparkline, a minute
const LANE = 18; // pixels of a thread
const METRICS = ["running", "queued", "threads", "blocked"];

const at = (id) => document.getElementById(id);
const state = {
  last: null, // the last message
  arrived: 0, // when it came, by the clock of the page
  slices: [], // [thread, depth, start, end, label], of the last seconds
  pools: new Map(), // by index: {box, history of each metric}
  paused: false,
  pending: false, // a frame is asked for
  boxes: [], // what lies where on the timeline
};

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function duration(seconds) {
  if (seconds < 1e-3) return `${Math.max(0, seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds / 60) % 60)} min`;
}

const count = (n) => n.toLocaleString("en");

// A table keeps the row of a key as long as the key is there: the eye and the selection stay.
class Rows {
  constructor(body, columns, nothing) {
    this.body = body;
    this.columns = columns;
    this.rows = new Map();
    this.nothing = element("tr", undefined, "nothing");
    const cell = element("td", nothing);
    cell.colSpan = columns.length;
    this.nothing.append(cell);
  }

  show(items) {
    const seen = new Set();
    let before = null;
    for (const item of items) {
      seen.add(item.key);
      let row = this.rows.get(item.key);
      if (!row) {
        row = element("tr");
        for (const className of this.columns) row.append(element("td", "", className));
        this.rows.set(item.key, row);
      }
      item.cells.forEach((cell, index) => put(row.cells[index], cell));
      const wanted = before ? before.nextSibling : this.body.firstChild;
      if (wanted !== row) this.body.insertBefore(row, wanted);
      before = row;
    }
    for (const [key, row] of this.rows) {
      if (!seen.has(key)) {
        row.remove();
        this.rows.delete(key);
      }
    }
    if (items.length) this.nothing.remove();
    else this.body.append(this.nothing);
  }
}

// Text, {text, className}, or {done, total, text}. Never markup: names come from the program.
function put(cell, value) {
  if (value.total) {
    let bar = cell.querySelector("progress");
    if (!bar) {
      bar = element("progress");
      cell.replaceChildren(bar, element("span"));
    }
    bar.max = value.total;
    bar.value = value.done;
    cell.lastChild.textContent = ` ${value.text}`;
    return;
  }
  const text = value.text ?? value;
  if (value.className) cell.className = value.className;
  if (cell.textContent !== text || cell.firstElementChild) cell.textContent = text;
}

const NUMBER = "number";
const live = new Rows(
  at("live"), [NUMBER, "", "", "at", NUMBER, NUMBER, "wide"], "no task is under way");
const ended = new Rows(
  at("ended"), [NUMBER, "", "", "at", NUMBER, NUMBER, "wide"], "no task has ended yet");
const failures = new Rows(
  at("failures"), [NUMBER, NUMBER, "", "wide", "at"], "none");

function taskRow(task, now) {
  const until = task.until ?? now;
  let last = task.note ?? "";
  if (task.until === undefined && task.done !== undefined) {
    const of = task.total ? `${count(task.done)} of ${count(task.total)}` : count(task.done);
    last = { done: task.done, total: task.total, text: `${of} ${task.note ?? ""}` };
  }
  return {
    key: task.id,
    cells: [
      String(task.id), { text: task.state, className: task.state }, task.name ?? "", task.at,
      duration(until - task.since), task.parent === undefined ? "" : String(task.parent), last,
    ],
  };
}

function matches(task) {
  const words = at("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${task.id} ${task.state} ${task.name ?? ""} ${task.at}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function showTables(message, now) {
  const shown = message.live.filter(matches);
  live.show(shown.map((task) => taskRow(task, now)));
  ended.show(message.ended.filter(matches).slice(0, 50).map((task) => taskRow(task, now)));
  failures.show(message.failures.map((failure) => ({
    key: `${failure.at}\n${failure.task}`,
    cells: [
      count(failure.count), `${duration(now - failure.last)} ago`, failure.task ?? "",
      { text: failure.text }, failure.at ?? "",
    ],
  })));
  const more = message.totals.live - message.live.length;
  at("more").textContent = more > 0 ? `and ${count(more)} younger ones` : "";
}

function showTotals(message) {
  const { totals } = message;
  at("process").textContent = `process ${message.process}`;
  at("totals").replaceChildren(...["live", "succeeded", "failed", "cancelled"].map((name) => {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", count(totals[name]), name));
    return pair;
  }));
  at("notice").textContent =
    `${count(totals.untracked)} events of tasks beyond the number that is kept`;
  at("notice").hidden = !totals.untracked;
}

function context(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  if (canvas.width !== width * scale || canvas.height !== height * scale) {
    canvas.width = width * scale;
    canvas.height = height * scale;
  }
  const drawn = canvas.getContext("2d");
  drawn.setTransform(scale, 0, 0, scale, 0, 0);
  drawn.clearRect(0, 0, width, height);
  return drawn;
}

// The colour of a variable as a canvas understands it: only as the colour of an element it is one.
const probe = document.body.appendChild(element("span"));
function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

// Also when nothing is shown: a sparkline has no gaps.
function notePools(message) {
  message.pools.forEach((pool, index) => {
    let known = state.pools.get(index);
    if (!known) {
      known = { box: element("div", undefined, "pool"), charts: new Map() };
      known.box.append(element("h3", pool.name));
      for (const metric of METRICS) {
        const figure = element("figure");
        const chart = { canvas: element("canvas"), caption: element("figcaption"), points: [] };
        figure.append(chart.canvas, chart.caption);
        known.box.append(figure);
        known.charts.set(metric, chart);
      }
      at("pools").append(known.box);
      state.pools.set(index, known);
    }
    for (const [metric, chart] of known.charts) {
      chart.points.push(pool[metric]);
      if (chart.points.length > HISTORY) chart.points.shift();
    }
  });
}

function showPools(message) {
  for (const [index, { charts }] of state.pools) {
    for (const [metric, { canvas, caption, points }] of charts) {
      const now = message.pools[index][metric];
      const limit = metric === "threads" ? ` of ${count(message.pools[index].max)}` : "";
      caption.replaceChildren(element("b", count(now)), ` ${metric}${limit}`);
      const drawn = context(canvas, 120, 26);
      const most = Math.max(1, ...points);
      drawn.beginPath();
      points.forEach((value, place) => {
        const x = 120 - (points.length - 1 - place) * (120 / (HISTORY - 1));
        const y = 25 - (value / most) * 23;
        if (place) drawn.lineTo(x, y);
        else drawn.moveTo(x, y);
      });
      drawn.strokeStyle = colour("--running");
      drawn.lineWidth = 1.2;
      drawn.stroke();
    }
  }
}

// The same label has the same colour, in every run.
function hue(label) {
  let sum = 7;
  for (let i = 0; i < label.length; i++) sum = (sum * 31 + label.charCodeAt(i)) >>> 0;
  return sum % 360;
}

function showTimeline(message, now) {
  const from = now - SECONDS;
  const busy = new Set(state.slices.map((slice) => slice[0]));
  const threads = message.threads.filter((it) => it.open.length || busy.has(it.id));
  threads.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
  at("no-timeline").hidden = message.threads.length > 0;
  const canvas = at("timeline");
  const width = canvas.clientWidth;
  const height = Math.max(1, threads.length) * LANE + 4;
  canvas.style.height = `${height}px`;
  const drawn = context(canvas, width, height);
  const left = 130;
  const x = (time) => left + ((time - from) / SECONDS) * (width - left);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  state.boxes = [];
  drawn.font = "11px system-ui, sans-serif";
  drawn.textBaseline = "middle";
  const box = (lane, depth, start, end, label) => {
    const begin = Math.max(left, x(start));
    const extent = Math.max(0.6, x(end) - begin);
    const top = lane * LANE + 3 + Math.min(depth, 3) * 2;
    const tall = LANE - 5 - Math.min(depth, 3) * 2;
    drawn.fillStyle = `hsl(${hue(label)} 55% ${dark ? 55 - depth * 6 : 62 - depth * 8}%)`;
    drawn.fillRect(begin, top, extent, tall);
    if (extent > 2) state.boxes.push({ begin, extent, top, tall, label, time: end - start });
    if (extent > 40) {
      drawn.save();
      drawn.beginPath();
      drawn.rect(begin, top, extent - 3, tall);
      drawn.clip();
      drawn.fillStyle = dark ? "#111" : "#fff";
      drawn.fillText(label, begin + 4, top + tall / 2 + 0.5);
      drawn.restore();
    }
  };
  threads.forEach((thread, lane) => {
    drawn.fillStyle = colour("--quiet");
    drawn.fillText(thread.name, 0, lane * LANE + LANE / 2, left - 8);
    const own = state.slices.filter((slice) => slice[0] === thread.id);
    own.sort((one, other) => one[1] - other[1]);
    for (const [, depth, start, end, label] of own) box(lane, depth, start, end, label);
    thread.open.forEach(([start, label], depth) => box(lane, depth, start, now, label));
  });
}

at("timeline").addEventListener("mousemove", (event) => {
  const { left, top } = at("timeline").getBoundingClientRect();
  const [x, y] = [event.clientX - left, event.clientY - top];
  const hit = state.boxes.findLast((it) =>
    x >= it.begin && x <= it.begin + it.extent && y >= it.top && y <= it.top + it.tall);
  at("tip").hidden = !hit;
  if (!hit) return;
  at("tip").textContent = `${hit.label}: ${duration(hit.time)}`;
  at("tip").style.left = `${event.clientX + 12}px`;
  at("tip").style.top = `${event.clientY + 12}px`;
});
at("timeline").addEventListener("mouseleave", () => { at("tip").hidden = true; });

function draw() {
  state.pending = false;
  const message = state.last;
  if (!message) return;
  showTotals(message);
  showTables(message, message.now);
  showPools(message);
  showTimeline(message, message.now);
  // For tests, and for the curious.
  document.body.dataset.frames = String(Number(document.body.dataset.frames ?? 0) + 1);
}

function redraw() {
  if (state.pending) return;
  state.pending = true;
  requestAnimationFrame(draw);
}

function receive(event) {
  const message = JSON.parse(event.data);
  if (state.last && message.now < state.last.now) state.slices = []; // another process
  state.slices.push(...message.slices);
  const old = state.slices.findIndex((slice) => slice[3] > message.now - SECONDS);
  state.slices.splice(0, old < 0 ? state.slices.length : old);
  notePools(message);
  if (state.paused) return;
  state.last = message;
  redraw();
}

at("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  at("pause").setAttribute("aria-pressed", String(state.paused));
});
at("filter").addEventListener("input", redraw);
window.addEventListener("resize", redraw);

function link(text, className) {
  at("link").textContent = text;
  at("link").className = className;
}

const events = new EventSource("events");
events.onmessage = receive;
events.onopen = () => link("live", "is-live");
events.onerror = () => link("the program does not answer", "is-gone");
