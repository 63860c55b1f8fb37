// Moves through the time of one sequence, and shows the pictures of pictures.html.
// page.html and report.html use this file.
"use strict";

// `load` shows a sequence: `inputs`, `targets`, the step `answerAt`, and `steps` with what the machine did at each step.
// If the steps lack the heads or the memory, their pictures are left out. `mask` is 1 at the steps whose outputs count.
function makeViewer(root) {
  const part = (name) => root.querySelector(`[data-part=${name}]`), slider = part("slider"), chosen = part("head");
  let sequence, fields, timer;

  function draw() {
    if (!sequence) return;
    const { steps, answerAt } = sequence, now = Number(slider.value), { heads, memory } = steps[now];
    const doing = now < answerAt ? "the input comes in" : "the machine answers";
    part("now").textContent = `step ${now} (0 to ${steps.length - 1}): ${doing}`;
    drawFields(part("sequence"), fields, now, answerAt);
    const has = { heads, memory, stages: heads?.[0].content };
    for (const picture of root.querySelectorAll("[data-needs]")) picture.hidden = !has[picture.dataset.needs];
    if (!heads) return;
    drawMap(part("map"), steps, { now, answerAt, head: chosen.value });
    if (memory) drawMemory(part("memory"), steps[now]);
    const head = heads.find(({ name }) => name === chosen.value), colour = head.writes ? WRITE : READ;
    if (!has.stages) return;
    const likeliest = head.shifts.indexOf(Math.max(...head.shifts)), offset = likeliest - (head.shifts.length - 1) / 2;
    const stages = [
      ["step before\n ", head.previous],
      ["content\n ", head.content],
      [`interpolated\ngate ${head.gate.toFixed(2)}`, head.gated],
      [`shifted by ${offset > 0 ? "+" : ""}${offset}\n(${head.shifts[likeliest].toFixed(2)})`, head.shifted],
      [`sharpened\nto the power ${head.sharpness.toFixed(1)}`, head.weighting],
    ];
    stages.forEach(([title, weighting], i) => drawWeighting(part("addressing").children[i], title, weighting, colour));
  }

  const stop = () => clearInterval(timer);

  function show(step) {
    slider.value = step;
    draw();
  }

  function play() { // from the first step to the last one
    stop();
    show(0);
    timer = setInterval(() => {
      if (Number(slider.value) === Number(slider.max)) stop();
      else show(Number(slider.value) + 1);
    }, 80);
  }

  function load(loaded) {
    stop();
    sequence = loaded;
    const { inputs, targets, steps, answerAt, mask = steps.map((_, i) => Number(i >= answerAt)) } = sequence;
    const outputs = steps.map(({ output }) => output);
    const isWrong = (value, i, j) => Number(mask[i] && value > 0.5 !== targets[i][j] > 0.5);
    const wrong = outputs.map((row, i) => row.map((value, j) => isWrong(value, i, j)));
    fields = [
      { name: "input", values: inputs }, { name: "target", values: targets, mask },
      { name: "output", values: outputs, mask }, { name: "error", values: wrong, mask },
    ];
    part("errors").textContent = `${sum(wrong.flat())} wrong bits`;
    if (Number(slider.max) !== steps.length - 1) Object.assign(slider, { max: steps.length - 1, value: answerAt });
    const kept = Math.max(chosen.selectedIndex, 0), names = (steps[0].heads ?? []).map(({ name }) => name);
    chosen.replaceChildren(...names.map((name) => new Option(name)));
    chosen.selectedIndex = kept < names.length ? kept : 0;
    draw();
  }

  slider.addEventListener("input", () => { stop(); draw(); });
  chosen.addEventListener("change", draw);
  new ResizeObserver(draw).observe(part("sequence").parentElement);
  document.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey || !sequence) return;
    if (event.target.matches("input:not([type=checkbox]), select, textarea")) return; // these have a use for arrow keys
    event.preventDefault();
    stop();
    show(Number(slider.value) + move);
  });
  for (const name of ["sequence", "map"]) part(name).addEventListener("click", ({ target, offsetX }) => {
    stop();
    show(Math.floor(target.x(offsetX)));
  });
  return { load, show, play };
}

// Shows what a canvas says about the point under the pointer. After a touch, the value stays until the next touch.
function showValuesUnderPointer() {
  const tip = document.body.appendChild(Object.assign(document.createElement("div"), { className: "ntm-tip" }));
  const show = ({ target, offsetX, offsetY, clientX, clientY }) => {
    tip.textContent = target.describe?.(offsetX, offsetY) ?? "";
    tip.hidden = !tip.textContent;
    const fits = clientY + 18 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(4, Math.min(clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${fits ? clientY + 18 : clientY - tip.offsetHeight - 10}px`;
  };
  tip.hidden = true;
  for (const kind of ["pointermove", "pointerdown"]) document.addEventListener(kind, show);
  document.addEventListener("pointercancel", () => { tip.hidden = true; }); // a finger scrolls the page
}
