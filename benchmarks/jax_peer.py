"""The peer of `NTM` in JAX, written as a JAX user would write it: the same machine with a simpler update.

It has an LSTM controller, one read head, one write head and a linear output layer. All sizes follow from the weights.
U controller units, N memory locations, W memory width, T steps, B batch, O outputs.

The peer's updates do less than the Trainer's: no noise on the weights, no weight decay, a constant learning rate, and
gradient clipping at a fixed norm only.

`python -m benchmarks.jax_peer FILE` is a worker of benchmarks/jax_speed.py. Its process imports no TensorFlow.
"""

import functools
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

os.environ["JAX_PLATFORMS"] = "cpu"  # the comparison is on CPU cores; on a GPU, products are less precise

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from benchmarks.turns import serve

BITS = 8
OPTIMIZER = optax.chain(
    optax.clip_by_global_norm(10.0),
    optax.rmsprop(1e-3, decay=0.95, eps=1e-4, centered=True, momentum=0.9),
)


class State(NamedTuple):
    """What a sequence carries from step to step."""

    memory: jax.Array  # [W, N]; at batch 16 faster than [N, W]
    read_weighting: jax.Array  # [N]
    write_weighting: jax.Array  # [N]
    read_vector: jax.Array  # [W]
    output: jax.Array  # [U], the controller's
    cell: jax.Array  # [U], the controller's


