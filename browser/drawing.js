// Pictures of numbers on canvases, in the colours of ntm/plots.py. `canvas.describe` returns the text about a point.
"use strict";

// Colours of Okabe and Ito: colour-blind readers can tell them apart.
const LINE = "#0072b2", WRITE = "#009e73", READ = "#d55e00";
const TEXT = "#222", GREY = "#777";
const CIVIDIS = "00224e 003170 2a3f6d 434e6c 575d6d 6a6c71 7d7c78 918b78 a59c74 bcae6c d2c060 e9d34e fee838".split(" ");
const VISITED = 0.05; // a weight above this counts as a visit

const shownNumber = (value) => Number(value.toPrecision(4)).toString();

// The colour of a value from 0 (dark) to 1 (light).
function fieldColour(value) {
  const place = Math.min(Math.max(value, 0), 1) * (CIVIDIS.length - 1);
  const below = Math.min(Math.floor(place), CIVIDIS.length - 2), share = place - below;
  const part = (hex, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  const mixed = [0, 1, 2].map((i) => (1 - share) * part(CIVIDIS[below], i) + share * part(CIVIDIS[below + 1], i));
  return `rgb(${mixed.map(Math.round).join(" ")})`;
}

// At most `count` round numbers from `least` to `most`, whole numbers if `whole`.
function ticks(least, most, count, whole) {
  const rough = (most - least) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const wide = [1, 2, 5, 10].map((factor) => factor * power).find((width) => width >= rough * 0.999);
  const width = whole ? Math.max(1, Math.ceil(wide)) : wide, found = [];
  for (let tick = Math.ceil(least / width) * width; tick <= most + width / 1e6; tick += width) found.push(tick);
  return found;
}

// Draws the axes of a picture. `x` has the values at the left and at the right, `y` those at the top and at the bottom.
// If `field` is set, the picture has a cell for each whole number, and the ticks stand at the middles of the cells.
// `yname` names the ticks of y. `describe` takes the x and y of a point and returns the text about it. Returns
// functions that draw in x and y.
function axes(canvas, { x, y, height, xlabel, ylabel, title = "", field, yname = shownNumber, yticks, describe }) {
  const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1, middle = field ? 0.5 : 0;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const ctx = canvas.getContext("2d"), titles = title.split("\n");
  const left = ylabel === undefined ? 30 : 58, right = width - 10;
  const top = title ? 6 + 15 * titles.length : 8, bottom = height - (xlabel ? 36 : 20);
  const X = (value) => left + (value - x[0]) / (x[1] - x[0]) * (right - left);
  const Y = (value) => top + (value - y[0]) / (y[1] - y[0]) * (bottom - top);
  ctx.scale(ratio, ratio);
  ctx.font = "12px sans-serif";
  const text = (words, at, height, align) => {
    [ctx.fillStyle, ctx.textAlign] = [TEXT, align];
    ctx.fillText(words, at, height);
  };
  titles.forEach((line, i) => text(line, (left + width) / 2, 14 + 15 * i, "center"));
  for (const tick of ticks(...x, width / 60, field || x[1] > 9)) {
    const number = shownNumber(tick), farthest = width - ctx.measureText(number).width / 2;
    if (tick + middle <= x[1]) text(number, Math.min(X(tick + middle), farthest), bottom + 15, "center");
  }
  if (xlabel) text(xlabel, (left + width) / 2, height - 4, "center");
  for (const tick of yticks ?? ticks(Math.min(...y), Math.max(...y), height / 40, field || yname !== shownNumber)) {
    if (tick + middle <= Math.max(...y)) text(yname(tick), left - 5, Y(tick + middle) + 4, "right");
  }
  if (ylabel) {
    ctx.save();
    ctx.translate(11, (top + bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    text(ylabel, 0, 0, "center");
    ctx.restore();
  }
  const pixel = (place) => Math.round(place * ratio) / ratio; // an edge between whole pixels would show as a seam
  const cell = (colour, i, j) => {
    ctx.fillStyle = colour;
    ctx.fillRect(pixel(X(i)), pixel(Y(j)), pixel(X(i + 1)) - pixel(X(i)), pixel(Y(j + 1)) - pixel(Y(j)));
  };
  const line = (colour, points, dash = [], width = 1.5) => {
    [ctx.strokeStyle, ctx.lineWidth] = [colour, width];
    ctx.setLineDash(dash);
    ctx.beginPath();
    points.forEach(([i, j]) => ctx.lineTo(X(i), Y(j)));
    ctx.stroke();
  };
  if (!field) line(GREY, [[x[0], y[0]], [x[0], y[1]], [x[1], y[1]]], [], 1);
  const within = (value, [a, b]) => value >= Math.min(a, b) && value < Math.max(a, b);
  canvas.x = (px) => x[0] + (px - left) / (right - left) * (x[1] - x[0]);
  canvas.describe = (px, py) => {
    const i = canvas.x(px), j = y[0] + (py - top) / (bottom - top) * (y[1] - y[0]);
    return within(i, x) && within(j, y) ? describe(...(field ? [Math.floor(i), Math.floor(j)] : [i, j])) : null;
  };
  const name = (words, at) => text(words, left - 5, Y(at) + 4, "right"); // writes the name of a part beside it
  return { ctx, X, Y, cell, line, name };
}

// The lines of a picture over time: the chosen step, and the step at which the answer begins.
function drawTimes({ line }, now, answerAt, y) {
  line(GREY, [[answerAt, y[0]], [answerAt, y[1]]], [5, 4], 1);
  line(LINE, [[now, y[0]], [now, y[1]], [now + 1, y[1]], [now + 1, y[0]], [now, y[0]]]);
}

// Values from 0 to 1 over time, as blocks one above the other: { name, values [T][C], mask [T] }. Where the mask is 0, a
// block is blank.
function drawFields(canvas, blocks, now, answerAt) {
  let total = -1;
  const placed = blocks.map((block) => {
    const start = total + 1, end = total = start + block.values[0].length;
    return { ...block, start, end };
  });
  const y = [0, total], plot = axes(canvas, {
    x: [0, blocks[0].values.length], y, height: 66 + 6.5 * total, xlabel: "time (steps)", ylabel: "", field: true,
    yticks: [],
    describe: (i, j) => {
      const block = placed.find(({ start, end, mask }) => mask?.[i] !== 0 && j >= start && j < end);
      return block && `step ${i}, ${block.name} ${j - block.start}: ${shownNumber(block.values[i][j - block.start])}`;
    },
  });
  for (const { name, values, mask, start, end } of placed) {
    plot.name(name, (start + end) / 2);
    values.forEach((row, i) => row.forEach((value, j) =>
      mask?.[i] !== 0 && plot.cell(fieldColour(value), i, start + j)));
  }
  drawTimes(plot, now, answerAt, y);
}

// The shortest stretch of locations that holds all visits, and two more locations at each end. It may go around the
// memory's end.
function visited(weightings, count) {
  const seen = zeros(count).map((_, i) => i).filter((i) => weightings.some((weighting) => weighting[i] > VISITED));
  const gaps = seen.map((location, k) => (seen[k + 1] ?? seen[0] + count) - location), widest = Math.max(...gaps);
  const length = count - widest + 5, first = seen[(gaps.indexOf(widest) + 1) % seen.length] - 2 + count;
  const all = !seen.length || length > 0.8 * count;
  return zeros(all ? count : length).map((_, i) => all ? i : (first + i) % count);
}

// The memory location map: squares for write heads, dots for read heads. The chosen head's visits have a frame.
function drawMap(canvas, steps, { now, answerAt, head }) {
  const count = steps[0].heads[0].weighting.length;
  const locations = visited(steps.flatMap(({ heads }) => heads.map(({ weighting }) => weighting)), count);
  const y = [0, locations.length], plot = axes(canvas, {
    x: [0, steps.length], y, height: Math.min(420, 60 + 12 * locations.length), field: true, xlabel: "time (steps)",
    ylabel: `memory location (${locations.length === count ? "all" : locations.length} of ${count})`,
    yname: (j) => locations[j],
    describe: (i, j) => `step ${i}, location ${locations[j]}` + steps[i].heads.map(({ name, weighting }) =>
      `\n${name}: ${weighting[locations[j]].toFixed(4)}`).join(""),
  });
  const { ctx, X, Y, cell } = plot, wide = X(1) - X(0), high = Y(1) - Y(0), size = Math.min(wide, high);
  for (const writes of [true, false]) {
    steps.forEach(({ heads }, i) => heads.filter((one) => one.writes === writes).forEach(({ name, weighting }) =>
      locations.forEach((location, j) => {
        ctx.globalAlpha = Math.min(weighting[location], 1);
        if (ctx.globalAlpha < 0.01) return;
        if (writes || size < 5) cell(writes ? WRITE : READ, i, j);
        else {
          ctx.fillStyle = READ;
          ctx.beginPath();
          ctx.ellipse(X(i + 0.5), Y(j + 0.5), 0.42 * wide, 0.42 * high, 0, 0, 7);
          ctx.fill();
        }
        if (name !== head || ctx.globalAlpha < 0.3 || size < 5) return;
        [ctx.globalAlpha, ctx.strokeStyle, ctx.lineWidth] = [1, "#000", 1];
        ctx.strokeRect(X(i) + 0.5, Y(j) + 0.5, wide - 1, high - 1);
      })));
  }
  ctx.globalAlpha = 1;
  drawTimes(plot, now, answerAt, y);
}

// The memory at a step, and below it the weightings of the write heads and of the read heads. tanh fits all numbers into
// the scale of the colours.
function drawMemory(canvas, { memory, heads }) {
  const width = memory[0].length, strips = [["write", true, WRITE], ["read", false, READ]];
  const plot = axes(canvas, {
    x: [0, memory.length], y: [0, width + 6], height: 250, field: true, xlabel: "memory location", ylabel: "",
    yticks: ticks(0, width - 1, 4, true),
    describe: (i, j) => j < width ? `location ${i}, element ${j}: ${shownNumber(memory[i][j])}`
      : `location ${i}` + heads.map(({ name, weighting }) => `\n${name}: ${weighting[i].toFixed(4)}`).join(""),
  });
  memory.forEach((location, i) => location.forEach((value, j) =>
    plot.cell(fieldColour((Math.tanh(value) + 1) / 2), i, j)));
  strips.forEach(([name, writes, colour], k) => {
    plot.name(name, width + 2 + 3 * k);
    for (const { weighting } of heads.filter((one) => one.writes === writes)) weighting.forEach((weight, i) => {
      plot.ctx.globalAlpha = weight;
      for (const j of [1, 2]) plot.cell(colour, i, width + 3 * k + j);
    });
    plot.ctx.globalAlpha = 1;
  });
}

// One weighting as bars.
function drawWeighting(canvas, title, weighting, colour) {
  const plot = axes(canvas, {
    x: [0, weighting.length], y: [1.02, 0], height: 150, title, yticks: [0, 0.5, 1],
    describe: (i) => `location ${Math.floor(i)}: ${weighting[Math.floor(i)].toFixed(4)}`,
  });
  plot.ctx.fillStyle = colour;
  const wide = Math.max(plot.X(1) - plot.X(0), 1.5);
  weighting.forEach((weight, i) => plot.ctx.fillRect(plot.X(i), plot.Y(weight), wide, plot.Y(0) - plot.Y(weight)));
}

// A curve over the training sequences `x`, on a logarithmic scale if `log` is set. All values are then positive.
function drawCurve(canvas, x, values, { name, log, solved }) {
  const shown = values.map((value) => log ? Math.log10(value) : value);
  const least = log ? Math.floor(Math.min(...shown)) : 0;
  const most = Math.max(log ? Math.ceil(Math.max(...shown)) : 1.05 * Math.max(...shown), least + 1);
  const plot = axes(canvas, {
    x: [0, x.at(-1)], y: [most, least], height: 190, xlabel: "training sequences", ylabel: name,
    yname: log ? (power) => shownNumber(10 ** power) : shownNumber,
    describe: (i) => {
      const nearest = x.reduce((best, _, k) => Math.abs(x[k] - i) < Math.abs(x[best] - i) ? k : best, 0);
      return `after ${x[nearest]} sequences: ${shownNumber(values[nearest])}`;
    },
  });
  plot.line(LINE, x.map((sequences, k) => [sequences, shown[k]]));
  if (solved) plot.line(READ, [[solved, least], [solved, most]], [5, 4]);
}
