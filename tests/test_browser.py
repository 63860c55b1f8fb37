"""The machine in the browser computes what TensorFlow computes, and its page and the reports of runs work in Chromium.

Without the package playwright or Chromium, the tests in Chromium are skipped.
"""

import base64
import functools
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.export_browser import NETWORKS, PRETRAINED, exported
from chromium import launched, opened, served
from commands import ROOT
from experiment.config import default_config
from experiment.load import load_run
from tasks import TASKS, PrioritySort

SEQUENCES = 20
LENGTHS = np.linspace(1, 30, SEQUENCES).astype(int).tolist()
SIZES = {
    "copy": [(length,) for length in LENGTHS],
    "repeat-copy": [(length, min(3, max(1, 30 // length))) for length in LENGTHS],
    "associative-recall": [(2 + i % 9,) for i in range(SEQUENCES)],  # 6 to 30 vectors
    "priority-sort": [(length,) for length in LENGTHS],
}
# Returns the machine's outputs and weightings on a list of inputs, in base64.
RUN = """([name, sequences]) => {
    const numbers = sequences.flatMap((inputs) => runMachine(networks[name], inputs).flatMap(
        ({ output, heads }) => [...output, ...heads.flatMap(({ weighting }) => weighting)]));
    const bytes = new Uint8Array(new Float64Array(numbers).buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 9999) text += String.fromCharCode(...bytes.subarray(i, i + 9999));
    return btoa(text);
}"""


@functools.cache
def model_of(name):
    return load_run(PRETRAINED / name).model


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of the page without the rest of the site. Its files have the same paths as on the site."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "browser", site / "browser")
    for name in NETWORKS:
        (site / "pretrained" / name).mkdir(parents=True)
        shutil.copy(PRETRAINED / name / "browser.js", site / "pretrained" / name)
    included = re.sub(
        r'--8<-- "(.*)"', lambda found: (ROOT / found[1]).read_text(), (ROOT / "browser" / "page.html").read_text()
    )
    (site / "browser" / "index.html").write_text(
        f"<!doctype html><meta charset=utf-8><link rel=icon href=data:,>{included}"
    )
    with served(site) as address:
        yield f"{address}/browser/"


@pytest.fixture(scope="module")
def page(browser, address):
    with opened(browser, address) as (page, errors):
        page.get_by_text("0 wrong bits").wait_for()
        yield page
        assert errors == []


@functools.cache
def batches(name):
    """A batch of one sequence for each size."""
    return [task_of(name, size).batch([i, 23], 1, size, size) for i, size in enumerate(SIZES[name])]


def task_of(name, size):
    if name != "priority-sort":
        return TASKS[name]()
    return PrioritySort(min_length=size[0], max_length=30, highest=min(16, size[0]))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_exported_weights_are_those_of_the_keras_file(name):
    assert (PRETRAINED / name / "browser.js").read_text() == exported(name, model_of(name))


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_weightings_equal_tensorflows(page, name):
    inputs = [batch.inputs[0].numpy() for batch in batches(name)]
    page.add_script_tag(url=f"../pretrained/{name}/browser.js")
    found = np.frombuffer(base64.b64decode(page.evaluate(RUN, [name, [one.tolist() for one in inputs]])))
    padded = np.stack([np.pad(one, [(0, max(map(len, inputs)) - len(one)), (0, 0)]) for one in inputs])
    model = model_of(name)
    exact = type(model)(**model.options, dtype="float64")
    exact.build(padded.shape)
    exact.set_weights(model.get_weights())
    logits, trace = exact.trace(padded)
    parts = [tf.sigmoid(logits).numpy(), trace.stages.weightings.numpy().reshape(*padded.shape[:2], -1)]
    expected = np.concatenate(parts, axis=-1)
    expected = np.concatenate([values[: len(one)] for values, one in zip(expected, inputs)])
    found = found.reshape(expected.shape)
    # The largest difference was 1e-13.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)
    # In float32, rounding changes single weightings by up to 2e-4, but hardly the outputs.
    short, steps = 3, 24
    rounded, _ = model.trace(padded[:short, :steps])
    for i, one in enumerate(inputs[:short]):
        start = sum(map(len, inputs[:i]))
        outputs = found[start : start + len(one), : rounded.shape[-1]]
        np.testing.assert_allclose(outputs, tf.sigmoid(rounded[i, : len(one)]), rtol=0, atol=1e-4)


def given(name, size, batch):
    """What the page knows of a sequence: the arguments of `layOut` in browser/sequences.js."""
    inputs = batch.inputs[0].numpy()
    if name == "associative-recall":
        items = inputs[: 4 * size[0]].reshape(size[0], 4, -1)[:, 1:, 2:]
        query = inputs[4 * size[0] + 1 : 4 * size[0] + 4, 2:]
        return {"vectors": items.reshape(-1, 6).tolist(), "query": int(np.argmax((items == query).all(axis=(1, 2))))}
    if name == "priority-sort":
        return {"vectors": inputs[: size[0], :8].tolist(), "priorities": inputs[: size[0], 8].tolist()}
    return {"vectors": inputs[1 : size[0] + 1, 1:9].tolist(), "repeats": int(size[-1])}


@pytest.mark.parametrize("name", NETWORKS)
def test_sequences_equal_those_of_the_task(page, name):
    task = default_config(task=name).to_json()["task"]
    for size, batch in zip(SIZES[name], batches(name)):
        laid_out = page.evaluate("([task, given]) => layOut(task, given)", [task, given(name, size, batch)])
        assert laid_out["answerAt"] == int(batch.answer_at)
        np.testing.assert_allclose(laid_out["inputs"], batch.inputs[0], atol=1e-6)  # float32
        np.testing.assert_array_equal(laid_out["targets"], batch.targets[0])


def now(page):
    return int(page.locator("[data-part=slider]").input_value())


def test_keys_and_slider_move_through_time(page):
    page.locator("body").click(position={"x": 2, "y": 2})
    page.evaluate("document.activeElement.blur()")
    before = now(page)
    assert f"step {before} " in page.locator("[data-part=now]").text_content()
    map_before = page.evaluate("document.querySelector('[data-part=map]').toDataURL()")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert now(page) == before + 1
    assert f"step {before + 1} " in page.locator("[data-part=now]").text_content()
    assert page.evaluate("document.querySelector('[data-part=map]').toDataURL()") != map_before
    page.locator("[data-part=slider]").fill("5")
    assert "step 5 " in page.locator("[data-part=now]").text_content()
    page.locator("[data-part=slider]").focus()
    page.keyboard.press("ArrowRight")
    assert now(page) == 6


def test_values_show_under_the_pointer(page):
    page.locator("[data-part=slider]").fill("3")
    for part in ("sequence", "map", "memory"):
        page.locator(f"[data-part={part}]").hover(position={"x": 120, "y": 40})
        assert re.match(r"(step|location) \d+, ", page.locator(".ntm-tip:visible").text_content())
    page.locator("[data-part=addressing] canvas").first.hover(position={"x": 60, "y": 60})
    assert re.match(r"location \d+: [\d.]+$", page.locator(".ntm-tip:visible").text_content())


def test_run_answers_the_bits_that_were_drawn(page):
    page.locator("[name=size]").fill("3")
    page.keyboard.press("Tab")
    boxes = page.locator("[data-part=bits] input")
    assert boxes.count() == 24
    drawn = not boxes.nth(0).is_checked()
    first, last = boxes.nth(0).bounding_box(), boxes.nth(16).bounding_box()
    page.mouse.move(first["x"] + 4, first["y"] + 4)
    page.mouse.down()
    page.mouse.move(last["x"] + 4, last["y"] + 4, steps=20)
    page.mouse.up()
    assert [boxes.nth(k).is_checked() for k in (0, 8, 16)] == [drawn] * 3
    page.get_by_role("button", name="Run").click()
    page.wait_for_function("document.querySelector('[data-part=slider]').value === '7'")  # the last step
    assert "0 wrong bits" in page.locator("[data-part=errors]").text_content()
    target = page.locator("[data-part=sequence]")
    target.hover(position={"x": target.bounding_box()["width"] - 20, "y": 90})
    assert re.match(r"step 7, target 0: [01]$", page.locator(".ntm-tip:visible").text_content())


def test_a_size_that_changes_while_the_network_loads_does_no_harm(browser, address):
    with opened(browser, address) as (page, errors):
        held = []
        page.route("**/associative-recall/browser.js", lambda route: held.append(route))
        with page.expect_request("**/associative-recall/browser.js"):
            page.locator("[name=task]").select_option("associative-recall")
        page.locator("[name=size]").fill("10")  # the grid follows when the field loses the focus
        held[0].continue_()
        page.wait_for_function("document.querySelector('[data-part=slider]').max === '31'")  # the grid's 6 items
        page.keyboard.press("Tab")
        page.wait_for_function("document.querySelector('[data-part=slider]').max === '47'")
        assert errors == []


def test_every_task_runs_on_a_phone(browser, address):
    steps = {"copy": 62, "repeat-copy": 123, "associative-recall": 48, "priority-sort": 47}
    with opened(browser, address, width=390) as (page, errors):
        for name in NETWORKS:
            page.locator("[name=task]").select_option(name)
            page.locator("[name=size]").fill("10" if name == "associative-recall" else "30")
            page.keyboard.press("Tab")
            page.wait_for_function(f"document.querySelector('[data-part=slider]').max === '{steps[name] - 1}'")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert errors == []
