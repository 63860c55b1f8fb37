"""A figure with sliders for a notebook. Needs the extra `widgets`."""

from ntm.extras import needs_extra

with needs_extra("widgets"):
    import ipywidgets
    from IPython.display import Image, display

    from ntm.plots import to_png


def browse(draw, **ranges):
    """Shows a figure and, above it, a slider for each of the figure's arguments.

    Without a kernel, only the initial figure is shown.

    Args:
        draw: a function from keyword arguments to a matplotlib Figure.
        **ranges: for each argument its smallest, its largest and its initial value.

    Returns:
        The sliders, a dict from the arguments' names.
    """
    sliders = {
        name: ipywidgets.IntSlider(initial, smallest, largest, description=name, continuous_update=False)
        for name, (smallest, largest, initial) in ranges.items()
    }
    picture = ipywidgets.Image(format="png")

    def redraw(_=None):
        picture.value = to_png(draw(**{name: slider.value for name, slider in sliders.items()}))

    redraw()
    for slider in sliders.values():
        slider.observe(redraw, "value")
    # One output in two forms. A notebook viewer shows the richest form that it supports.
    static, _ = Image(picture.value)._repr_mimebundle_()
    box = ipywidgets.VBox([*sliders.values(), picture])
    display({**static, **box._repr_mimebundle_()}, raw=True)
    return sliders
