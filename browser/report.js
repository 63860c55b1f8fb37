// Draws the pictures of report.html from the numbers in the page.
"use strict";

function startReport({ curves, solved, sequence }) {
  const root = document.getElementById("ntm"), training = document.querySelector("[data-curve]").parentElement;
  const drawCurves = () => training.querySelectorAll("canvas").forEach((canvas) => {
    const name = canvas.dataset.curve, values = curves[name];
    const log = name === "loss" && values.every((value) => value > 0);
    drawCurve(canvas, curves.sequences, values, { name, solved, log });
  });
  training.hidden = curves.sequences.length === 0;
  if (!training.hidden) new ResizeObserver(drawCurves).observe(training);
  showValuesUnderPointer();
  root.hidden = !sequence;
  if (sequence) makeViewer(root).load(sequence);
}

startReport(JSON.parse(document.getElementById("run").textContent));