def address(memory, previous, parameters):
    """Finds a head's weighting [N]: equations (5) to (9) of Graves et al. (2014).

    First applies the activation functions to the head's parameters.

    Args:
        memory: [W, N].
        previous: the head's weighting of the previous step, [N].
        parameters: key [W], strength [1], gate [1], shift [2S+1] and sharpness [1].
    """
    key, strength, gate, shift, sharpness = parameters
    key = jnp.tanh(key)
    norms = jax.lax.rsqrt(jnp.maximum(jnp.sum(memory**2, axis=0), 1e-12))
    similarity = key @ memory * norms * jax.lax.rsqrt(jnp.maximum(key @ key, 1e-12))
    content = jax.nn.softmax((1 + jax.nn.softplus(strength)) * similarity)
    gate = jax.nn.sigmoid(gate)
    gated = gate * content + (1 - gate) * previous
    shares = jax.nn.softmax(shift)
    shifted = sum(shares[k] * jnp.roll(gated, k - len(shift) // 2) for k in range(len(shift)))
    logarithms = jnp.log(jnp.maximum(shifted, jnp.finfo(shifted.dtype).tiny))
    return jax.nn.softmax((1 + jax.nn.softplus(sharpness)) * logarithms)


def step(weights, state, inputs):
    """One time step of one sequence. Returns the next State and the input of the output layer, [U + W]."""
    W = state.memory.shape[0]
    fed_back = jnp.concatenate([state.read_vector, state.output]) @ weights["controller/recurrent_kernel"]
    gates = inputs @ weights["controller/kernel"] + fed_back + weights["controller/bias"]
    input_gate, candidate, forget_gate, output_gate = jnp.split(gates, 4)
    cell = jax.nn.sigmoid(forget_gate) * state.cell + jax.nn.sigmoid(input_gate) * jnp.tanh(candidate)
    output = jax.nn.sigmoid(output_gate) * jnp.tanh(cell)

    values = output @ weights["heads/kernel"] + weights["heads/bias"]
    shifts_size = len(values) - 4 * W - 6
    *addressing, erase_vector, add_vector = jnp.split(values, np.cumsum([2 * W, 2, 2, shifts_size, 2, W]))
    keys, strengths, gates, shifts, sharpness = (jnp.split(part, 2) for part in addressing)
    read, write = zip(keys, strengths, gates, shifts, sharpness)

    write_weighting = address(state.memory, state.write_weighting, write)
    kept = 1 - jnp.outer(jax.nn.sigmoid(erase_vector), write_weighting)
    memory = state.memory * kept + jnp.outer(jnp.tanh(add_vector), write_weighting)
    read_weighting = address(memory, state.read_weighting, read)
    read_vector = memory @ read_weighting
    state = State(
        memory=memory,
        read_weighting=read_weighting,
        write_weighting=write_weighting,
        read_vector=read_vector,
        output=output,
        cell=cell,
    )
    return state, jnp.concatenate([output, read_vector])


def initial_state(weights):
    """The learned State before the first step."""
    row, read_logits, write_logits = (
        weights[f"initial_{name}"][0] for name in ("memory", "read_weightings", "write_weightings")
    )
    return State(
        memory=jnp.broadcast_to(row[:, jnp.newaxis], (len(row), len(read_logits))),
        read_weighting=jax.nn.softmax(read_logits),
        write_weighting=jax.nn.softmax(write_logits),
        read_vector=weights["initial_read_vectors"][0],
        output=weights["initial_controller_0"],
        cell=weights["initial_controller_1"],
    )


def logits_of(weights, inputs, remat: bool):
    """Runs a batch of sequences.

    Args:
        weights: a dict of arrays with the names of the weights of an `NTM`.
        inputs: [B, T, I].
        remat: whether the backward pass recomputes each step from the state before it (`jax.checkpoint`).

    Returns:
        Logits [B, T, O].
    """
    one_step = functools.partial(step, weights)
    one_step = jax.checkpoint(one_step) if remat else one_step
    outputs = jax.vmap(lambda sequence: jax.lax.scan(one_step, initial_state(weights), sequence)[1])(inputs)
    return outputs @ weights["output/kernel"] + weights["output/bias"]


def loss_and_logits(weights, batch, remat: bool):
    """The mean over the batch of each sequence's summed cross-entropy, and the logits.

    Args:
        weights, remat: as for `logits_of`.
        batch: inputs [B, T, I], targets [B, T, O] and mask [T].
    """
    inputs, targets, mask = batch
    logits = logits_of(weights, inputs, remat)
    nats = optax.sigmoid_binary_cross_entropy(logits, targets) * mask[:, jnp.newaxis]
    return jnp.sum(nats) / len(inputs), logits


@functools.partial(jax.jit, static_argnames="remat")
def logits_and_gradients(weights, batch, remat: bool):
    """The logits [B, T, O] and the gradients of all weights, a dict. Arguments as for `loss_and_logits`."""
    gradients, logits = jax.grad(loss_and_logits, has_aux=True)(weights, batch, remat)
    return logits, gradients


def copy_batch(key, batch_size: int, length: int, max_length: int):
    """A batch of the copy task, laid out as in tasks/copy_task.py: inputs, targets and mask, see `loss_and_logits`.

    Args:
        key: a key of jax.random.
        batch_size: B.
        length: the number of vectors, an integer or an integer scalar array.
        max_length: the number of vectors that the sequences are padded to.
    """
    times = jnp.arange(2 * max_length + 2)
    vectors = jax.random.bernoulli(key, shape=(batch_size, max_length, BITS)).astype(jnp.float32)
    vectors *= (jnp.arange(max_length) < length)[:, jnp.newaxis]
    flags = jnp.stack([times == 0, times == length + 1], axis=-1).astype(jnp.float32)
    start, end = (jnp.broadcast_to(flag, (batch_size, *flag.shape)) for flag in (flags[:, :1], flags[:, 1:]))
    inputs = jnp.concatenate([start, jnp.pad(vectors, [(0, 0), (1, max_length + 1), (0, 0)]), end], axis=-1)
    mask = (times >= length + 2) & (times < 2 * length + 2)
    targets = vectors[:, jnp.where(mask, times - length - 2, 0)] * mask[:, jnp.newaxis]
    return inputs, targets, mask.astype(jnp.float32)


def make_training(unravel, batch_size: int, lengths: tuple, remat: bool) -> Callable:
    """Makes a compiled function that makes many updates. Each update draws its length uniformly.

    Args:
        unravel: a function from the vector of all weights to a dict, see `logits_of`.
        batch_size: B.
        lengths: the smallest and the largest length.
        remat: as for `logits_of`.

    Returns:
        A function from a tuple (vector, optimizer state, key) and a number of updates to the next tuple.
    """
    min_length, max_length = lengths

    def loss(vector, batch):
        return loss_and_logits(unravel(vector), batch, remat)[0]

    def update(_, carry):
        vector, optimizer_state, key = carry
        key, length_key, bits_key = jax.random.split(key, 3)
        length = jax.random.randint(length_key, (), min_length, max_length + 1)
        gradient = jax.grad(loss)(vector, copy_batch(bits_key, batch_size, length, max_length))
        changes, optimizer_state = OPTIMIZER.update(gradient, optimizer_state)
        return optax.apply_updates(vector, changes), optimizer_state, key

    return jax.jit(lambda carry, number: jax.lax.fori_loop(0, number, update, carry), donate_argnums=0)


def make_job(weights, *, batch_size: int, updates: list, each_length: bool, remat: bool) -> Callable:
    """Makes a function that makes updates.

    Args:
        weights: as for `logits_of`.
        batch_size: B.
        updates: pairs of a length and a number of updates, sorted.
        each_length: whether each length has a program of its own. Otherwise one program draws the lengths uniformly and
            pads the sequences to the longest.
        remat: as for `logits_of`.
    """
    vector, unravel = ravel_pytree(weights)
    carry = vector, OPTIMIZER.init(vector), jax.random.key(0)
    if each_length:
        programs = [(length, length, number) for length, number in updates]
    else:
        programs = [(updates[0][0], updates[-1][0], sum(number for _, number in updates))]
    programs = [(make_training(unravel, batch_size, (low, high), remat), number) for low, high, number in programs]

    def run():
        nonlocal carry
        for training, number in programs:
            carry = training(carry, number)
        jax.block_until_ready(carry)

    return run


def main(path):
    """Serves jobs with the weights of a .npz file."""
    with np.load(path) as file:
        weights = {name: jnp.asarray(file[name]) for name in file.files}
    serve(functools.partial(make_job, weights))


if __name__ == "__main__":
    main(sys.argv[1])
