// The sequences of the tasks, as in tasks/.
"use strict";

// For each task, a function from `given` (the vectors and other fields) to `inputs` and `answer`. Both are lists of
// vectors.
const LAYOUTS = {
  "copy": ({ vectors }) => ({
    inputs: [[1, ...zeros(9)], ...vectors.map((bits) => [0, ...bits, 0]), [...zeros(9), 1]],
    answer: vectors,
  }),
  "repeat-copy": ({ vectors, repeats }, task) => {
    const choices = task.max_repeats - task.min_repeats + 1, std = Math.sqrt((choices ** 2 - 1) / 12) || 1;
    const normalised = (repeats - (task.min_repeats + task.max_repeats) / 2) / std;
    return {
      inputs: [[1, ...zeros(10)], ...vectors.map((bits) => [0, ...bits, 0, 0]), [...zeros(9), 1, normalised]],
      answer: [...zeros(repeats).flatMap(() => vectors.map((bits) => [...bits, 0])), [...zeros(8), 1]],
    };
  },
  "associative-recall": ({ vectors, query }) => {
    const item = (index) => vectors.slice(3 * index, 3 * index + 3), count = vectors.length / 3;
    const shown = (flags, index) => [[...flags, ...zeros(6)], ...item(index).map((bits) => [0, 0, ...bits])];
    const items = zeros(count).flatMap((_, index) => shown([1, 0], index));
    return { inputs: [...items, ...shown([0, 1], query), [0, 1, ...zeros(6)]], answer: item(query + 1) };
  },
  "priority-sort": ({ vectors, priorities }, task) => {
    const order = [...vectors.keys()].sort((i, j) => priorities[j] - priorities[i]);
    return {
      inputs: [...vectors.map((bits, i) => [...bits, priorities[i], 0]), [...zeros(9), 1]],
      answer: order.slice(0, task.highest).map((i) => vectors[i]),
    };
  },
};

// A whole sequence: `inputs` with zeros while the machine answers, `targets`, and the step `answerAt`.
function layOut(task, given) {
  const { inputs, answer } = LAYOUTS[task.name](given, task), blank = zeros(answer[0].length);
  return {
    answerAt: inputs.length,
    inputs: [...inputs, ...answer.map(() => zeros(inputs[0].length))],
    targets: [...inputs.map(() => blank), ...answer],
  };
}
