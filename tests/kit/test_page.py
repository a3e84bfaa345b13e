"""The offline page as a file: what is in it, how large it is, and that it can do no harm."""

import base64
import hashlib
import html
import io
import json
import math
import re

import pytest
from PIL import Image

from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, CheckError
from beecam.media import size_budget
from beecam.sweeps.axes import Axis
from helpers import fill, noisy

HOSTILE = (
    "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \" ' ` & \u2028\u2029"
    "\u202enحلة 🦋 ]]> {{7*7}}"
)


@pytest.fixture
def clips(library):
    return fill(library)


def read(path):
    """The facts, the figures and the policy of a page."""
    page = path.read_text("utf-8")
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', page).group(1))
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page).group(1)
    return page, facts, re.findall(r"<figure.*?</figure>", page), policy


def test_a_page_has_all_that_the_grid_asks_for(clips, tmp_path):
    clips[1].stars, clips[1].tags, clips[2].rejected = 3, ["keep"], True
    path = clips.export_html(tmp_path / "new" / "page.html", title="Bees")
    assert list(path.parent.iterdir()) == [path], "no temporary file is left"
    page, facts, figures, _ = read(path)
    assert "<h1" in page
    assert "Bees</h1>" in page
    assert "6 clips · made by" in page
    assert facts["head"]["axes"][0]["labels"] == ["a bee", "a moth"]
    assert (facts["head"]["live"], facts["head"]["fills"]) == (False, False)
    assert facts["coords"][:4] == [0, 0, 0, 1]
    assert [item["stars"] for item in facts["items"]] == [0, 3, 0, 0, 0, 0]
    assert facts["items"][2]["rejected"]
    assert facts["columns"]["tags"] == [[1, ["keep"]]]
    assert facts["details"][4]["arguments"][0] == ["seed", "1"]
    assert "bc.shot('a moth'" in facts["details"][4]["code"]
    sheet = base64.b64decode(re.search(r'jpeg;base64,(.*?)"', figures[3]).group(1))
    assert sheet == clips[3].sheet_bytes()
    assert facts["items"][3]["sheet"]["width"] == clips[3].facts["sheet"]["width"]
    film = base64.b64decode(re.search(r'mp4;base64,(.*?)"', figures[5]).group(1))
    assert film == clips[5].mp4_bytes()
    assert "★★★" in figures[1]


def test_the_policy_allows_the_page_its_own_script_and_style_and_nothing_else(clips, tmp_path):
    page, _, _, policy = read(clips.export_html(tmp_path / "page.html"))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for kind, found in (
        ("script", re.findall(r"<script>(.*?)</script>", page, re.DOTALL)),
        ("style", re.findall(r"<style>(.*?)</style>", page, re.DOTALL)),
    ):
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == rules["media-src"] == "data: blob:"
    assert page.index("Content-Security-Policy") < page.index("<title>"), "before all else"
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert not re.search(r"""(src|href|url)[=(]["']?(?!data:)\w*:?//""", page)
    assert " style=" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_texts_from_outside_are_text_everywhere(library, tmp_path):
    first = fill(library, [HOSTILE], seeds=2)
    for clip in first:
        clip.tags = [HOSTILE[:90]]
        clip.stars = 1
    shown = ClipSet(
        library,
        first.keys,
        title=HOSTILE,
        axes=[Axis(HOSTILE, (1, 2), labels=(HOSTILE, "b" * 5_000), notes=(HOSTILE, None))],
        coords=[{HOSTILE: 0}, {HOSTILE: 1}],
    )
    page, facts, _, _ = read(shown.export_html(tmp_path / "page.html"))
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    for harmful in ("<img src=x", "<script>alert", "<!--", "\u2028</script", "alert(1)<"):
        assert harmful not in outside, harmful
    assert outside.count("<script") == outside.count("</script") == 1
    assert facts["items"][0]["prompt"] == HOSTILE
    assert facts["head"]["axes"][0]["name"] == HOSTILE
    assert facts["head"]["axes"][0]["labels"][0] == HOSTILE
    assert facts["items"][0]["tags"] == list(first[0].tags)
    assert html.escape(HOSTILE) in page
    half = shown.export_html(tmp_path / "half.html", title="half \ud83d a bee")
    assert "half ? a bee" in half.read_text("utf-8")


def test_a_missing_clip_file_or_row_is_a_sentence_in_its_cell(clips, tmp_path):
    clips.library.sheet_path(clips.keys[5]).unlink()
    clips.library.mp4_path(clips.keys[4]).unlink()
    lost = ClipSet(clips.library, [*clips.keys, "0" * 64])
    page, facts, figures, _ = read(lost.export_html(tmp_path / "page.html"))
    assert facts["items"][5]["problem"] == (
        "This clip's picture was missing when the page was written."
    )
    assert "sheet" not in facts["items"][5]
    assert "film was missing" in facts["details"][4]["problem"]
    assert facts["items"][6]["problem"].startswith("The library no longer had this clip")
    assert "picture was missing" in figures[5]
    assert str(clips.library.folder) not in page, "what others get names no folder of this machine"
    assert "2 of 7 clips are here without a picture." in page


