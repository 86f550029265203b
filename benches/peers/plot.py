#!/usr/bin/env python3
"""Makes docs/benchmarks.svg and docs/benchmarks.md from what run.sh measured: plot.py [RESULTS.json]"""

import html
import json
import math
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KIB, MIB = 1 << 10, 1 << 20
OURS = "waxseal"
PLOT_LEN = 64 * MIB
FRAME_LENS = [4 * KIB, 64 * KIB, MIB]
# Name in results.json: name in the docs, light colour, dark colour.
PEERS = {
    "waxseal": ("waxseal, one thread", "#0b5fa5", "#58a6ff"),
    "waxseal, 2 threads": ("waxseal, two threads", "#3d8fd6", "#8cc4ff"),
    "waxseal, at once": ("waxseal, at once", "#86b9e6", "#2f6fb0"),
    "aws-esdk": ("aws-esdk (Rust)", "#b35900", "#e08a3c"),
    "Python, stream": ("aws-encryption-sdk (Python), stream", "#4d7a1f", "#86b84a"),
    "Python, at once": ("aws-encryption-sdk (Python), at once", "#86ab5f", "#5f8a35"),
    "JavaScript": ("client-node (JavaScript), stream", "#8a6d00", "#d0ad2f"),
    "age": ("age (Rust), another format", "#6f6f6f", "#9a9a9a"),
}
LIMITS = {"bare": "bare primitives of aws-lc-rs", "memcpy": "memcpy"}


class Results:
    def __init__(self, path):
        self.all = json.loads(path.read_text())
        self.speed = {key(figure): figure for figure in self.all["speed"]}
        self.memory = {key(figure): figure for figure in self.all["memory"]}
        self.lens = sorted({figure["len"] for figure in self.all["speed"]})

    def at(self, peer, direction, signed, frame_len, length):
        return self.speed.get((peer, direction, signed, frame_len, length))

    def cells(self, length, signed):
        """What was measured at this length: frame lengths and directions."""
        for frame_len in FRAME_LENS:
            for direction in ("encrypt", "decrypt"):
                if self.at(OURS, direction, signed, frame_len, length):
                    yield frame_len, direction


def key(figure):
    return tuple(figure[field] for field in ("peer", "direction", "signed", "frame_len", "len"))


def size(length):
    return f"{length // MIB} MiB" if length >= MIB else f"{length // KIB} KiB"


def speed(figure, field="median_seconds"):
    """Bytes of plaintext a second."""
    return figure["len"] / figure[field]


def rounded(number):
    """Three digits are more than the noise allows already."""
    if number >= 1000:
        number = round(number, 1 - int(math.log10(number)) + 1)
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def short_speed(bytes_a_second):
    if bytes_a_second >= 1e9:
        return f"{bytes_a_second / 1e9:.1f} GB/s"
    return f"{bytes_a_second / 1e6:.0f} MB/s"


# The picture

WIDTH, MARGIN, GUTTER, TOP = 1060, 24, 36, 128
LABEL_WIDTH, VALUE_WIDTH = 232, 70
BAR, GAP, GROUP_TITLE, GROUP_GAP = 13, 4, 22, 20
PANEL = (WIDTH - 2 * MARGIN - LABEL_WIDTH - GUTTER) / 2
GROUPS = [(False, 4 * KIB), (False, 64 * KIB), (False, MIB), (True, 4 * KIB), (True, MIB)]
LOWEST, HIGHEST = 1e7, 3e10
# The label of a faster limit stands left of its line, where there is room.
LABEL_LEFT_FROM = 2.5e9


