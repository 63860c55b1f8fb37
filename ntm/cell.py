"""The NTM's cell: one time step, top to bottom, as a Keras RNN cell."""

from typing import NamedTuple

import keras
import tensorflow as tf

from ntm import addressing
from ntm import memory as memory_ops
from ntm.controller import CONTROLLERS, LSTMController
from ntm.heads import HeadParameters, Heads


class NTMState(NamedTuple):
    """Everything that a step hands to the next."""

    memory: tf.Tensor  # [B, N, W], M
    read_weightings: tf.Tensor  # [B, R, N], w of the read heads
    write_weightings: tf.Tensor  # [B, Q, N], w of the write heads
    read_vectors: tf.Tensor  # [B, R, W], r
    controller: tuple = ()  # of [B, U]: (output, cell) of an LSTM, empty for a feedforward controller

    @classmethod
    def from_flat(cls, tensors):
        """The state whose tensors, in order and with the controller's last, are `tensors`."""
        return cls(*tensors[:4], tuple(tensors[4:]))

    def flat(self):
        """The inverse of `from_flat`: a list of tensors, as Keras wants an RNN cell's states."""
        return [*self[:4], *self.controller]

    def inside(self):
        """The state as steps hold it: its memory a TransposedMemory."""
        return self._replace(memory=TransposedMemory.of(tf.linalg.matrix_transpose(self.memory)))

    def outside(self):
        """The inverse of `inside`."""
        return self._replace(memory=tf.linalg.matrix_transpose(self.memory.cells))


class TransposedMemory(NamedTuple):
    """The memory inside (see memory.py), with what the next addressing needs of it."""

    cells: tf.Tensor  # [B, W, N]
    inverse_norms: tf.Tensor  # [B, 1, N], of the locations

    @classmethod
    def of(cls, cells):
        return cls(cells, addressing.inverse_norms(cells))


class StepWeights(NamedTuple):
    """The weights that every step uses, as tensors."""

    controller_kernel: tf.Tensor  # [I + R*W (+ U), gates * U]
    controller_bias: tf.Tensor  # [gates * U]
    heads_kernel: tf.Tensor  # [U, P], P the heads' parameters
    heads_bias: tf.Tensor  # [P]


class StepResult(NamedTuple):
    """What one step computes on its way from state to state."""

    preactivations: tf.Tensor  # [B, gates * U], of the controller
    controller_output: tf.Tensor  # [B, U]
    head_values: tf.Tensor  # [B, P], the heads' parameters before their activations
    write_similarities: tf.Tensor  # [B, Q, N]
    read_similarities: tf.Tensor  # [B, R, N]
    state: NTMState


class ActSlopes(NamedTuple):
    """What `NTMCell.act_gradient` needs beside the memory, all of it known before any gradient is."""

    read_weightings: tf.Tensor  # [B, R, N]
    write_weightings: tf.Tensor  # [B, Q, N]
    erase_vectors: tf.Tensor  # [B, Q, W]
    add_vectors: tf.Tensor  # [B, Q, W]
    writing: addressing.AddressingSlopes
    reading: addressing.AddressingSlopes


