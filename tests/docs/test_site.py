"""The built site: links, console, and the way from the first page to a method.

The tests read the site in the folder that SPARSEDECOMP_SITE names, or
`docs/_build/html`.
"""

import contextlib
import functools
import http.server
import importlib.util
import os
import threading
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("SPARSEDECOMP_SITE", ROOT / "docs" / "_build" / "html"))
SPEC = importlib.util.spec_from_file_location(
    "browser", ROOT / "tests" / "gui" / "browser.py"
)
browser = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(browser)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (SITE / "index.html").is_file(), reason="the site is not built"
    ),
]

# A question of somebody who has never seen the package, what is clicked on the way from
# the first page, and what the last page must hold.
QUESTIONS = [
    (
        "I have an EELS map of an interface and do not know how many phases there are.",
        ["Which components are in my map, and how many?"],
        ['s.decomposition(algorithm="nmf_so_ard"'],
    ),
    (
        "In my EDX map no pixel is pure. Which algorithm looks beyond the pixels?",
        ["Which method?"],
        ["simplex_ml", "min_volume", "No pixel is pure, but many lack a phase"],
    ),
    (
        "How do I know whether the spectra that I found are right?",
        ["Can I trust what was found?"],
        ["s.unmixing_report(", "band=0.9"],
    ),
    (
        "I fit EXAFS with Athena and Artemis. How do I get shells from a map?",
        ["Coming from another program", "From Athena and Artemis"],
        ["exafs_sparse_fit(", "s.autobk()"],
    ),
    (
        "I have a coarse EELS map and a sharp dark-field image of the same field.",
        ["A coarse map and a sharp image", "Fusion of a coarse map and a sharp guide"],
        ["Guided process", "placebos"],
    ),
    (
        "My file is larger than the memory of my computer.",
        ["Few counts, huge files", "Larger than memory, and clusters"],
        ["lazy=True", "block by block"],
    ),
]


class Links(HTMLParser):
    """Addresses and identifiers of a page."""

    def __init__(self):
        super().__init__()
        self.addresses, self.identifiers, self.images = set(), set(), []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.identifiers |= {given[key] for key in ("id", "name") if given.get(key)}
        self.addresses |= {given[key] for key in ("href", "src") if given.get(key)}
        if tag == "img":
            self.images.append(given)


@functools.cache
def parsed(path):
    """Links of a page."""
    links = Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


def pages():
    """All pages of the site, without the templates of its theme."""
    return sorted(p for p in SITE.rglob("*.html") if "_static" not in p.parts)


def target_of(page, address):
    """File and anchor that an address on a page names; None outside of the site."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    path = page.parent / urllib.parse.unquote(parts.path) if parts.path else page
    return path.resolve(), urllib.parse.unquote(parts.fragment)


def test_no_local_link_is_broken():
    broken = []
    for page in pages():
        for address in parsed(page).addresses:
            target = target_of(page, address)
            if target is None:
                continue
            path, anchor = target
            path = path / "index.html" if path.is_dir() else path
            if not path.is_file():
                broken.append(f"{page.relative_to(SITE)}: {address}")
            elif anchor and path.suffix == ".html":
                if anchor not in parsed(path).identifiers:
                    broken.append(f"{page.relative_to(SITE)}: {address}")
    assert len(pages()) > 200 and not broken, "\n".join(broken[:40])


def test_every_picture_has_a_text_in_its_place():
    # The small pictures of the gallery stand beside their titles.
    silent = [
        f"{page.relative_to(SITE)}: {image.get('src')}"
        for page in pages()
        for image in parsed(page).images
        if not image.get("alt") and not image.get("src", "").endswith("_thumb.png")
    ]
    assert not silent, "\n".join(silent[:40])


@contextlib.contextmanager
def served():
    """Address of the site on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def page():
    """Page of a browser; messages of its console and requests to others are kept."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if browser.chromium() is None:
        pytest.skip(f"no browser found: install one of {', '.join(browser.NAMES)}")
    with served() as address, sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=browser.chromium(), args=list(browser.OPTIONS)
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(30_000)
        page.address, page.errors, page.outside = address, [], []
        page.on(
            "console",
            lambda m: page.errors.append(m.text) if m.type == "error" else None,
        )
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on(
            "request",
            lambda r: (
                page.outside.append(r.url)
                if not r.url.startswith((address, "data:", "blob:"))
                else None
            ),
        )
        yield page
        chromium.close()


def errors_of(page, paths):
    """Errors of the console, and requests to other machines, of the pages opened."""
    for path in paths:
        page.errors.clear()
        page.outside.clear()
        answer = page.goto(f"{page.address}/{path.relative_to(SITE).as_posix()}")
        if page.errors or page.outside or not answer.ok:
            yield f"{path.relative_to(SITE)}: {[*page.errors, *page.outside]}"


def generated(path):
    """Whether a page was made from a docstring or a module of the program."""
    return bool({"generated", "_modules"} & set(path.relative_to(SITE).parts))


def test_pages_open_without_errors_and_without_a_network(page):
    written = [path for path in pages() if not generated(path)]
    others = [path for path in pages() if generated(path)]
    wrong = list(errors_of(page, [*written, *others[::20]]))
    assert len(written) > 60 and not wrong, "\n".join(wrong[:20])


@pytest.mark.study
def test_generated_pages_open_without_errors_and_without_a_network(page):
    wrong = list(errors_of(page, filter(generated, pages())))
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.parametrize(("question", "clicks", "expected"), QUESTIONS)
def test_a_question_is_answered_within_three_clicks(page, question, clicks, expected):
    page.goto(f"{page.address}/index.html")
    for text in clicks:
        place = page.locator("article, .bd-sidebar-primary, .sd-card")
        card = page.locator(".sd-card", has_text=text)
        if card.count():
            card.first.click(position={"x": 20, "y": 20})
        else:
            place.get_by_role("link", name=text, exact=True).first.click()
        page.wait_for_load_state()
    words = " ".join(page.locator("article").inner_text().split())
    assert len(clicks) <= 3
    assert all(each in words for each in expected), (page.url, question)


def test_equations_are_drawn(page):
    page.goto(f"{page.address}/theory/nmf_so.html")
    heights = page.eval_on_selector_all(
        "div.math > math", "all => all.map(m => m.getBoundingClientRect().height)"
    )
    assert len(heights) >= 2 and min(heights) > 15


def test_the_search_finds_a_method(page):
    page.goto(f"{page.address}/search.html?q=unmixing_report")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li a").count() > 1