def picture(results):
    marks, y = [], TOP
    for signed, frame_len in GROUPS:
        here = [peer for peer in PEERS if results.at(peer, "encrypt", signed, frame_len, PLOT_LEN)]
        if not here:
            continue
        title = f"{'Signed (0x0578)' if signed else 'Unsigned (0x0478)'}, frames of {size(frame_len)}"
        marks.append(text(MARGIN, y + 14, title, "group"))
        top = y + GROUP_TITLE
        bottom = top + len(here) * (BAR + GAP)
        for number, peer in enumerate(here):
            row = top + number * (BAR + GAP)
            marks.append(text(MARGIN + LABEL_WIDTH - 8, row + BAR - 2, PEERS[peer][0], "label", "end"))
            for direction in ("encrypt", "decrypt"):
                marks += bar(results.at(peer, direction, signed, frame_len, PLOT_LEN), peer, left(direction), row)
        for direction in ("encrypt", "decrypt"):
            limit = speed(results.at("bare", direction, signed, frame_len, PLOT_LEN))
            x = left(direction) + across(limit)
            marks.append(f'<line class="limit" x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{bottom}"/>')
            what = f"{'SHA-384' if signed else 'AES-256-GCM'} alone: {short_speed(limit)}"
            marks.append(text(x, top - 8, what, "limit-label", "end" if limit > LABEL_LEFT_FROM else "start"))
        y = bottom + GROUP_GAP
    height = y + 22
    behind = [line for direction in ("encrypt", "decrypt") for line in axis(direction, y - GROUP_GAP + 6)]
    taken = results.all
    head = [
        text(MARGIN, 34, f"Messages of {size(PLOT_LEN)}, in memory: plaintext a second, on a log scale", "title"),
        text(
            MARGIN,
            56,
            f"{taken['date']}, {taken['machine']['cpu']}, {taken['machine']['cores']} cores. "
            "Bars: medians; the thin line ends at the best.",
            "label",
        ),
        text(
            MARGIN, 74, "Longer is better. Dashed: what the primitives of aws-lc-rs alone reach on one thread.", "label"
        ),
        *(
            text(left(direction) + (PANEL - VALUE_WIDTH) / 2, 104, direction.capitalize(), "panel", "middle")
            for direction in ("encrypt", "decrypt")
        ),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'role="img" aria-label="Throughput of waxseal and its peers">',
            style(),
            f'<rect class="page" x="0" y="0" width="{WIDTH}" height="{height}" rx="8"/>',
            *head,
            *behind,
            *marks,
            "</svg>\n",
        ]
    )


def left(direction):
    return MARGIN + LABEL_WIDTH + (0 if direction == "encrypt" else PANEL + GUTTER)


def across(bytes_a_second):
    part = math.log(bytes_a_second / LOWEST) / math.log(HIGHEST / LOWEST)
    return min(max(part, 0.0), 1.0) * (PANEL - VALUE_WIDTH)


def bar(figure, peer, x, y):
    if figure is None:
        return []
    median, best = across(speed(figure)), across(speed(figure, "best_seconds"))
    value = short_speed(speed(figure))
    thin = f'x="{x + median:.1f}" y="{y + BAR / 2 - 1}" width="{best - median:.1f}" height="2"'
    return [
        f'<rect class="{css(peer)}" x="{x:.1f}" y="{y}" width="{median:.1f}" height="{BAR}" rx="2"/>',
        f'<rect class="{css(peer)}" {thin}/>',
        text(x + PANEL, y + BAR - 2, value, "value ours" if peer.startswith(OURS) else "value", "end"),
    ]


def axis(direction, bottom):
    lines = []
    for at in (1e7, 1e8, 1e9, 1e10):
        x = left(direction) + across(at)
        lines.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 14}" x2="{x:.1f}" y2="{bottom}"/>')
        lines.append(text(x, bottom + 14, short_speed(at).replace(".0", ""), "axis", "middle"))
    return lines


def css(peer):
    return "p" + str(list(PEERS).index(peer))


def text(x, y, what, style_class, anchor="start"):
    return f'<text class="{style_class}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(what)}</text>'


