"""What exports of a notebook take of its outputs: HTML, an image, or a line."""

import pytest
from kernel import Kernel

pytestmark = pytest.mark.slow
SHOWN = {
    "run": "run",
    "grid": "bw.ClipGrid(run)",
    "table": "bw.ClipTable(run)",
    "viewer": "bw.ClipViewer(run)",
    "clips": "run.clips",
    "clip": "run.clips[0]",
    "box": "ipywidgets.HBox([bw.ClipGrid(run)])",
    "live": "view = bw.live(DrawnModel(), 'a bee'); view._request()\n"
    "while view._last is None or view._last.kind != 'clip': threading.Event().wait(0.05)\nview",
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    started = Kernel(tmp_path_factory.mktemp("exports"))
    started.run(
        "sweep",
        "sweep = bc.sweep('a {insect}', insect=['bee', 'moth'], seed=range(2))\n"
        "run = bc.run(sweep, DrawnModel(), library=library).wait()\nNone",
    )
    yield started
    started.close()


def exported(kernel, form):
    # Their imports take two seconds, which those who leave this test out don't need.
    import nbformat
    from nbconvert import get_exporter

    outputs = [nbformat.v4.new_output("display_data", data=data) for _, data in kernel.outputs["a"]]
    cell = nbformat.v4.new_code_cell("run", outputs=outputs)
    return get_exporter(form)().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))


@pytest.mark.parametrize("name", SHOWN)
def test_latex_and_pdf_have_an_image_and_html_has_the_sheet(kernel, name):
    kernel.run("other", "ipywidgets.Widget.close_all()")
    kernel.outputs.clear()
    kernel.run("a", SHOWN[name])
    text, files = exported(kernel, "latex")
    assert text.count(r"\adjustimage") == 1
    (image,) = [data for path, data in files["outputs"].items() if path.endswith((".jpg", ".jpeg"))]
    assert image[:2] == b"\xff\xd8"
    for form in ("html", "markdown"):
        text, _ = exported(kernel, form)
        assert ".jpg" not in text, "an image besides the sheet"
        assert "data:image/webp" in text or "data:video/mp4" in text
