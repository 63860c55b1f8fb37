"""The associative recall task, section 4.3 of Graves et al. (2014)."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tasks.layout import at_steps, channels, place
from tasks.sampling import Seed, random_integers, random_vectors, split_seed
from tasks.task import Batch, Task, option

BITS, VECTORS = 6, 3  # bits per vector, vectors per item


@dataclasses.dataclass(frozen=True)
class AssociativeRecall(Task):
    """Given a sequence of items and one of them as the query, answer with the item that followed the query.

    An item is three 6-bit vectors. In this example the items are a, b and c, and the query is b. Time
    runs to the right:

        item flag    1 .. .. .. 1 .. .. .. 1 .. .. .. . .. .. .. . .. .. ..
        query flag   . .. .. .. . .. .. .. . .. .. .. 1 .. .. .. 1 .. .. ..
        bits         . a1 a2 a3 . b1 b2 b3 . c1 c2 c3 . b1 b2 b3 . .. .. ..
        target       . .. .. .. . .. .. .. . .. .. .. . .. .. .. . c1 c2 c3
        mask         . .. .. .. . .. .. .. . .. .. .. . .. .. .. . 1  1  1

    The query is drawn uniformly from all items but the last.

    Args:
        min_items, max_items: bounds of the number of items, at least 2. The number is drawn uniformly.
    """

    min_items: int = option(2, "smallest number of items")
    max_items: int = option(6, "largest number of items")

    name: ClassVar[str] = "associative-recall"
    size_names: ClassVar[tuple[str, ...]] = ("items",)
    smallest: ClassVar[int] = 2
    input_size: ClassVar[int] = BITS + 2
    output_size: ClassVar[int] = BITS
    report_sizes: ClassVar[tuple] = ((2,), (6,), (8,), (10,), (12,), (16,), (20,))

    def num_steps(self, items: int | tf.Tensor) -> int | tf.Tensor:
        return (VECTORS + 1) * (items + 2)

    def sequences(self, seed: Seed, batch_size: int, size: tuple, padded_size: tuple) -> Batch:
        (items,), (padded_items,) = size, padded_size
        vectors_seed, query_seed = split_seed(seed, 2)
        vectors = random_vectors(vectors_seed, batch_size, items * VECTORS, padded_items * VECTORS, BITS)
        item = tf.reshape(vectors, [batch_size, padded_items, VECTORS, BITS])
        query = random_integers([batch_size], query_seed, 0, items - 2)
        asked, wanted = (tf.gather(item, index, axis=1, batch_dims=1) for index in (query, query + 1))

        num_steps, padded_steps = self.num_steps(items), self.num_steps(padded_items)
        times = tf.range(padded_steps)
        flagged, query_at = times % (VECTORS + 1) == 0, (VECTORS + 1) * items
        answer_at = query_at + VECTORS + 2
        answering = (times >= answer_at) & (times < num_steps)
        # Each item comes one step after its flag. The query comes one step after the query flag.
        items_in_place = tf.reshape(tf.pad(item, [[0, 0], [0, 0], [1, 0], [0, 0]]), [batch_size, -1, BITS])
        inputs = channels(
            at_steps(flagged & (times < query_at), batch_size),
            at_steps(flagged & (times >= query_at) & (times < num_steps), batch_size),
            place(items_in_place, 0, padded_steps) + _shown_from(asked, query_at + 1, times),
        )
        return Batch(
            inputs=inputs,
            targets=_shown_from(wanted, answer_at, times),
            mask=at_steps(answering, batch_size),
            num_steps=num_steps,
            answer_at=answer_at,
        )


def _shown_from(item, start, times):
    """Places an item [B, 3, 6] at the three steps from `start` on: [B, T, 6]. `times` is [T], the step numbers."""
    when = tf.cast(times[:, tf.newaxis] == start + tf.range(VECTORS), tf.float32)  # [T, 3]
    return tf.einsum("tk,bkc->btc", when, item)