def style():
    light = "".join(f".{css(peer)}{{fill:{colours[1]}}}" for peer, colours in PEERS.items())
    dark = "".join(f".{css(peer)}{{fill:{colours[2]}}}" for peer, colours in PEERS.items())
    return (
        "<style>"
        "text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:11.5px;fill:#24292f}"
        ".title{font-size:18px;font-weight:600}.panel{font-size:14px;font-weight:600}"
        ".group{font-size:13px;font-weight:600}.ours{font-weight:600}"
        ".axis,.limit-label{font-size:10.5px;fill:#57606a}"
        ".page{fill:#ffffff;stroke:#d0d7de}.grid{stroke:#d8dee4;stroke-width:1}"
        ".limit{stroke:#24292f;stroke-width:1.2;stroke-dasharray:4 3}"
        f"{light}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.axis,.limit-label{fill:#9da7b1}"
        ".page{fill:#0d1117;stroke:#30363d}.grid{stroke:#21262d}.limit{stroke:#e6edf3}"
        f"{dark}}}"
        "</style>"
    )


# The page


def page(results):
    taken = results.all
    machine = taken["machine"]
    measured = {figure["peer"] for figure in taken["speed"]}
    lines = [
        "# waxseal beside its peers",
        "",
        "This page and its picture are made by a script; do not edit them by hand.",
        "",
        "![Throughput of waxseal and its peers](benchmarks.svg)",
        "",
        f"- Taken {taken['date']}, in {taken['seconds'] // 60} minutes, after installing.",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB of memory, "
        f"{machine['system']}, Linux {machine['kernel']}. Load average {machine['load_before']:.1f} before and "
        f"{machine['load_after']:.1f} after.",
        f"- Made with `{taken['command']} && python3 benches/peers/plot.py`, in the repository.",
        "- " + "; ".join(f"{what} {version}" for what, version in taken["versions"].items()) + ".",
        *(f"- Not in this run: {name}." for peer, (name, *_) in PEERS.items() if peer not in measured),
        f"- Before measuring, {len(taken['checks'])} checks passed: each opens what waxseal wrote, and "
        "waxseal what each wrote, unsigned and signed.",
        *([BUSY] if machine["load_before"] > machine["cores"] else []),
        "",
        *HOW,
        *verdict(results),
    ]
    for length in [PLOT_LEN, *(length for length in results.lens if length not in (KIB, PLOT_LEN))]:
        lines += ["", f"## Messages of {size(length)}"]
        for signed in (False, True):
            lines += ["", *speed_table(results, length, signed)]
    lines += ["", *small_table(results), "", *memory_table(results), "", *NOT_COMPARABLE]
    return "\n".join(lines) + "\n"


BUSY = (
    "- **The machine was busy with other work, so that these figures show only that all of it runs**: take them on an "
    "idle one."
)

HOW = """## How it was measured

Each peer is a process of its own, and they take turns: every round runs each once, so that a busy machine slows all of
them alike. A sample lasts at least 20 ms (small messages come in batches), and nothing is measured before one run for
nothing. Figures are wall clock: the median of all rounds, and the best in brackets; MB are powers of ten, KiB and MiB
powers of two, and speeds count plaintext. Everyone has the same raw AES-256 wrapping key, no encryption context, and
makes a data key for each message. Plaintext and message are in memory; making them, and copies that a call needs
because it takes its input by value, are not counted; freeing a result that the call made is.

The limit, "bare primitives", is aws-lc-rs on one thread in the same run: AES-256-GCM over the same frames with as many
authenticated bytes beside them, from buffer to buffer, and for signed suites SHA-384 over the message alone. The
tables' "of bare" is the median of the ratios to it, round by round.

- waxseal, one thread and two threads: `Encryptor` and `Decryptor` between the caller's buffers. At once:
  `waxseal::encrypt(..)` and `decrypt(..)`, to a new `Vec`.
- aws-esdk: its only way, from a whole message to a whole message, on a tokio runtime.
- Python, stream: `client.stream`, read in pieces of 64 KiB, or of a frame if that is longer: its fastest way. At
  once: `client.encrypt` and `client.decrypt`. Keys by the older interface (`RawMasterKey`), which is the faster one.
- JavaScript: `encryptStream` and `decryptStream` (`decryptUnsignedMessageStream` for unsigned messages), fed 64 KiB
  at a time, as Node.js reads files.
- age: to an X25519 recipient, `wrap_output` and `decrypt`, between buffers.
""".splitlines()

