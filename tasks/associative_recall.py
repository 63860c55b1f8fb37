"""The associative recall task, section 4.3 of Graves et al. (2014)."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tasks.task import Batch, Task, at_steps, channels, place, random_integers, random_vectors, split_seed

BITS, VECTORS = 6, 3  # of an item


@dataclasses.dataclass(frozen=True)
class AssociativeRecall(Task):
    """Items, one of them again: say which came after it.

    An item is three 6-bit vectors. With items a, b and c and the query b, time runs to the right:

        item flag    1 .. .. .. 1 .. .. .. 1 .. .. .. . .. .. .. . .. .. ..
        query flag   . .. .. .. . .. .. .. . .. .. .. 1 .. .. .. 1 .. .. ..
        bits         . a1 a2 a3 . b1 b2 b3 . c1 c2 c3 . b1 b2 b3 . .. .. ..
        target       . .. .. .. . .. .. .. . .. .. .. . .. .. .. . c1 c2 c3
        mask         . .. .. .. . .. .. .. . .. .. .. . .. .. .. . 1  1  1

    Every item but the last is as likely to be asked for.

    Args:
        min_items, max_items: bounds of the number of items, at least 2, drawn evenly.
    """

    min_items: int = 2
    max_items: int = 6

    name: ClassVar[str] = "associative-recall"
    sizes: ClassVar[tuple[str, ...]] = ("items",)
    smallest: ClassVar[int] = 2
    input_size: ClassVar[int] = BITS + 2
    output_size: ClassVar[int] = BITS
    report_sizes: ClassVar[tuple] = ((2,), (6,), (8,), (10,), (12,), (16,), (20,))

    def steps(self, items):
        return (VECTORS + 1) * (items + 2)

    def sequences(self, seed, batch_size, size, room):
        (items,), (most,) = size, room
        vectors_seed, query_seed = split_seed(seed, 2)
        vectors = random_vectors(vectors_seed, batch_size, items * VECTORS, most * VECTORS, BITS)
        item = tf.reshape(vectors, [batch_size, most, VECTORS, BITS])
        query = random_integers([batch_size], query_seed, 0, items - 2)
        asked, wanted = (tf.gather(item, index, axis=1, batch_dims=1) for index in (query, query + 1))

        steps, total = self.steps(items), self.steps(most)
        times = tf.range(total)
        flagged, asking_at = times % (VECTORS + 1) == 0, (VECTORS + 1) * items
        answer_at = asking_at + VECTORS + 2
        answering = (times >= answer_at) & (times < steps)
        # Each item after a step for its flag; the query, where the items end.
        items_in_place = tf.reshape(tf.pad(item, [[0, 0], [0, 0], [1, 0], [0, 0]]), [batch_size, -1, BITS])
        inputs = channels(
            at_steps(flagged & (times < asking_at), batch_size),
            at_steps(flagged & (times >= asking_at) & (times < steps), batch_size),
            place(items_in_place, 0, total) + _shown_from(asked, asking_at + 1, times),
        )
        mask = at_steps(answering, batch_size)
        return Batch(inputs, _shown_from(wanted, answer_at, times), mask, steps, answer_at)


def _shown_from(item, start, times):
    """An item [B, 3, 6] in [B, T, 6], from the step `start` on."""
    when = tf.cast(times[:, tf.newaxis] == start + tf.range(VECTORS), tf.float32)  # [T, 3]
    return tf.einsum("tk,bkc->btc", when, item)
