"""A browser that opens a page from disk, and a probe that looks into it.

The probe holds the page in a frame, does what a reader would do, and writes what it saw as JSON. Only the probe needs
the flag that lets one file look into another.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
]
PROBE = """<!doctype html><title>probe</title><iframe id="frame" width="1300" height="900"></iframe>
<pre id="seen"></pre><script>
const frame = document.getElementById("frame");
const box = item => { const b = item.getBoundingClientRect(); return [b.width, b.height]; };
frame.addEventListener("load", async () => {
  const page = frame.contentDocument, table = page.getElementById("eye-table");
  await Promise.all([...page.images].map(image => image.decode()));
  const column = key => table.querySelector(`th[data-key=${key}]`);
  const cells = key => [...table.tBodies[0].rows].filter(r => !r.hidden)
    .map(r => r.cells[column(key).cellIndex].textContent);
  const seen = {
    title: page.title,
    scripts: page.scripts.length,
    pictures: [...page.images].map(image => [image.naturalWidth, ...box(image)]),
    drawings: [...page.querySelectorAll("svg")].map(box),
    marks: [...page.querySelectorAll("svg path, svg circle, svg polygon")].map(box),
    wider: page.documentElement.scrollWidth - page.documentElement.clientWidth,
  };
  if (table) {
    seen.address = cells("visits");
    seen.patients = cells("patient");
    column("rate").querySelector("button").click();
    seen.ascending = [cells("rate"), column("rate").getAttribute("aria-sort")];
    column("rate").querySelector("button").click();
    seen.descending = [cells("rate"), column("rate").getAttribute("aria-sort")];
    column("slope").querySelector("button").click();
    seen.missing = cells("slope");
    seen.others = column("rate").getAttribute("aria-sort");
    column("visits").querySelector("button").focus();
    seen.focused = page.activeElement.textContent;
    page.getElementById("filter").value = "p002";
    page.getElementById("filter").dispatchEvent(new Event("input"));
    seen.filtered = cells("patient");
    page.getElementById("filter").value = "";
    page.getElementById("flagged").click();
    seen.flagged = cells("flag");
    seen.count = page.getElementById("shown").textContent;
  }
  document.getElementById("seen").textContent = JSON.stringify(seen);
});
frame.src = ADDRESS;
</script>
"""


def browse(chromium: str, address: str, profile: Path, *flags: str) -> tuple[str, str]:
    """The page's document after its scripts ran, and what the browser logged."""
    command = [chromium, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=10000", *flags]
    done = subprocess.run(
        [*command, "--dump-dom", address], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout, done.stderr


def look(chromium: str, address: str, folder: Path) -> dict[str, Any]:
    """What the probe saw on a page of the report."""
    probe = folder / "probe.html"
    probe.write_text(PROBE.replace("ADDRESS", json.dumps(address)))
    text, log = browse(chromium, probe.as_uri(), folder / "profile", "--allow-file-access-from-files")
    seen = re.search(r'<pre id="seen">(.*?)</pre>', text, re.DOTALL)
    assert seen and seen.group(1), log
    return json.loads(html.unescape(seen.group(1)))
