"""A picture under sliders, for a notebook. Needs ipywidgets, which `import ntm` does not."""

import ipywidgets
from IPython.display import Image, display

from ntm.plots import to_png


def browse(draw, **ranges):
    """Shows a figure under a slider for each of its arguments; where no kernel runs, the first picture alone.

    Args:
        draw: from keyword arguments to a matplotlib Figure.
        **ranges: for each argument its least value, its greatest and the first one.

    Returns:
        The sliders, a dict by the arguments' names.
    """
    sliders = {
        name: ipywidgets.IntSlider(first, least, most, description=name, continuous_update=False)
        for name, (least, most, first) in ranges.items()
    }
    picture = ipywidgets.Image(format="png")

    def redraw(_=None):
        picture.value = to_png(draw(**{name: slider.value for name, slider in sliders.items()}))

    redraw()
    for slider in sliders.values():
        slider.observe(redraw, "value")
    # One output in two forms: a reader shows the best that it can.
    static, _ = Image(picture.value)._repr_mimebundle_()
    box = ipywidgets.VBox([*sliders.values(), picture])
    display({**static, **box._repr_mimebundle_()}, raw=True)
    return sliders
