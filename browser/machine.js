// The machine: one time step of an NTM with an LSTM controller, as in ntm/cell.py, and the loop over the steps.
// Numbers have 64 bits. A weighting, a vector or a row is an array. The equations are those of Graves et al. (2014).
"use strict";

const networks = {}; // each file pretrained/NAME/browser.js adds a network: task, options and weights

const zeros = (count) => new Array(count).fill(0);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const dot = (left, right) => {
  let total = 0;
  for (let i = 0; i < left.length; i++) total += left[i] * right[i];
  return total;
};
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

function softmax(values) {
  const most = Math.max(...values), powers = values.map((value) => Math.exp(value - most)), total = sum(powers);
  return powers.map((power) => power / total);
}

function decodeWeights(network) {
  for (const [name, text] of Object.entries(network.weights)) {
    if (typeof text !== "string") return; // decoded before
    let { buffer } = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    // A bfloat16 is the first half of a float32.
    if (network.bfloat16) buffer = Uint32Array.from(new Uint16Array(buffer), (half) => half << 16).buffer;
    network.weights[name] = Array.from(new Float32Array(buffer));
  }
}

// x W + b. The matrix W is stored row by row.
function linear(x, kernel, bias) {
  const y = Float64Array.from(bias), width = y.length;
  x.forEach((value, i) => { for (let j = 0; j < width; j++) y[j] += value * kernel[i * width + j]; });
  return Array.from(y);
}

// Cuts an array into rows of equal length.
function rows(values, count) {
  const width = values.length / count;
  return zeros(count).map((_, i) => values.slice(i * width, (i + 1) * width));
}

function controller(row, cell, weights) {
  const [input, candidate, forget, output] = rows(linear(row, weights.kernel, weights["controller/bias"]), 4);
  const next = cell.map((c, i) => sigmoid(forget[i]) * c + sigmoid(input[i]) * Math.tanh(candidate[i]));
  return { output: next.map((c, i) => sigmoid(output[i]) * Math.tanh(c)), cell: next };
}

// The parameters of each head, the read heads first: section 3 of the paper. Only write heads erase and add.
function headParameters(output, { weights, options }) {
  const values = linear(output, weights["heads/kernel"], weights["heads/bias"]);
  const { read_heads: reading, write_heads: writing, memory_width: width, shift_range: range } = options;
  let used = 0;
  const next = (heads, size) => rows(values.slice(used, used += heads * size), heads), all = reading + writing;
  const keys = next(all, width), strengths = next(all, 1), gates = next(all, 1), shifts = next(all, 2 * range + 1);
  const sharpness = next(all, 1), erase = next(writing, width), add = next(writing, width);
  return keys.map((key, head) => ({
    name: head < reading ? `read head ${head + 1}` : `write head ${head - reading + 1}`,
    writes: head >= reading,
    key: key.map(Math.tanh),
    strength: options.smallest_strength + softplus(strengths[head][0]),
    gate: sigmoid(gates[head][0]),
    shifts: softmax(shifts[head]),
    sharpness: 1 + softplus(sharpness[head][0]),
    erase: erase[head - reading]?.map(sigmoid),
    add: add[head - reading]?.map(Math.tanh),
  }));
}

const norm = (vector) => Math.sqrt(Math.max(dot(vector, vector), 1e-12));

// Where a head looks: equations (5) to (9). The last stage is the weighting.
function address(memory, previous, { key, strength, gate, shifts, sharpness }) {
  const content = softmax(memory.map((location) => strength * dot(key, location) / (norm(key) * norm(location))));
  const gated = content.map((weight, i) => gate * weight + (1 - gate) * previous[i]);
  const count = gated.length, range = (shifts.length - 1) / 2;
  const shifted = gated.map((_, i) => sum(shifts.map((s, k) => s * gated[(i - (k - range) + count) % count])));
  const weighting = softmax(shifted.map((weight) => sharpness * Math.log(Math.max(weight, 1e-38))));
  return { previous, content, gated, shifted, weighting };
}

// Equation (2): the vector that a head reads.
function read(memory, weighting) {
  const vector = zeros(memory[0].length);
  memory.forEach((location, i) => location.forEach((value, j) => { vector[j] += weighting[i] * value; }));
  return vector;
}

// Equations (3) and (4): all heads erase, then all heads add.
function write(memory, heads) {
  return memory.map((location, i) => location.map((value, j) => {
    let kept = value, added = 0;
    for (const { weighting, erase, add } of heads) {
      kept *= 1 - weighting[i] * erase[j];
      added += weighting[i] * add[j];
    }
    return kept + added;
  }));
}

function initialState({ weights, options }) {
  const learned = rows(weights.initial_memory, weights.initial_memory.length / options.memory_width);
  return {
    memory: zeros(options.memory_locations).map((_, i) => learned[i % learned.length]),
    weightings: ["read", "write"].flatMap((kind) => // stored as logits
      rows(weights[`initial_${kind}_weightings`], options[`${kind}_heads`]).map(softmax)),
    reads: weights.initial_read_vectors,
    output: weights.initial_controller_0,
    cell: weights.initial_controller_1,
  };
}

// One time step: the controller, then the write heads, then the read heads. Returns the next state and the heads.
function step(input, state, network) {
  const { output, cell } = controller([...input, ...state.reads, ...state.output], state.cell, network.weights);
  const parameters = headParameters(output, network);
  const look = (memory, writes) => parameters.flatMap((head, i) =>
    head.writes === writes ? [{ ...head, ...address(memory, state.weightings[i], head) }] : []);
  const writing = look(state.memory, true), memory = write(state.memory, writing), reading = look(memory, false);
  const heads = [...reading, ...writing], reads = reading.flatMap((head) => read(memory, head.weighting));
  return { state: { memory, weightings: heads.map((head) => head.weighting), reads, output, cell }, heads };
}

// Runs the machine. Returns for each step the outputs (probabilities), the heads and the memory.
function runMachine(network, inputs) {
  decodeWeights(network);
  const { weights } = network;
  weights.kernel ??= [...weights["controller/kernel"], ...weights["controller/recurrent_kernel"]];
  let state = initialState(network);
  return inputs.map((input) => {
    const after = step(input, state, network);
    state = after.state;
    const logits = linear([...state.output, ...state.reads], weights["output/kernel"], weights["output/bias"]);
    return { output: logits.map(sigmoid), heads: after.heads, memory: state.memory };
  });
}
