"""The devices that a process uses: its CPU, its GPUs, or several logical CPU devices."""

import tensorflow as tf

DEVICES = ("auto", "cpu", "gpu")


def choose_devices(device: str, mirrored: bool = False, number: int | None = None) -> list:
    """Chooses the devices of this process. To be called before TensorFlow runs its first operation.

    "auto" is the CPU. Nothing has been measured on a GPU, see docs/scale.md. With `mirrored`, "auto" is all GPUs.

    Args:
        device: one of DEVICES.
        mirrored: whether the batches are divided over several devices of this process.
        number: the number of logical CPU devices to make; None for one. Needs `mirrored`.

    Returns:
        The names of the devices, such as "GPU:0".

    Raises:
        ValueError: there is no such device; the message names the option.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if number is not None and not mirrored:
        raise ValueError(f"devices={number} needs --distribute=mirrored")
    if number is not None and device == "gpu":
        raise ValueError(f"devices={number} makes logical CPU devices, and contradicts --device=gpu")
    if device == "gpu" and not gpus:
        raise ValueError("device=gpu: TensorFlow finds no GPU")
    if device == "gpu" or (device == "auto" and mirrored and number is None and gpus):
        return [f"GPU:{i}" for i in range(len(gpus))]
    if mirrored and number is None:
        raise ValueError("distribute=mirrored needs a GPU, or --devices=N for N logical CPU devices")
    if gpus:
        tf.config.set_visible_devices([], "GPU")
    if number is not None:
        _divide_cpu(number)
    return [f"CPU:{i}" for i in range(number or 1)]


def _divide_cpu(number):
    """Makes logical devices of the CPU."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or []) != number:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * number)
