// What a page does by itself: draw the curves, follow the events, keep the log's end in view. Everything else is HTML.
"use strict";
(() => {
  const MOST_POINTS = 4000;
  const block = document.getElementById("curves");
  const start = block ? JSON.parse(block.textContent) : null;
  let seq = start ? start.seq : 0;

  // A connection that the browser gives up on is opened anew where the last one ended.
  htmx.createEventSource = (address) => {
    const url = new URL(address, location.href);
    if (seq) url.searchParams.set("after", seq);
    return new EventSource(url);
  };

  const byId = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const shortNumber = (value) =>
    value === 0 ? "0" : Math.abs(value) < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
  const money = (value) =>
    "$" + value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: value < 1 ? 4 : 2 });
  const orDash = (write) => (plot, value) => (value == null ? "–" : write(value));

  const clock = (seconds) => {
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds % 60)];
    const two = (part) => String(part).padStart(2, "0");
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };
  const ROUND_TIMES = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400];

  const axis = (more) => ({
    stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false },
    font: "12px system-ui, sans-serif", ...more,
  });
  const written = (write) => (plot, splits) => splits.map((value) => (value == null ? "" : write(value)));

  // Each training begins at a line; where the line beside it says another loss, the two are not to be compared.
  const drawBoundaries = (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour("--muted");
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const [, before] of start.trainings.slice(1)) {
      const x = Math.round(plot.valToPos(before + 0.5, "x", true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
  const LOSS_COLOURS = ["--accent", "--other"];

  const lossOptions = () => ({
    hooks: { draw: [drawBoundaries] },
    scales: { x: { time: false }, rate: { range: (plot, low, high) => [0, high > 0 ? high * 1.15 : 1] } },
    axes: [
      axis({ size: 30 }),
      axis({ size: 48, values: written(shortNumber) }),
      axis({ scale: "rate", side: 1, size: 56, grid: { show: false }, values: written(shortNumber) }),
    ],
    series: [
      { label: "Step", value: orDash(String) },
      { label: "Learning rate", scale: "rate", stroke: colour("--second"), width: 1.5, dash: [4, 4],
        points: { show: false }, value: orDash(shortNumber) },
      ...start.losses.map((label, index) => (
        { label, stroke: colour(LOSS_COLOURS[index] ?? "--accent"), width: 2, value: orDash(shortNumber) })),
    ],
  });

  const spendOptions = () => ({
    scales: { x: { time: false }, y: { range: (plot, low, high) => [0, (high || 1) * 1.08] } },
    axes: [axis({ size: 30, incrs: ROUND_TIMES, values: written(clock) }), axis({ size: 62, values: written(money) })],
    series: [
      { label: "After", value: orDash(clock) },
      { label: "Spent", stroke: colour("--accent"), width: 2, fill: colour("--accent-soft"), points: { show: false }, value: orDash(money) },
      { label: "Cap", stroke: colour("--bad"), width: 1.5, dash: [4, 4], points: { show: false },
        paths: uPlot.paths.stepped({ align: 1 }), value: orDash(money) },
    ],
  });

  class Curve {
    constructor(id, options, columns) {
      this.place = byId(id);
      this.options = options;
      this.columns = columns;
      this.draw();
      new ResizeObserver(() => this.plot && this.plot.setSize(this.size())).observe(this.place);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(true));
    }
    size() {
      return { width: this.place.clientWidth, height: 240 };
    }
    draw(anew = false) {
      if (anew && this.plot) {
        this.plot.destroy();
        this.plot = null;
      }
      if (this.plot) this.plot.setData(this.columns);
      else if (this.columns[0].length) {
        this.place.replaceChildren();
        const cursor = { points: { size: 7 }, drag: { setScale: false } };
        const options = this.options();
        const hooks = { ...options.hooks, ready: [() => this.showLast()] };
        this.plot = new uPlot({ ...options, ...this.size(), cursor, hooks }, this.columns, this.place);
        this.place.addEventListener("mouseleave", () => this.showLast());
      }
      this.showLast();
    }
    showLast() {
      if (this.plot && !this.place.matches(":hover")) this.plot.setLegend({ idx: this.columns[0].length - 1 });
    }
    add(row) {
      // A resumed attempt goes on from its checkpoint: what came after that checkpoint is drawn again.
      const keep = this.columns[0].findIndex((x) => x >= row[0]);
      if (keep >= 0) this.columns = this.columns.map((column) => column.slice(0, keep));
      this.columns.forEach((column, index) => column.push(row[index]));
      const length = this.columns[0].length;
      if (length > MOST_POINTS) {
        this.columns = this.columns.map((column) => column.filter((_, index) => index % 2 === 0 || index === length - 1));
      }
      if (!this.waiting) {
        this.waiting = requestAnimationFrame(() => {
          this.waiting = 0;
          this.draw();
        });
      }
    }
  }

  const began = start ? start.spend[0][0] : 0;
  const curves = start && {
    loss: new Curve("loss-chart", lossOptions, start.steps),
    spend: new Curve("spend-chart", spendOptions, [start.spend[0].map((at) => at - began), ...start.spend.slice(1)]),
  };

  const numberOf = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

  function takeMetric(event) {
    const place = Number(event.lastEventId);
    if (place <= seq) return;
    seq = place;
    const { stage, data: line } = JSON.parse(event.data);
    if (line.event === "step" && Number.isInteger(line.step)) {
      const losses = start.losses.map((_, index) => (index === (start.stages[stage]?.loss ?? 0) ? numberOf(line.loss) : null));
      curves.loss.add([stepsBefore(stage) + line.step, numberOf(line.learning_rate), ...losses]);
    }
  }

  // The trainer counts each training from one, the curve all of them together.
  function stepsBefore(stage) {
    const place = start.trainings.findIndex(([known]) => known === stage);
    if (place < 0) start.trainings.push([stage, curves.loss.columns[0].at(-1) ?? 0]);
    else start.trainings.length = place + 1;
    return start.trainings.at(-1)[1];
  }

  function takeSpend() {
    const now = byId("spend-now");
    document.title = `${now.dataset.summary} · ${document.querySelector("h1").textContent}`;
    if (curves) curves.spend.add([Number(now.dataset.at) - began, Number(now.value), Number(now.dataset.cap)]);
  }

  function say(text, tone) {
    const place = byId("connection");
    if (!place) return;
    place.hidden = false;
    place.textContent = text;
    place.className = `connection ${tone}`;
  }

  const on = (name, act) => document.addEventListener(name, act);
  on("htmx:sseOpen", (event) => {
    say("Live", "live");
    event.detail.source.addEventListener("metric", takeMetric);
  });
  on("htmx:sseError", () => say("Reconnecting…", "wait"));
  on("htmx:sseClose", (event) => event.detail.type === "message" && say("Final", "quiet"));

  // A log that was read at its end stays there; one that was scrolled back stays where it is.
  let logPlace = null;
  const log = () => document.querySelector("#log pre");
  on("htmx:beforeSwap", (event) => {
    const pre = log();
    if (event.detail.target.id === "log" && pre) {
      logPlace = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 8 ? null : pre.scrollTop;
    }
  });
  on("htmx:afterSwap", (event) => {
    if (event.target.id === "log") keepLog();
    if (event.target.id === "progress") takeSpend();
  });

  function keepLog() {
    const pre = log();
    if (pre) pre.scrollTop = logPlace == null ? pre.scrollHeight : logPlace;
  }
  keepLog();
})();
