"""The NTM in slow, plain NumPy, with a loop for every index of an equation. Tests compare the library with it."""

import numpy as np


def softmax(values):
    exponentials = np.exp(values - np.max(values))
    return exponentials / exponentials.sum()


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def softplus(values):
    return np.logaddexp(0, values)


def content_weighting(memory, keys, strengths):
    """Equations (5) and (6), as `ntm.addressing.content_weighting`."""
    batch, heads, locations = keys.shape[0], keys.shape[1], memory.shape[1]
    weightings = np.zeros((batch, heads, locations))
    for b in range(batch):
        for h in range(heads):
            similarity = np.zeros(locations)
            for n in range(locations):
                u, v = keys[b, h], memory[b, n]
                similarity[n] = np.dot(u, v) / (np.linalg.norm(u) * np.linalg.norm(v))
            weightings[b, h] = softmax(strengths[b, h] * similarity)
    return weightings


def interpolate(content_weightings, previous_weightings, gates):
    """Equation (7)."""
    weightings = np.zeros_like(content_weightings)
    for b, h, n in np.ndindex(*weightings.shape):
        g = gates[b, h]
        weightings[b, h, n] = g * content_weightings[b, h, n] + (1 - g) * previous_weightings[b, h, n]
    return weightings


def shift(weightings, shifts):
    """Equation (8), with the sum written out: location i gets the weight of location i - offset."""
    locations, reach = weightings.shape[-1], shifts.shape[-1] // 2
    shifted = np.zeros_like(weightings)
    for b, h, i in np.ndindex(*weightings.shape):
        for offset in range(-reach, reach + 1):
            shifted[b, h, i] += weightings[b, h, (i - offset) % locations] * shifts[b, h, offset + reach]
    return shifted


def reference_shift(weightings, shifts):
    """The optimized form of equation (8) in camigord/Neural-Turing-Machine, for any batch and range.

    It is a cross-correlation: location i gets the sum over k of shifts[k] weightings[i + k - S]. The first shift weight
    belongs to offset +S.
    """
    reach = shifts.shape[-1] // 2
    return sum(shifts[..., k, np.newaxis] * np.roll(weightings, reach - k, axis=-1) for k in range(2 * reach + 1))


def reference_looped_shift(weightings, shifts):
    """The general form of equation (8) in camigord/Neural-Turing-Machine, which the optimized form replaced.

    Location i gets the sum of the shift weights times the weightings at i + S, i + S - 1, ..., i - S. The first shift
    weight belongs to offset -S. Indices are wrapped by hand.
    """
    locations, reach = weightings.shape[-1], shifts.shape[-1] // 2
    shifted = []
    for i in range(locations):
        window = []
        for j in range(reach, -reach - 1, -1):
            index = i + j
            if index < 0:
                index += locations
            elif index >= locations:
                index -= locations
            window.append(weightings[..., index])
        shifted.append((np.stack(window, axis=-1) * shifts).sum(-1))
    return np.stack(shifted, axis=-1)


def sharpen(weightings, sharpness):
    """Equation (9) literally: power, then division by the sum."""
    powers = weightings ** sharpness[..., np.newaxis]
    return powers / powers.sum(-1, keepdims=True)


def address(memory, previous_weightings, keys, strengths, gates, shifts, sharpness):
    """Equations (5) to (9)."""
    gated = interpolate(content_weighting(memory, keys, strengths), previous_weightings, gates)
    return sharpen(shift(gated, shifts), sharpness)


def read(memory, weightings):
    """Equation (2)."""
    batch, heads, locations = weightings.shape
    vectors = np.zeros((batch, heads, memory.shape[2]))
    for b, h, n in np.ndindex(batch, heads, locations):
        vectors[b, h] += weightings[b, h, n] * memory[b, n]
    return vectors


def write(memory, weightings, erase_vectors, add_vectors):
    """Equations (3) and (4): every head erases, then every head adds."""
    memory = memory.copy()
    batch, heads, locations = weightings.shape
    for b, h, n in np.ndindex(batch, heads, locations):
        memory[b, n] *= 1 - weightings[b, h, n] * erase_vectors[b, h]
    for b, h, n in np.ndindex(batch, heads, locations):
        memory[b, n] += weightings[b, h, n] * add_vectors[b, h]
    return memory


def lstm(inputs, reads, state, kernel, recurrent_kernel, bias):
    """One step of an LSTM; gates in the order input, candidate, forget, output. Returns output and cell."""
    units = bias.shape[0] // 4
    fed_back = np.concatenate([reads, state[0]], axis=-1)
    z = inputs @ kernel + fed_back @ recurrent_kernel + bias
    i, j, f, o = (z[:, k * units : (k + 1) * units] for k in range(4))
    cell = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(j)
    return sigmoid(o) * np.tanh(cell), cell


def step(cell, inputs, state):
    """One step of an NTMCell with an LSTM controller.

    `state` is a list as from `NTMState.flat`. Returns the output and the next state, a list of the same kind.
    """
    memory, read_weightings, write_weightings, read_vectors, hidden, cell_state = state
    weights = [np.asarray(w) for w in (cell.controller.kernel, cell.controller.recurrent_kernel, cell.controller.bias)]
    hidden, cell_state = lstm(inputs, read_vectors.reshape(len(inputs), -1), (hidden, cell_state), *weights)
    values = hidden @ np.asarray(cell.heads.kernel) + np.asarray(cell.heads.bias)
    read_heads, write_heads, width = read_vectors.shape[1], write_weightings.shape[1], memory.shape[2]
    heads = read_heads + write_heads
    offsets = (values.shape[1] - heads * (width + 3) - 2 * write_heads * width) // heads
    position = 0

    def take(*shape):
        nonlocal position
        size = int(np.prod(shape))
        position += size
        return values[:, position - size : position].reshape(-1, *shape)

    keys = np.tanh(take(heads, width))
    strengths = 1 + softplus(take(heads))
    gates = sigmoid(take(heads))
    shifts = np.apply_along_axis(softmax, -1, take(heads, offsets))
    sharpness = 1 + softplus(take(heads))
    erase_vectors = sigmoid(take(write_heads, width))
    add_vectors = np.tanh(take(write_heads, width))
    parameters = (keys, strengths, gates, shifts, sharpness)
    write_weightings = address(memory, write_weightings, *(p[:, read_heads:] for p in parameters))
    memory = write(memory, write_weightings, erase_vectors, add_vectors)
    read_weightings = address(memory, read_weightings, *(p[:, :read_heads] for p in parameters))
    read_vectors = read(memory, read_weightings)
    output = np.concatenate([hidden, read_vectors.reshape(len(inputs), -1)], axis=-1)
    return output, [memory, read_weightings, write_weightings, read_vectors, hidden, cell_state]