@keras.saving.register_keras_serializable(package="ntm")
class NTMCell(keras.layers.Layer):
    """One step of a Neural Turing Machine: usable as it is in `keras.layers.RNN`.

    The write heads act first, all on the memory of the step before; the read heads then act on what was just written.

    Keras's RNN knows states of one axis best: with `return_state=True` in a functional model it takes the shape of the
    memory for two states, and `reset_state()` of a stateful one writes zeros, not the initial state.

    Args:
        controller: "lstm" or "feedforward".
        controller_units: U, the width of the controller's output.
        memory_locations: N.
        memory_width: W.
        read_heads: R.
        write_heads: Q.
        shift_range: S; a head may shift by -S to +S locations a step, so 2S+1 <= N.
        output_reads: whether the cell's output is the controller's output and the vectors read, or the former alone.
        heads_bias: whether the heads' layer has a bias.
        bounded_vectors: whether keys and add vectors pass through tanh; linear otherwise.
        smallest_strength: added to softplus to give a head's strength.
        forget_bias: initial bias of the LSTM's forget gate.
        recurrent_std, heads_std: standard deviations of the initial weights of the recurrent and of the heads' layer.
        read_strength_bias, read_gate_bias, write_gate_bias, write_sharpness_bias: initial biases of the read heads'
            strengths, and so on. By default a read head at first goes by content, a write head by location.
        read_shift_bias, write_shift_bias: initial biases of the heads' shift by +1, those of the other offsets being 0:
            with 4 and a shift range of 1, 0.96 of the weight goes forward from the start. At 0 training has to find a
            direction. Of no effect where shift_range is 0.
        initial_state: "learned": memory, weightings and the rest are trained; the locations of the memory all start
            with the same content, so that a sequence may begin anywhere and go on where none went in training.
            "random": as the reference draws them anew for each sequence (see `get_initial_state`).
        memory_std: standard deviation of the first values of a learned memory's one row.
        write_peak: by how much the logit of location 0 exceeds the others in a learned write weighting, at first; a
            learned read weighting is uniform at first.
        gradient_clip: at every step of the backward pass, the gradients of the controller's pre-activations and of the
            heads' parameters before their activations are clipped, element by element, to +-gradient_clip, so that
            what many steps multiply stays small (Graves 2013, "Generating sequences with recurrent neural networks",
            section 2.1, does so with an LSTM's); 0: not. What it clips depends on the loss's scale.

    Raises:
        ValueError: an argument is out of range; the message names it and its value.
    """

    def __init__(
        self,
        controller="lstm",
        controller_units=100,
        memory_locations=128,
        memory_width=20,
        read_heads=1,
        write_heads=1,
        shift_range=1,
        output_reads=True,
        heads_bias=True,
        bounded_vectors=True,
        smallest_strength=1.0,
        forget_bias=0.0,
        recurrent_std=0.1,
        heads_std=0.1,
        read_strength_bias=2.0,
        read_gate_bias=2.0,
        write_gate_bias=-4.0,
        write_sharpness_bias=2.0,
        read_shift_bias=0.0,
        write_shift_bias=0.0,
        initial_state="learned",
        memory_std=1.0,
        write_peak=6.0,
        gradient_clip=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        # The cell's options and the heads' arguments by the same names.
        first_biases = {
            "read_strength_bias": read_strength_bias,
            "read_gate_bias": read_gate_bias,
            "write_gate_bias": write_gate_bias,
            "write_sharpness_bias": write_sharpness_bias,
            "read_shift_bias": read_shift_bias,
            "write_shift_bias": write_shift_bias,
        }
        self.options = {
            "controller": controller,
            "controller_units": controller_units,
            "memory_locations": memory_locations,
            "memory_width": memory_width,
            "read_heads": read_heads,
            "write_heads": write_heads,
            "shift_range": shift_range,
            "output_reads": output_reads,
            "heads_bias": heads_bias,
            "bounded_vectors": bounded_vectors,
            "smallest_strength": smallest_strength,
            "forget_bias": forget_bias,
            "recurrent_std": recurrent_std,
            "heads_std": heads_std,
            **first_biases,
            "initial_state": initial_state,
            "memory_std": memory_std,
            "write_peak": write_peak,
            "gradient_clip": gradient_clip,
        }
        for name in ("controller_units", "memory_locations", "memory_width", "read_heads", "write_heads"):
            if self.options[name] < 1:
                raise ValueError(f"{name}={self.options[name]} must be at least 1")
        if controller not in CONTROLLERS:
            raise ValueError(f"controller={controller!r} must be one of {', '.join(CONTROLLERS)}")
        if initial_state not in ("learned", "random"):
            raise ValueError(f"initial_state={initial_state!r} must be 'learned' or 'random'")
        if shift_range < 0:
            raise ValueError(f"shift_range={shift_range} must not be negative")
        if 2 * shift_range + 1 > memory_locations:
            raise ValueError(
                f"shift_range={shift_range} means {2 * shift_range + 1} shifts, more than "
                f"memory_locations={memory_locations} has locations"
            )
        if not gradient_clip >= 0:
            raise ValueError(f"gradient_clip={gradient_clip} must be at least 0")
        self.controller_units = controller_units
        self.memory_locations, self.memory_width = memory_locations, memory_width
        self.read_heads, self.write_heads = read_heads, write_heads
        self.output_reads, self.learned_state = output_reads, initial_state == "learned"
        self.gradient_clip = gradient_clip
        controller_options = {"forget_bias": forget_bias} if CONTROLLERS[controller] is LSTMController else {}
        self.controller = CONTROLLERS[controller](
            controller_units,
            recurrent_std=recurrent_std,
            dtype=self.dtype_policy,
            name="controller",
            **controller_options,
        )
        self.heads = Heads(
            memory_width,
            read_heads,
            write_heads,
            shift_range,
            bounded_vectors=bounded_vectors,
            smallest_strength=smallest_strength,
            use_bias=heads_bias,
            kernel_std=heads_std,
            **first_biases,
            dtype=self.dtype_policy,
            name="heads",
        )
        self._state_shapes = NTMState(
            memory=(memory_locations, memory_width),
            read_weightings=(read_heads, memory_locations),
            write_weightings=(write_heads, memory_locations),
            read_vectors=(read_heads, memory_width),
            controller=tuple((size,) for size in self.controller.state_sizes),
        )
        self.state_size = self._state_shapes.flat()
        self.output_size = controller_units + (read_heads * memory_width if output_reads else 0)
        self._seeds = keras.random.SeedGenerator()

    def get_config(self):
        return {**super().get_config(), **self.options}

    def build(self, input_shape):
        self.controller.build(input_shape[-1], self.read_heads * self.memory_width)
        self.heads.build((None, self.controller_units))
        if self.learned_state:
            # Weightings are kept as logits, so that training cannot push them off the simplex.
            names = [*NTMState._fields[:4], *(f"controller_{i}" for i in range(len(self._state_shapes.controller)))]
            shapes = [(1, self.memory_width), *self._state_shapes.flat()[1:]]
            initializers = {
                "memory": keras.initializers.RandomNormal(stddev=self.options["memory_std"]),
                "write_weightings": self._peaked,
            }
            self._initial = [
                self.add_weight(name=f"initial_{name}", shape=shape, initializer=initializers.get(name, "zeros"))
                for name, shape in zip(names, shapes)
            ]

    def _peaked(self, shape, dtype=None):
        return self.options["write_peak"] * tf.one_hot(tf.zeros(shape[0], tf.int32), shape[1], dtype=dtype)

    def get_initial_state(self, batch_size, seed=None):
        """The state before the first step, as a flat list of tensors (see `NTMState.from_flat`).

        Args:
            batch_size: B.
            seed: a pair of integers that settles a random initial state; without it every call draws anew. A learned
                one does not use it.
        """
        if self.learned_state:
            initial = NTMState.from_flat([tf.convert_to_tensor(weight) for weight in self._initial])
            initial = initial._replace(
                memory=tf.broadcast_to(initial.memory, self._state_shapes.memory),
                read_weightings=tf.nn.softmax(initial.read_weightings),
                write_weightings=tf.nn.softmax(initial.write_weightings),
            )
            return [tf.repeat(tensor[tf.newaxis], batch_size, axis=0) for tensor in initial.flat()]
        dtype = self.compute_dtype
        seeds = tf.random.split(self._seeds.next() if seed is None else seed, 2)
        memory, read_weightings, write_weightings, read_vectors, *controller = (
            tf.concat([[batch_size], shape], 0) for shape in self._state_shapes.flat()
        )
        # The reference's: neither weighting sums to 1 before the first step.
        return [
            tf.random.stateless_truncated_normal(memory, seeds[0], mean=0.5, stddev=0.2, dtype=dtype),
            tf.random.stateless_truncated_normal(read_weightings, seeds[1], mean=0.4, stddev=0.1, dtype=dtype),
            tf.fill(write_weightings, tf.constant(1e-6, dtype)),
            tf.fill(read_vectors, tf.constant(1e-6, dtype)),
            *(tf.zeros(shape, dtype) for shape in controller),
        ]

    def step_weights(self):
        """The `StepWeights` of this cell."""
        heads = map(tf.convert_to_tensor, (self.heads.kernel, self.heads.bias))
        return StepWeights(*self.controller.weights_of_row(), *heads)

    def step(self, inputs, state, weights):
        """One time step.

        Args:
            inputs: [B, I].
            state: NTMState, inside.
            weights: StepWeights.

        Returns:
            StepResult.
        """
        row = self.controller.row(inputs, flatten_vectors(state.read_vectors), state.controller)
        preactivations = self._clipping(tf.matmul(row, weights.controller_kernel) + weights.controller_bias)
        controller_output, controller_state = self.controller.activate(preactivations, state.controller)
        head_values = self._clipping(tf.matmul(controller_output, weights.heads_kernel) + weights.heads_bias)
        acted, *similarities = self.act(self.heads.activate(head_values), state)
        state = acted._replace(controller=controller_state)
        return StepResult(preactivations, controller_output, head_values, *similarities, state)

    def clipped(self, gradient):
        """What `gradient_clip` makes of the gradient of pre-activations or of the heads' values."""
        return tf.clip_by_value(gradient, -self.gradient_clip, self.gradient_clip) if self.gradient_clip else gradient

    def _clipping(self, values):
        """The values themselves; a gradient that automatic differentiation brings to them is `clipped`."""
        return tf.custom_gradient(lambda values: (values, self.clipped))(values) if self.gradient_clip else values

    def act(self, parameters, state):
        """The heads' part of a step: address, write, address, read.

        Args:
            parameters: HeadParameters.
            state: NTMState, inside.

        Returns:
            `state` with all but its controller renewed, and the similarities that the write heads found in the memory
            as it was and the read heads in what was written.
        """
        read_keys, *for_reading = self._of_read_heads(parameters)
        write_keys, *for_writing = self._of_write_heads(parameters)
        write_similarities = addressing.cosine_similarities(*state.memory, write_keys)
        write_weightings = addressing.address_in_stages(
            write_similarities, state.write_weightings, *for_writing
        ).weightings
        memory = TransposedMemory.of(
            memory_ops.write_transposed(
                state.memory.cells, write_weightings, parameters.erase_vectors, parameters.add_vectors
            )
        )
        read_similarities = addressing.cosine_similarities(*memory, read_keys)
        read_weightings = addressing.address_in_stages(
            read_similarities, state.read_weightings, *for_reading
        ).weightings
        read_vectors = memory_ops.read_transposed(memory.cells, read_weightings)
        acted = NTMState(memory, read_weightings, write_weightings, read_vectors, state.controller)
        return acted, write_similarities, read_similarities

    def addressing_stages(self, parameters, write_similarities, read_similarities, before):
        """The AddressingStages [B, H, N] of all heads where `act` was given these parameters and the state `before`."""
        reading = addressing.address_in_stages(
            read_similarities, before.read_weightings, *self._of_read_heads(parameters)[1:]
        )
        writing = addressing.address_in_stages(
            write_similarities, before.write_weightings, *self._of_write_heads(parameters)[1:]
        )
        return addressing.AddressingStages(*(tf.concat(heads, axis=1) for heads in zip(reading, writing)))

    def act_slopes(self, parameters, write_similarities, read_similarities, before, after):
        """The ActSlopes where `act` was given these parameters and the state `before`, and gave the rest.

        Any number of steps may stand side by side in the batch. Of the states' memories the norms alone are looked at.
        """
        return ActSlopes(
            read_weightings=after.read_weightings,
            write_weightings=after.write_weightings,
            erase_vectors=parameters.erase_vectors,
            add_vectors=parameters.add_vectors,
            writing=addressing.address_slopes(
                before.memory.inverse_norms,
                write_similarities,
                before.write_weightings,
                after.write_weightings,
                *self._of_write_heads(parameters),
            ),
            reading=addressing.address_slopes(
                after.memory.inverse_norms,
                read_similarities,
                before.read_weightings,
                after.read_weightings,
                *self._of_read_heads(parameters),
            ),
        )

    def act_gradient(self, slopes, cells, written_cells, d_after):
        """The gradients of `act`'s arguments, given that of its resulting state.

        Args:
            slopes: ActSlopes.
            cells, written_cells: [B, W, N], the transposed memory before and after.
            d_after: NTMState of gradients, its memory that of the cells; its controller is not looked at.

        Returns:
            The gradient of the parameters, HeadParameters, and those of cells, read and write weightings.
        """
        d_read, d_weightings = memory_ops.read_gradient(written_cells, slopes.read_weightings, d_after.read_vectors)
        d_matched, d_read_weightings, *d_for_reading = addressing.address_gradient(
            slopes.reading, written_cells, d_after.read_weightings + d_weightings
        )
        d_cells, d_weightings, d_erase_vectors, d_add_vectors = memory_ops.write_gradient(
            cells,
            slopes.write_weightings,
            slopes.erase_vectors,
            slopes.add_vectors,
            d_after.memory + d_read + d_matched,
        )
        d_matched, d_write_weightings, *d_for_writing = addressing.address_gradient(
            slopes.writing, cells, d_after.write_weightings + d_weightings
        )
        d_parameters = HeadParameters(
            *(tf.concat(gradients, axis=1) for gradients in zip(d_for_reading, d_for_writing)),
            d_erase_vectors,
            d_add_vectors,
        )
        return d_parameters, d_cells + d_matched, d_read_weightings, d_write_weightings

    def _of_read_heads(self, parameters):
        """What the addressing of the read heads needs of HeadParameters [B, H, ...]."""
        return [values[:, : self.read_heads] for values in parameters[:5]]

    def _of_write_heads(self, parameters):
        return [values[:, self.read_heads :] for values in parameters[:5]]

    def output(self, controller_output, read_vectors):
        """The cell's output: [..., U] and [..., R, W] -> [..., output_size]."""
        if not self.output_reads:
            return controller_output
        return tf.concat([controller_output, flatten_vectors(read_vectors)], axis=-1)

    def call(self, inputs, states):
        """Keras RNN's step: inputs [B, I] and a flat list of states -> output [B, output_size] and the next states."""
        result = self.step(inputs, NTMState.from_flat(states).inside(), self.step_weights())
        return self.output(result.controller_output, result.state.read_vectors), result.state.outside().flat()


def flatten_vectors(vectors):
    """[..., R, W] -> [..., R*W]."""
    shape = tf.concat([tf.shape(vectors)[:-2], [vectors.shape[-2] * vectors.shape[-1]]], 0)
    return tf.reshape(vectors, shape)