NOT_COMPARABLE = """## What is not comparable

- age is another format: ChaCha20-Poly1305 in chunks of 64 KiB and a fresh X25519 exchange for each message, where the
  others have AES-256-GCM and wrap a data key with AES. It has no signature.
- "At once" and aws-esdk make a new buffer for the result, whose pages the system must fetch and clear: above some
  MiB this costs more than the encryption. waxseal between the caller's buffers pays that once, outside the clock, as
  a server does that keeps its buffers; compare "waxseal, at once" with aws-esdk for the same shape of call.
- aws-esdk has no stream, so there is nothing of it at 256 MiB.
- Python and JavaScript pay for their interpreters with each frame and each message; within large frames they run
  OpenSSL, which is as fast as AWS-LC.
- Memory of Python and JavaScript includes the interpreter: see the column of 1 KiB.
- A virtual machine, shared with others: absolute figures drift by half and more from hour to hour. Ratios
  within this run hold better; differences below a tenth mean nothing.
""".splitlines()


def verdict(results):
    """Where a peer is ahead, found rather than written."""
    lost, count = [], 0
    for length in results.lens:
        for signed in (False, True):
            for frame_len, direction in results.cells(length, signed):
                count += 1
                ours = results.at(OURS, direction, signed, frame_len, length)
                for peer in PEERS:
                    theirs = results.at(peer, direction, signed, frame_len, length)
                    if theirs and not peer.startswith(OURS) and theirs["median_seconds"] < ours["median_seconds"]:
                        factor = ours["median_seconds"] / theirs["median_seconds"]
                        suite = "signed" if signed else "unsigned"
                        lost.append(
                            f"- {PEERS[peer][0]}: {direction}, {suite}, {size(length)} in frames of {size(frame_len)}: "
                            f"{factor:.2f} times as fast."
                        )
    lines = ["", "## Where waxseal loses", ""]
    smaller = [line for peer in PEERS if (line := smaller_memory(results, peer))]
    if lost:
        lines += [f"Of {count} kinds of run, a peer's median is ahead of waxseal on one thread in:", "", *lost]
    else:
        lines.append(f"In none of {count} kinds of run is a peer's median ahead of waxseal on one thread.")
    short, far = [], 0
    for length in (length for length in results.lens if length >= 64 * MIB):
        for signed in (False, True):
            for frame_len, direction in results.cells(length, signed):
                far += 1
                part = results.at(OURS, direction, signed, frame_len, length)["of_bare"]
                # A signed message is sealed and hashed: on one thread it cannot be as fast as the hash alone.
                if part < (0.85 if signed else 0.9):
                    suite = "signed" if signed else "unsigned"
                    short.append(f"- {direction}, {suite}, {size(length)} in frames of {size(frame_len)}: {part:.2f}.")
    if short:
        what = "messages of 64 MiB and more, one thread, that reach less than 0.90 of it (signed: 0.85)"
        lines += ["", f"Behind the limit, the bare primitives, are {what}:", "", *short]
    elif far:
        what = "reach 0.90 of the bare primitives (signed: 0.85) throughout"
        lines += ["", f"On one thread, messages of 64 MiB and more {what}."]
    return lines + (["", "Less memory than waxseal on one thread:", "", *smaller] if smaller else [])


