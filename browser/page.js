// The controls of the page: the task, the sizes and the bits of the sequence.
"use strict";

const PAGE_TASKS = {
  "copy": {
    bits: 8, group: 1, unit: "length", least: 1, most: 30, usual: 20,
    hint: "The network must repeat the vectors. It learned lengths up to 20.",
  },
  "repeat-copy": {
    bits: 8, group: 1, unit: "length", least: 1, most: 30, usual: 10,
    hint: "The network must repeat the vectors several times. It learned lengths up to 10 and up to 10 repeats.",
  },
  "associative-recall": {
    bits: 6, group: 3, unit: "items", least: 2, most: 10, usual: 6,
    hint: "An item is three vectors. The network must answer the query with the item that followed it. It learned "
      + "up to 6 items.",
  },
  "priority-sort": {
    bits: 8, group: 1, unit: "length", least: 1, most: 30, usual: 20,
    hint: "The sliders set the priorities. The network must answer with the 16 vectors of highest priority, highest "
      + "first. It learned only length 20, and still makes errors.",
  },
};

function startPage(root) {
  const form = root.querySelector("form"), { task, size, repeats, query, random } = form.elements;
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  const bits = part("bits"), priorities = part("priorities");
  const viewer = makeViewer(root), loading = {};
  let paint = null;

  const cells = (place) => [...place.querySelectorAll("input")];

  function loadNetwork(name) {
    loading[name] ??= new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src: `../pretrained/${name}/browser.js` });
      Object.assign(script, { onload: resolve, onerror: () => reject(new Error(`${script.src} cannot be loaded`)) });
      document.head.append(script);
    });
    return loading[name];
  }

  const control = (values) => Object.assign(document.createElement("input"), values);

  function makeBit(k) {
    const { bits, group } = PAGE_TASKS[task.value], vector = Math.floor(k / bits);
    const ariaLabel = `vector ${vector}, bit ${k % bits}`;
    const box = control({ type: "checkbox", ariaLabel, checked: Math.random() < 0.5 });
    box.classList.toggle("ntm-first", group > 1 && vector % group === 0);
    return box;
  }

  function makePriority(vector) {
    const range = { type: "range", min: -1, max: 1, step: 0.001 };
    return control({ ...range, ariaLabel: `priority of vector ${vector}`, value: 2 * Math.random() - 1 });
  }

  function makeGrid() { // random bits and priorities
    const { bits: height, group } = PAGE_TASKS[task.value], count = size.valueAsNumber * group;
    for (const place of [bits, priorities]) place.style.setProperty("--columns", count);
    bits.style.setProperty("--rows", height);
    bits.replaceChildren(...zeros(count * height).map((_, k) => makeBit(k)));
    priorities.hidden = task.value !== "priority-sort";
    priorities.replaceChildren(...zeros(priorities.hidden ? 0 : count).map((_, i) => makePriority(i)));
  }

  function changeTask() {
    const { least, most, usual, unit, hint } = PAGE_TASKS[task.value];
    Object.assign(size, { min: least, max: most, value: usual });
    part("unit").textContent = unit;
    part("hint").textContent = hint;
    repeats.parentElement.hidden = task.value !== "repeat-copy";
    query.parentElement.hidden = task.value !== "associative-recall";
    changeSize();
  }

  function changeSize() {
    if (!size.checkValidity()) return;
    query.max = size.value - 1;
    query.value = Math.min(query.value, query.max);
    makeGrid();
    run();
  }

  async function run() {
    if (!form.reportValidity()) return;
    const name = task.value;
    try {
      await loadNetwork(name);
    } catch (error) {
      part("hint").textContent = error.message;
      return;
    }
    // The user may have changed the task or a field in the meantime. The grid follows a size when its field is left.
    if (name !== task.value || !form.checkValidity()) return;
    const boxes = cells(bits).map((box) => Number(box.checked));
    const given = {
      vectors: rows(boxes, boxes.length / PAGE_TASKS[name].bits),
      repeats: repeats.valueAsNumber, query: query.valueAsNumber - 1,
      priorities: cells(priorities).map((slider) => slider.valueAsNumber),
    };
    const sequence = layOut(networks[name].task, given);
    viewer.load({ ...sequence, steps: runMachine(networks[name], sequence.inputs) });
  }

  function drawBits(event) {
    const box = document.elementFromPoint(event.clientX, event.clientY);
    if (!bits.contains(box) || box === bits) return;
    paint ??= !box.checked;
    box.checked = paint;
  }

  task.addEventListener("change", changeTask);
  size.addEventListener("change", changeSize);
  random.addEventListener("click", () => { makeGrid(); run(); });
  for (const changed of [repeats, query, priorities, bits]) changed.addEventListener("change", run);
  form.addEventListener("submit", async (event) => { event.preventDefault(); await run(); viewer.play(); });
  bits.addEventListener("pointerdown", (event) => { bits.setPointerCapture(event.pointerId); drawBits(event); });
  bits.addEventListener("pointermove", (event) => { if (paint !== null) drawBits(event); });
  bits.addEventListener("pointerup", () => { paint = null; run(); });
  bits.addEventListener("pointercancel", () => { paint = null; });
  // After a click with a pointer, drawBits has already set the bit. After the space bar, the browser sets it.
  bits.addEventListener("click", (event) => {
    if (event.detail) event.preventDefault();
  });
  showValuesUnderPointer();
  changeTask();
}

startPage(document.getElementById("ntm"));