def test_the_page_stays_below_its_size_and_says_what_is_not_there(library, tmp_path):
    clips = noisy(library, 12, stars=[3])
    whole = sum(len(clip.sheet_bytes()) + len(clip.mp4_bytes()) for clip in clips)
    assert whole > 2_000_000
    path = clips.export_html(tmp_path / "page.html", max_bytes=900_000)
    assert path.stat().st_size < 900_000
    page, facts, figures, _ = read(path)
    assert "1 of 12 clips are here as films" in page
    assert "The pictures of 12 clips were made smaller." in page
    assert [bool(re.search("mp4;base64", figure)) for figure in figures] == [
        i == 3 for i in range(12)
    ]
    sizes = {tuple(item["sheet"].values()) for item in facts["items"]}
    assert len(sizes) == 1, "all are reduced alike"
    for figure, item in zip(figures, facts["items"], strict=True):
        data = base64.b64decode(re.search(r'jpeg;base64,(.*?)"', figure).group(1))
        picture = Image.open(io.BytesIO(data))
        layout = item["sheet"]
        assert picture.size == (layout["frames"] * layout["width"], layout["height"])
    least = clips.export_html(tmp_path / "least.html", max_bytes=200_000)
    assert least.stat().st_size < 200_000


def test_what_does_not_fit_at_all_is_left_out_with_a_sentence(library, tmp_path, monkeypatch):
    clips = noisy(library, 12)
    monkeypatch.setattr(size_budget, "_SHEETS", size_budget._SHEETS[:1])
    page, facts, _, _ = read(clips.export_html(tmp_path / "page.html", max_bytes=320_000))
    left = [item.get("problem", "") for item in facts["items"]]
    assert left[0] == ""
    assert left[-1] == "This clip was left out: the page would have become too large."
    assert f"{sum(map(bool, left))} of 12 clips are here without a picture." in page


def test_a_film_that_is_too_large_is_made_smaller(library):
    (clip,) = noisy(library, 1, width=640, height=384, frames=9)

    def fit(limit):
        return size_budget.fit_video(clip.mp4_bytes(), clip.frames, clip.shot.fps, limit)

    assert fit(10**8) == clip.mp4_bytes()
    small = fit(len(clip.mp4_bytes()) // 4)
    assert 0 < len(small) <= len(clip.mp4_bytes()) // 4
    assert fit(100) is None


def test_shares():
    assert size_budget.fair_share([10, 10, 10], 100) == 10
    assert size_budget.fair_share([10, 80, 80], 100) == 45
    assert size_budget.fair_share([], 100) == 0


def test_values_that_are_no_numbers_do_not_break_the_page(library, tmp_path):
    clips = fill(library, ["a bee"], seeds=1)
    row = clips.library.row(clips.keys[0])
    facts = {**row["facts"], "motion": math.nan, "speed": math.inf}
    clips.library._index.add(
        clips.keys[0], {"shot": row["shot"].to_dict(), "facts": facts, "created": 1.0}
    )
    _, told, _, _ = read(clips.export_html(tmp_path / "page.html"))
    columns = {column["name"]: column["values"] for column in told["columns"]["columns"]}
    assert columns.get("motion", [None]) == [None]


def test_what_can_not_be_written_is_said_plainly(clips, tmp_path):
    with pytest.raises(BeecamError, match="there are no clips to write a page of"):
        clips[:0].export_html(tmp_path / "page.html")
    with pytest.raises(
        BeecamError, match=r"path='/proc/page.html': the page can't be written there"
    ):
        clips.export_html("/proc/page.html")
    with pytest.raises(CheckError, match="this can't be a file's name: File name too long"):
        clips.export_html(tmp_path / f"{'x' * 300}.html")
    with pytest.raises(CheckError, match="max_bytes=5: an integer of 200,000 or more is needed"):
        clips.export_html(tmp_path / "page.html", max_bytes=5)
    kept = clips.export_html(tmp_path / "page.html")
    before = kept.read_bytes()
    with pytest.raises(CheckError, match="is a folder"):
        clips.export_html(tmp_path)
    assert kept.read_bytes() == before


def test_labels_that_turn_letters_round_leave_what_stands_beside_them():
    from beecam.export import view_data as telling

    assert telling.joined(["bee", "sea"]) == "bee · sea"
    assert telling.joined(["\u202eevil", "1"]) == "\u2068\u202eevil\u2069 · 1"
    assert telling.joined(["נחלה", "1"]) == "\u2068נחלה\u2069 · 1"
    assert telling.joined(["\u2069\u202eevil", "1"]) == "\u2068\u202eevil\u2069 · 1"