def smaller_memory(results, peer):
    """Where a peer holds less than waxseal, in one line."""
    pairs = [
        (results.memory[(OURS, *key(figure)[1:])]["peak_bytes"], figure["peak_bytes"])
        for figure in results.all["memory"]
        if figure["peer"] == peer and not peer.startswith(OURS)
    ]
    less = [ours - theirs for ours, theirs in pairs if theirs < ours]
    if not less:
        return None
    return f"- {PEERS[peer][0]}: by up to {rounded(max(less) / 1e6)} MB, in {len(less)} of {len(pairs)} kinds of run."


def speed_table(results, length, signed):
    cells = list(results.cells(length, signed))
    suite = "Signed (0x0578)" if signed else "Unsigned (0x0478)"
    lines = [f"{suite}, MB/s: median (best), part of bare.", ""]
    titles = [f"{direction}, {size(frame_len)} frames" for frame_len, direction in cells]
    lines.append("| | " + " | ".join(titles) + " |")
    lines.append("|---|" + "---:|" * len(cells))
    for peer in [*PEERS, *LIMITS]:
        figures = [results.at(peer, direction, signed, frame_len, length) for frame_len, direction in cells]
        if not any(figures):
            continue
        row = [
            f"{rounded(speed(figure) / 1e6)} ({rounded(speed(figure, 'best_seconds') / 1e6)})"
            + ("" if peer == "bare" else f", {part(figure['of_bare'])}")
            if figure
            else ""
            for figure in figures
        ]
        lines.append(f"| {shown(peer)} | " + " | ".join(row) + " |")
    return lines


def small_table(results):
    lines = ["## Messages of 1 KiB", "", "Microseconds for a message: median (best).", ""]
    columns = [(signed, direction) for signed in (False, True) for direction in ("encrypt", "decrypt")]
    titles = [f"{direction}, {'signed' if signed else 'unsigned'}" for signed, direction in columns]
    lines += ["| | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(columns)]
    for peer in PEERS:
        figures = [results.at(peer, direction, signed, 4 * KIB, KIB) for signed, direction in columns]
        if any(figures):
            row = [
                f"{micros(figure['median_seconds'])} ({micros(figure['best_seconds'])})" if figure else ""
                for figure in figures
            ]
            lines.append(f"| {shown(peer)} | " + " | ".join(row) + " |")
    return lines


def memory_table(results):
    lens = sorted({figure["len"] for figure in results.all["memory"]})
    columns = [(length, frame_len) for length in lens for frame_len in ([4 * KIB] if length == KIB else FRAME_LENS)]
    lines = [
        "## Memory",
        "",
        "Peak resident memory in MB of a process that does nothing but encrypt, or decrypt, one unsigned message "
        "from a file to a file, as a stream if it can (`VmHWM`): encrypt / decrypt.",
        "",
    ]
    titles = [size(length) + ("" if length == KIB else f", {size(frame_len)} frames") for length, frame_len in columns]
    lines += ["| | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(columns)]
    for peer in PEERS:
        row = []
        for length, frame_len in columns:
            both = [results.memory.get((peer, way, False, frame_len, length)) for way in ("encrypt", "decrypt")]
            row.append(" / ".join(rounded(figure["peak_bytes"] / 1e6) for figure in both if figure))
        if any(row):
            lines.append(f"| {shown(peer)} | " + " | ".join(row) + " |")
    return lines


def shown(peer):
    name = PEERS[peer][0] if peer in PEERS else LIMITS[peer]
    return f"**{name}**" if peer.startswith(OURS) else name


def part(ratio):
    return f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.3f}"


def micros(seconds):
    return rounded(seconds * 1e6)


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "peers" / "results.json"
    results = Results(path)
    if PLOT_LEN not in results.lens:
        raise SystemExit(f"{path} has no messages of {size(PLOT_LEN)}: it was a quick run")
    docs = ROOT / "docs"
    (docs / "benchmarks.svg").write_text(picture(results))
    (docs / "benchmarks.md").write_text(page(results))
    print("docs/benchmarks.svg and docs/benchmarks.md written")


if __name__ == "__main__":
    main()
