"""Grouped bar charts with error whiskers and curves on a logarithmic scale, as SVG text. Transparent and in middle tones, so they read on light and dark pages.

    svg = bars("Title", [Panel("one thread", ["16", "64"], {"ours": [(2.0, 1.8, 2.1), None]}, "tokens/s")])

A series holds one (value, low, high) per group, or None where it was not measured.

    svg = curves("Title", [Curves("text", {"ours": [(0.9, 80000), (0.99, 45000)]}, "recall", "queries/s")])

Values of curves are drawn on a logarithmic scale; so are places with `log_x`.
"""

import dataclasses
import html
import math

COLOURS = ["#8d99a6", "#b3a1c9", "#c9a66b", "#d07f5f", "#5b9bd5", "#3f7fbf", "#1f9e89", "#4daf6a"]
INK, GRID = "#7d8590", "#7d859055"
WIDTH, MARGIN_LEFT, MARGIN_RIGHT = 900, 64, 12
PLOT_HEIGHT, HEAD_HEIGHT, FOOT_HEIGHT = 220, 34, 30


@dataclasses.dataclass
class Panel:
    title: str
    groups: list
    series: dict
    unit: str


def bars(title, panels):
    """One panel below the other, a shared legend on top. Series keep their colour over all panels."""
    return chart_of(title, panels, draw_panel)


def growth(title, panels):
    """The same with the groups as places on the way from left to right, and powers of ten upwards."""
    return chart_of(title, panels, draw_growth)


def chart_of(title, panels, draw, foot=FOOT_HEIGHT):
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    legend, legend_height = draw_legend(names, colours)
    top = 30 + legend_height
    parts = [text(MARGIN_LEFT, 20, title, size=15, weight="600"), *legend]
    for panel in panels:
        parts += draw(panel, colours, top)
        top += HEAD_HEIGHT + PLOT_HEIGHT + foot
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 4:.0f}" width="{WIDTH}" role="img" '
            f'font-family="system-ui, sans-serif"><title>{html.escape(title)}</title>\n' + "\n".join(parts) + "\n</svg>\n")


@dataclasses.dataclass
class Curves:
    title: str
    series: dict
    place: str
    unit: str
    log_x: bool = False


def curves(title, panels):
    """As bars(), with a line for each series."""
    return chart_of(title, panels, draw_curves, foot=FOOT_HEIGHT + 14)


def draw_curves(panel, colours, top):
    points = [point for series in panel.series.values() for point in series]
    along = math.log10 if panel.log_x else float
    left, right = along(min(x for x, _ in points)), along(max(x for x, _ in points))
    low, high = (math.log10(bound(y for _, y in points)) for bound in (min, max))
    low, high = low - 0.05, max(high, low + 0.3) + 0.05
    base = top + HEAD_HEIGHT + PLOT_HEIGHT
    at = lambda x, y: (MARGIN_LEFT + 10 + (along(x) - left) / ((right - left) or 1) * (WIDTH - MARGIN_LEFT - MARGIN_RIGHT - 20),
                       base - (math.log10(y) - low) / (high - low) * PLOT_HEIGHT)
    parts = [text(MARGIN_LEFT, top + 22, f"{panel.title}, {panel.unit}", size=12.5, weight="600")]
    for y in (factor * 10**power for power in range(math.floor(low), math.ceil(high)) for factor in (1, 2, 5)):
        if low <= math.log10(y) <= high:
            parts += [line(MARGIN_LEFT, at(points[0][0], y)[1], WIDTH - MARGIN_RIGHT, at(points[0][0], y)[1], GRID),
                      text(MARGIN_LEFT - 7, at(points[0][0], y)[1] + 4, tick(y), anchor="end")]
    places = sorted({x for x, _ in points}) if panel.log_x else [x / 100 for x in range(0, 101) if left <= x / 100 <= right and x % 2 == 0]
    for x in places:
        parts.append(text(at(x, points[0][1])[0], base + 17, tick(x) if panel.log_x else f"{x:.2f}", anchor="middle"))
    parts.append(text(WIDTH - MARGIN_RIGHT, base + 31, panel.place, anchor="end"))
    for name, series in panel.series.items():
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in series))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colours[name]}"/>' for x, y in (at(*point) for point in series)]
    return parts


