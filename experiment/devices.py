"""The devices that a process uses: its CPU, its GPUs, or several logical CPU devices."""

import contextlib
import os

import tensorflow as tf

DEVICES = ("auto", "cpu", "gpu")
GPU_WORK = 2048  # a GPU is faster if batch size times memory locations is at least this, see docs/scale.md
LARGE_BATCH = 32  # the least batch size for which several threads are faster than one, see docs/performance.md


def has_gpu() -> bool:
    """Whether TensorFlow finds a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def faster_device(batch_size: int, memory_locations: int) -> str:
    """The device for `--device=auto` on a machine with a GPU: "cpu" or "gpu".

    A model without a memory has 0 locations. It uses the CPU, because it was not measured on a GPU.
    """
    return "gpu" if batch_size * memory_locations >= GPU_WORK else "cpu"


def choose_threads(batch_size: int):
    """Chooses how many threads compute one operation. To be called before TensorFlow runs its first operation.

    An update of a small batch has many small matrix products. Dividing a small product over several threads takes
    longer than computing it in one thread. TF_NUM_INTRAOP_THREADS, TensorFlow's own setting, has priority. Once
    TensorFlow has run an operation, the number of threads is fixed, and this function has no effect.
    """
    if batch_size < LARGE_BATCH and not os.environ.get("TF_NUM_INTRAOP_THREADS"):
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)


def choose_devices(device: str, mirrored: bool = False, number: int | None = None) -> list:
    """Chooses the devices of this process. To be called before TensorFlow runs its first operation.

    Products on a GPU are computed in float32, not in TensorFloat-32. With TensorFloat-32 the losses of the first 100
    updates differ from the CPU's by up to 4 %.

    Args:
        device: one of DEVICES. "auto" means all GPUs if `mirrored` is true and `number` is None; otherwise it means the
            CPU.
        mirrored: whether the batches are divided over several devices of this process.
        number: the number of logical CPU devices to make; None for one. Needs `mirrored`.

    Returns:
        The names of the devices, such as "GPU:0".

    Raises:
        ValueError: the devices cannot be chosen; the message names the option.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if number is not None and not mirrored:
        raise ValueError(f"devices={number} needs --distribute=mirrored")
    if number is not None and device == "gpu":
        raise ValueError(f"devices={number} makes logical CPU devices, and contradicts --device=gpu")
    if device == "gpu" and not gpus:
        raise ValueError("device=gpu: TensorFlow finds no GPU")
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if device == "gpu" or (device == "auto" and mirrored and number is None and gpus):
        return [f"GPU:{i}" for i in range(len(gpus))]
    if mirrored and number is None:
        raise ValueError("distribute=mirrored needs a GPU, or --devices=N for N logical CPU devices")
    try:
        if gpus:
            tf.config.set_visible_devices([], "GPU")
        if number is not None:
            _divide_cpu(number)
    except RuntimeError:
        raise ValueError(
            "the devices cannot be chosen, because TensorFlow has already run an operation: does the file of --task "
            "make tensors when it is imported?"
        ) from None
    return [f"CPU:{i}" for i in range(number or 1)]


def _divide_cpu(number):
    """Makes logical devices of the CPU."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or []) != number:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * number)
