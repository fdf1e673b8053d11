"""Reports in a real browser: what it logs, how wide pages are, how they look and print."""

from __future__ import annotations

import re
import subprocess
import zlib

import pytest

from tests.tools_found import chromium_program

CHROMIUM = chromium_program()
MISSING = "Chromium is not here: apt install chromium"
pytestmark = [pytest.mark.long, pytest.mark.skipif(CHROMIUM is None, reason=MISSING)]

# What the browser itself says on a machine without a desktop.
FOREIGN = re.compile(r"dbus|gpu|vaapi|gcm|google_apis|sandbox|ssl_|udev|DevTools", re.IGNORECASE)
WIDTHS = (390, 1280)
DARK, LIGHT = 0, 1
ATTEMPTS = 4


def browser(tmp_path, *options):
    """What Chromium prints, and what it logs."""
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
            "--allow-file-access-from-files", "--virtual-time-budget=20000", *options,
        ],
        capture_output=True, text=True, timeout=200, check=False, cwd=tmp_path,
    )  # fmt: skip
    logged = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return done.stdout, [line for line in logged if not FOREIGN.search(line)]


def test_a_page_draws_its_figures_silently_and_fits_any_width(runs, page, tmp_path):
    frames = "".join(
        f'<iframe src="file://{runs}/report.html" style="width:{w}px;height:14000px"></iframe>'
        for w in WIDTHS
    )
    measure = """
      const measured = (frame) => {
        const page = frame.contentDocument, root = page.documentElement;
        const plots = [...page.querySelectorAll(".plot")];
        const wide = plots.filter((plot) =>
          [...plot.querySelectorAll("svg")].some((svg) => svg.clientWidth > plot.clientWidth + 1));
        const drawn = page.querySelectorAll(".plot.js-plotly-plot").length;
        return [root.scrollWidth - root.clientWidth, wide.length, plots.length - drawn].join(" ");
      };
      const frames = [...document.querySelectorAll("iframe")];
      const look = (times) => {
        document.title = frames.map(measured).join("/");
        if (times && !/^0 0 0(\\/0 0 0)*$/.test(document.title)) setTimeout(look, 200, times - 1);
      };
      window.addEventListener("load", () => setTimeout(look, 1000, 100));"""
    outer = tmp_path / "outer.html"
    outer.write_text(f"<!DOCTYPE html><body>{frames}<script>{measure}</script>")
    size = f"--window-size={sum(WIDTHS) + 40},14000"
    # Nothing wider than the window, no picture wider than its place, none left out.
    wanted = "/".join(["0 0 0"] * len(WIDTHS))
    # On a busy machine the browser's virtual time can pass before it has made a frame, and the
    # figures are drawn when a frame shows them.
    for _attempt in range(ATTEMPTS):
        dom, logged = browser(tmp_path, size, "--dump-dom", f"file://{outer}")
        assert logged == []
        found = re.search(r"<title>(.*?)</title>", dom)[1]
        if found == wanted:
            break
    assert found == wanted


def test_scripts_that_are_not_the_pages_own_do_not_run(page, tmp_path):
    evil = tmp_path / "evil.html"
    evil.write_text(page.replace("</body>", "<script>document.title = 'taken'</script></body>"))
    dom, logged = browser(tmp_path, "--dump-dom", f"file://{evil}")
    assert "<title>taken" not in dom
    assert any("Content Security Policy" in line for line in logged)  # so faults are seen here


def test_a_page_follows_the_theme_and_prints(runs, page, tmp_path):
    corners = {}
    for scheme in (LIGHT, DARK):
        shot = tmp_path / f"{scheme}.png"
        theme = f"--blink-settings=preferredColorScheme={scheme}"
        _, logged = browser(
            tmp_path, theme, "--window-size=1280,4000", f"--screenshot={shot}",
            f"file://{runs}/report.html",
        )  # fmt: skip
        assert logged == []
        corners[scheme] = first_pixel(shot.read_bytes())
    assert corners == {LIGHT: (255, 255, 255), DARK: (20, 23, 27)}
    pdf = tmp_path / "page.pdf"
    browser(
        tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", f"file://{runs}/report.html"
    )
    pages = re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())
    assert 4 <= len(pages) <= 16


def first_pixel(png):
    """The colour of the corner: the first bytes of the first line, whatever its filter."""
    data, at = b"", 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += length + 12
    return tuple(zlib.decompressobj().decompress(data, 16)[1:4])