def draw_legend(names, colours):
    parts, x, y = [], MARGIN_LEFT, 34
    for name in names:
        width = 26 + 7.0 * len(name)
        if x + width > WIDTH - MARGIN_RIGHT:
            x, y = MARGIN_LEFT, y + 18
        parts += [rectangle(x, y, 12, 12, colours[name], name), text(x + 17, y + 10.5, name, size=12)]
        x += width
    return parts, y + 18 - 30


def draw_panel(panel, colours, top):
    highest = max(high for points in panel.series.values() for *_, high in filter(None, points))
    step = tick_step(highest)
    ceiling = step * math.ceil(highest * 1.04 / step)
    base = top + HEAD_HEIGHT + PLOT_HEIGHT
    height = lambda value: PLOT_HEIGHT * value / ceiling
    parts = [text(MARGIN_LEFT, top + 22, f"{panel.title}, {panel.unit}", size=12.5, weight="600")]
    for i in range(round(ceiling / step) + 1):
        y = base - height(i * step)
        parts += [line(MARGIN_LEFT, y, WIDTH - MARGIN_RIGHT, y, GRID), text(MARGIN_LEFT - 7, y + 4, tick(i * step), anchor="end")]
    group_width = (WIDTH - MARGIN_LEFT - MARGIN_RIGHT) / len(panel.groups)
    bar_width = group_width * 0.84 / len(panel.series)
    for g, group in enumerate(panel.groups):
        left = MARGIN_LEFT + group_width * (g + 0.08)
        parts.append(text(left + group_width * 0.42, base + 17, group, size=12, anchor="middle"))
        for s, (name, points) in enumerate(panel.series.items()):
            if points[g]:
                parts += draw_bar(left + s * bar_width, base, bar_width, points[g], height, colours[name], name)
    return parts


def draw_growth(panel, colours, top):
    values = [value for points in panel.series.values() for point in filter(None, points) for value in point]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    base = top + HEAD_HEIGHT + PLOT_HEIGHT
    y_of = lambda value: base - PLOT_HEIGHT * (math.log10(value) - low) / max(1, high - low)
    x_of = lambda group: MARGIN_LEFT + (WIDTH - MARGIN_LEFT - MARGIN_RIGHT) * (group + 0.5) / len(panel.groups)
    parts = [text(MARGIN_LEFT, top + 22, f"{panel.title}, {panel.unit}", size=12.5, weight="600")]
    for power in range(low, high + 1):
        y = y_of(10 ** power)
        parts += [line(MARGIN_LEFT, y, WIDTH - MARGIN_RIGHT, y, GRID), text(MARGIN_LEFT - 7, y + 4, tick(10 ** power), anchor="end")]
    parts += [text(x_of(g), base + 17, group, size=12, anchor="middle") for g, group in enumerate(panel.groups)]
    for name, points in panel.series.items():
        places = [(x_of(g), point) for g, point in enumerate(points) if point]
        for (x1, one), (x2, other) in zip(places, places[1:]):
            parts.append(line(x1, y_of(one[0]), x2, y_of(other[0]), colours[name], width=2))
        for x, (value, least, most) in places:
            parts += [line(x, y_of(least), x, y_of(most), INK), rectangle(x - 3, y_of(value) - 3, 6, 6, colours[name], f"{name}: {tick(value)}")]
    return parts


def draw_bar(x, base, width, point, height, colour, name):
    value, low, high = point
    middle, cap = x + width * 0.46, min(4, width * 0.2)
    y_low, y_high = base - height(low), base - height(high)
    return [rectangle(x, base - height(value), width * 0.92, height(value), colour, f"{name}: {tick(value)}"),
            line(middle, y_low, middle, y_high, INK), line(middle - cap, y_low, middle + cap, y_low, INK),
            line(middle - cap, y_high, middle + cap, y_high, INK),
            text(middle, y_high - 4, tick(value), size=9.5, anchor="middle")]


def tick_step(highest):
    raw = highest / 5
    power = 10 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)


def tick(value):
    if value >= 10000:
        return f"{value / 1000:.0f}k"
    if value >= 1000:
        return f"{value / 1000:.1f}k".replace(".0k", "k")
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def text(x, y, content, size=11, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{INK}">'
            f"{html.escape(str(content))}</text>")


def rectangle(x, y, width, height, colour, hint):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}">'
            f"<title>{html.escape(hint)}</title></rect>")


def line(x1, y1, x2, y2, colour, width=1):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'
