"""The NTM's cell: one time step, top to bottom, as a Keras RNN cell. Figure 1 of Graves et al. (2014)."""

import math

import keras
import tensorflow as tf

from ntm.addressing import addressing_stages, cosine_similarities, inverse_location_norms
from ntm.controller import CONTROLLERS, LSTMController
from ntm.heads import Heads
from ntm.memory import read_transposed, write_transposed
from ntm.options import InitialValues, check_options, group_initial_values, serializable_options
from ntm.state import LoopState, NTMState, Seed, StepRecord, StepWeights, random_state
from ntm.tensors import flatten_vectors, select


@keras.saving.register_keras_serializable(package="ntm")
class NTMCell(keras.layers.Layer):
    """One step of a Neural Turing Machine, usable as it is in `keras.layers.RNN`.

    The write heads act first, all on the memory that the previous step left. The read heads then act on the memory just
    written.

    Args:
        controller: "lstm" or "feedforward".
        controller_units: U, the width of the controller's output.
        memory_locations: N.
        memory_width: W.
        read_heads: R.
        write_heads: Q.
        shift_range: S. A head may shift by -S to +S locations per step, so 2S+1 <= N.
        output_reads: whether the cell's output holds the read vectors beside the controller's output.
        heads_bias: whether the heads' layer has a bias.
        bounded_vectors: whether keys and add vectors pass through tanh; otherwise they are linear.
        smallest_strength: the lower bound of a head's strength, which is smallest_strength + softplus(value).
        initial_state: "learned" or "random". A learned state is trained. With `InitialValues.location_rows`, each
            location of its memory has its own row. `ntm.state.random_state` draws a random state for each sequence.
        initial_values: InitialValues, or a dict of its fields.
        gradient_clip: a bound on each element of two gradients, at every step of the backward pass: the gradient of the
            controller's pre-activations, and the gradient of the heads' parameters before their activations. 0 means no
            bound. The bound keeps gradients from growing over many steps. A larger loss needs a larger bound. Graves
            (2013, "Generating sequences with recurrent neural networks", section 2.1) bounds the gradients of an LSTM.

    Raises:
        ValueError: an argument is out of range; the message names it and its value.
    """

    def __init__(
        self,
        controller: str = "lstm",
        controller_units: int = 100,
        memory_locations: int = 128,
        memory_width: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        *,
        shift_range: int = 1,
        output_reads: bool = True,
        heads_bias: bool = True,
        bounded_vectors: bool = True,
        smallest_strength: float = 1.0,
        initial_state: str = "learned",
        initial_values: InitialValues | dict | None = None,
        gradient_clip: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
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
            "initial_state": initial_state,
            "initial_values": InitialValues.of(initial_values),
            "gradient_clip": gradient_clip,
        }
        check_options(self.options)
        self.controller_units, self.memory_width, self.gradient_clip = controller_units, memory_width, gradient_clip
        self.read_heads, self.write_heads, self.output_reads = read_heads, write_heads, output_reads
        self._make_layers()
        self.state_shapes = NTMState(
            memory=(memory_locations, memory_width),
            read_weightings=(read_heads, memory_locations),
            write_weightings=(write_heads, memory_locations),
            read_vectors=(read_heads, memory_width),
            controller=tuple((size,) for size in self.controller.state_sizes),
        )
        self.state_size = [*map(math.prod, self.state_shapes.flat()), 1]
        self.output_size = controller_units + (read_heads * memory_width if output_reads else 0)

    def _make_layers(self):
        options, values = self.options, self.options["initial_values"]
        kind = CONTROLLERS[options["controller"]]
        self.controller = kind(
            options["controller_units"],
            recurrent_std=values.recurrent_std,
            dtype=self.dtype_policy,
            name="controller",
            **({"forget_bias": values.forget_bias} if kind is LSTMController else {}),
        )
        self.heads = Heads(
            memory_width=options["memory_width"],
            read_heads=options["read_heads"],
            write_heads=options["write_heads"],
            shift_range=options["shift_range"],
            bounded_vectors=options["bounded_vectors"],
            smallest_strength=options["smallest_strength"],
            use_bias=options["heads_bias"],
            initial_values=values,
            dtype=self.dtype_policy,
            name="heads",
        )
        self._seeds = keras.random.SeedGenerator()

    def get_config(self):
        return {**super().get_config(), **serializable_options(self.options)}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**group_initial_values(config))

    def build(self, input_shape):
        self.controller.build(input_shape[-1], self.read_heads * self.memory_width)
        self.heads.build((None, self.controller_units))
        if self.options["initial_state"] == "learned":
            # Weightings are stored as logits. The weightings then stay positive and sum to 1, whatever training does.
            values = self.options["initial_values"]
            rows = self.options["memory_locations"] if values.location_rows else 1
            shapes = self.state_shapes._replace(memory=(rows, self.memory_width))
            initializers = {
                "memory": keras.initializers.RandomNormal(stddev=values.memory_std),
                "write_weightings": self._peaked,
            }
            self._initial = [
                self.add_weight(name=f"initial_{name}", shape=shape, initializer=initializers.get(name, "zeros"))
                for name, shape in zip(shapes.flat_names(), shapes.flat())
            ]

    def _peaked(self, shape, dtype=None):
        """Logits that favour location 0."""
        write_peak = self.options["initial_values"].write_peak
        return write_peak * tf.one_hot(tf.zeros(shape[0], tf.int32), shape[1], dtype=dtype)

    def initial_state(self, batch_size: int | tf.Tensor, seed: Seed | None = None) -> NTMState:
        """The NTMState before the first step.

        Args:
            batch_size: B.
            seed: a pair of integers that determines a random initial state. With None, every call draws another state.
                A learned initial state ignores the seed.
        """
        if self.options["initial_state"] == "learned":
            return self._learned_state(batch_size)
        seed = self.next_seed() if seed is None else seed
        return random_state(self.state_shapes, batch_size, seed, self.loop_dtype)

    def _learned_state(self, batch_size):
        initial = NTMState.from_flat([self._in_loop_dtype(weight) for weight in self._initial])
        initial = initial._replace(
            memory=tf.broadcast_to(initial.memory, self.state_shapes.memory),
            read_weightings=tf.nn.softmax(initial.read_weightings),
            write_weightings=tf.nn.softmax(initial.write_weightings),
        )
        return tf.nest.map_structure(lambda tensor: tf.repeat(tensor[tf.newaxis], batch_size, axis=0), initial)

    def next_seed(self):
        """A seed that differs at every call, for a random initial state. None if the initial state is learned."""
        return self._seeds.next() if self.options["initial_state"] == "random" else None

    def get_initial_state(self, batch_size: int | tf.Tensor) -> list:
        """The initial state in Keras's form, see `NTMState.to_keras`."""
        return self.initial_state(batch_size).to_keras()

    def from_keras(self, tensors: list, seed: Seed | None = None) -> NTMState:
        """Makes an NTMState of Keras's tensors. Zeros become the initial state. A random one needs a `seed`."""
        *tensors, started = (self._in_loop_dtype(tensor) for tensor in tensors)
        shapes = self.state_shapes.flat()
        state = NTMState.from_flat([tf.reshape(tensor, [-1, *shape]) for tensor, shape in zip(tensors, shapes)])
        if seed is None and self.options["initial_state"] == "random":
            return state  # zeros stay zeros: a Keras RNN calls this inside its loop, where no seed can be drawn
        return select(started[:, 0] > 0, state, self.initial_state(tf.shape(started)[0], seed))

    def step_weights(self):
        """The `StepWeights` of this cell."""
        controller_kernel, controller_bias = self.controller.weights_of_row()
        weights = StepWeights(
            controller_kernel=controller_kernel,
            controller_bias=controller_bias,
            heads_kernel=tf.convert_to_tensor(self.heads.kernel),
            heads_bias=tf.convert_to_tensor(self.heads.bias),
        )
        return tf.nest.map_structure(self._in_loop_dtype, weights)

    @property
    def loop_dtype(self):
        """The type in which the steps run. Half precision is too coarse for addressing and becomes float32."""
        return "float32" if self.compute_dtype in ("float16", "bfloat16") else self.compute_dtype

    def _in_loop_dtype(self, tensor):
        return tf.cast(tensor, self.loop_dtype)

    def step(self, inputs, state, weights):
        """One time step: the controller, then the write heads, then the read heads.

        Args:
            inputs: [B, I].
            state: LoopState.
            weights: StepWeights.

        Returns:
            The next LoopState and the step's StepRecord.
        """
        row = self.controller.row(inputs, flatten_vectors(state.read_vectors), state.controller)
        preactivations = self._with_clipped_gradient(
            tf.matmul(row, weights.controller_kernel) + weights.controller_bias
        )
        controller_output, controller_state = self.controller.activate(preactivations, state.controller)
        head_values = self._with_clipped_gradient(
            tf.matmul(controller_output, weights.heads_kernel) + weights.heads_bias
        )
        parameters = self.heads.activate(head_values)

        writing = self.of_write_heads(parameters.addressing)
        write_similarities = cosine_similarities(state.cells, state.inverse_norms, writing.keys)
        write_weightings = self.address(write_similarities, state.write_weightings, writing).weightings
        cells = write_transposed(state.cells, write_weightings, parameters.erase_vectors, parameters.add_vectors)
        inverse_norms = inverse_location_norms(cells)

        reading = self.of_read_heads(parameters.addressing)
        read_similarities = cosine_similarities(cells, inverse_norms, reading.keys)
        read_weightings = self.address(read_similarities, state.read_weightings, reading).weightings
        next_state = LoopState(
            cells=cells,
            inverse_norms=inverse_norms,
            read_weightings=read_weightings,
            write_weightings=write_weightings,
            read_vectors=read_transposed(cells, read_weightings),
            controller=controller_state,
        )
        return next_state, StepRecord(
            preactivations=preactivations,
            controller_output=controller_output,
            head_values=head_values,
            write_similarities=write_similarities,
            read_similarities=read_similarities,
        )

    def address(self, similarities, previous_weightings, parameters):
        """Equations (5) to (9): `ntm.addressing.addressing_stages`.

        A subclass with other equations cannot use `unroll`.
        """
        return addressing_stages(similarities, previous_weightings, parameters)

    def of_read_heads(self, parameters):
        """The read heads' part of AddressingParameters [B, H, ...]."""
        return tf.nest.map_structure(lambda values: values[:, : self.read_heads], parameters)

    def of_write_heads(self, parameters):
        """The write heads' part of AddressingParameters [B, H, ...]."""
        return tf.nest.map_structure(lambda values: values[:, self.read_heads :], parameters)

    def clip_gradient(self, gradient):
        """Bounds a gradient, element by element, to +-gradient_clip."""
        return tf.clip_by_value(gradient, -self.gradient_clip, self.gradient_clip) if self.gradient_clip else gradient

    def _with_clipped_gradient(self, values):
        """Returns the values unchanged. Automatic differentiation then clips their gradient."""
        if not self.gradient_clip:
            return values
        return tf.custom_gradient(lambda values: (values, self.clip_gradient))(values)

    def cell_outputs(self, controller_output, read_vectors):
        """The cell's output, [..., output_size], from controller outputs [..., U] and read vectors [..., R, W]."""
        if not self.output_reads:
            return controller_output
        return tf.concat([controller_output, flatten_vectors(read_vectors)], axis=-1)

    def call(self, inputs, states):
        """One step of a Keras RNN.

        Args:
            inputs: [B, I].
            states: a state in Keras's form, see `NTMState.to_keras`.

        Returns:
            The output [B, output_size] and the next state in Keras's form.
        """
        state = LoopState.from_state(self.from_keras(states))
        state, record = self.step(self._in_loop_dtype(inputs), state, self.step_weights())
        outputs = self.cell_outputs(record.controller_output, state.read_vectors)
        results = outputs, state.to_state().to_keras()
        return tf.nest.map_structure(lambda tensor: tf.cast(tensor, self.compute_dtype), results)
